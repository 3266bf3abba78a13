// How a pixel of the model's input comes from a YUV picture: colour, letterbox, normalisation. One text for the GPU (picture.cu) and for
// the host's compiler, whose answers the tests hold against preprocess.rs, step by step the same arithmetic. No header is included:
// the compiler for the GPU has none.
#ifndef ARENAD_TENSORRT_PICTURE_H
#define ARENAD_TENSORRT_PICTURE_H

#ifdef __CUDACC__
#define ARENAD_HERE static __device__ __forceinline__
#define ARENAD_FLOOR floorf
#define ARENAD_ROUND roundf
#else
#define ARENAD_HERE static inline
#define ARENAD_FLOOR __builtin_floorf
#define ARENAD_ROUND __builtin_roundf
#endif

// A window of a picture and what becomes of it; ffi.rs has the same, field by field. Planes begin at the first row that the window needs;
// where they lie, the CPU's memory or the GPU's, is the business of whoever fills it in.
typedef struct ArenadPicture {
    const unsigned char* y;
    const unsigned char* u;
    const unsigned char* v;
    int y_pitch;      // bytes from one row to the next
    int chroma_pitch; // the same, of u and v
    int chroma_step;  // bytes from one sample of u or v to the next: 1 in planes of their own, 2 interleaved
    int left;         // the window's first column
    int odd;          // 1: its first row is the second of the two that share their chroma
    int width;        // the window's size
    int height;
    int input_width; // the model's
    int input_height;
    int taps;       // samples a pixel, along each side
    float scale;    // input pixels a picture pixel
    float pad_left; // input pixels beside the window
    float pad_top;
    int y_bias; // what black is
    int y_gain; // all gains in 1/8192
    int v_red;
    int u_blue;
    int v_green;
    int u_green;
    float factor[3]; // a value 0 to 255, times this, plus `shift`: by channel
    float shift[3];
    float padding; // what stands beside the window, 0 to 255
} ArenadPicture;

typedef struct ArenadRgb {
    float c[3];
} ArenadRgb;

ARENAD_HERE int arenad_clamp(int value, int most) { return value < 0 ? 0 : value > most ? most : value; }

// Each term is rounded by itself, as the CPU's vector instructions do.
ARENAD_HERE int arenad_term(int value, int gain) { return (value * gain + 4096) >> 13; }

// The pixel nearest to (x, y) inside the window: whole numbers from 0 to 255.
ARENAD_HERE ArenadRgb arenad_pixel(const ArenadPicture* p, int x, int y) {
    x = p->left + arenad_clamp(x, p->width - 1);
    y = arenad_clamp(y, p->height - 1);
    int chroma = ((p->odd + y) >> 1) * p->chroma_pitch + (x >> 1) * p->chroma_step;
    int luma = p->y[y * p->y_pitch + x] - p->y_bias;
    int u = p->u[chroma] - 128, v = p->v[chroma] - 128;
    int base = arenad_term(luma < 0 ? 0 : luma, p->y_gain);
    ArenadRgb rgb;
    rgb.c[0] = (float)arenad_clamp(base + arenad_term(v, p->v_red), 255);
    rgb.c[1] = (float)arenad_clamp(base - arenad_term(v, p->v_green) - arenad_term(u, p->u_green), 255);
    rgb.c[2] = (float)arenad_clamp(base + arenad_term(u, p->u_blue), 255);
    return rgb;
}

// Bilinear between pixel centres.
ARENAD_HERE ArenadRgb arenad_between(const ArenadPicture* p, float x, float y) {
    float x0 = ARENAD_FLOOR(x), y0 = ARENAD_FLOOR(y), fx = x - x0, fy = y - y0;
    int column = (int)x0, row = (int)y0, i;
    ArenadRgb a = arenad_pixel(p, column, row), b = arenad_pixel(p, column + 1, row);
    ArenadRgb c = arenad_pixel(p, column, row + 1), d = arenad_pixel(p, column + 1, row + 1), out;
    for (i = 0; i < 3; ++i) {
        float top = a.c[i] + (b.c[i] - a.c[i]) * fx, bottom = c.c[i] + (d.c[i] - c.c[i]) * fx;
        out.c[i] = top + (bottom - top) * fy;
    }
    return out;
}

// Picture pixels from input pixels along one side; whole numbers are pixel centres in both.
ARENAD_HERE float arenad_back(float at, float pad, float scale) { return (at + 0.5F - pad) / scale - 0.5F; }

ARENAD_HERE ArenadRgb arenad_averaged(const ArenadPicture* p, float column, float row) {
    ArenadRgb sum = {{0.0F, 0.0F, 0.0F}};
    float step = 1.0F / (float)p->taps, count = (float)(p->taps * p->taps);
    int across, down, i;
    for (down = 0; down < p->taps; ++down) {
        float y = row + (((float)down + 0.5F) * step - 0.5F);
        for (across = 0; across < p->taps; ++across) {
            float x = column + (((float)across + 0.5F) * step - 0.5F);
            ArenadRgb one = arenad_between(p, arenad_back(x, p->pad_left, p->scale), arenad_back(y, p->pad_top, p->scale));
            for (i = 0; i < 3; ++i) sum.c[i] += one.c[i];
        }
    }
    for (i = 0; i < 3; ++i) sum.c[i] = ARENAD_ROUND(sum.c[i] / count);
    return sum;
}

// Pixel (column, row) of the input into `out`, three planes of input_width by input_height.
ARENAD_HERE void arenad_input_pixel(const ArenadPicture* p, int column, int row, float* out) {
    float x = arenad_back((float)column, p->pad_left, p->scale), y = arenad_back((float)row, p->pad_top, p->scale);
    int size = p->input_width * p->input_height, i;
    ArenadRgb rgb = {{p->padding, p->padding, p->padding}};
    if (!(x < -0.5F || y < -0.5F || x > (float)p->width - 0.5F || y > (float)p->height - 0.5F)) {
        // At one to one the padding is whole, and so are x and y.
        if (p->scale == 1.0F)
            rgb = arenad_pixel(p, (int)x, (int)y);
        else
            rgb = arenad_averaged(p, (float)column, (float)row);
    }
    for (i = 0; i < 3; ++i) out[i * size + row * p->input_width + column] = rgb.c[i] * p->factor[i] + p->shift[i];
}

#endif
