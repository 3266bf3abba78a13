// Builds, reads, runs and closes an engine through the shim's table on the stand-in of tensorrt.sh, once, and holds each answer against what it must be.
// MAJOR FOLDER DLA: the DLA core, -1 for none. The environment of the stand-in says what goes wrong: STANDIN_FAILS=700 a run, STANDIN_CAPTURE=0 a graph.
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const ArenadTrtTable* arenad_trt_table_8(void);
const ArenadTrtTable* arenad_trt_table_10(void);
const ArenadTrtTable* arenad_trt_table_11(void);

// An ONNX file of one graph without nodes: in [1, 3, 2, 2] -> out [1, 1, 1, 2].
static const char ONNX[] =
    "\x3a\x3d\x5a\x1c\x0a\x02\x69\x6e\x12\x16\x0a\x14\x08\x01\x12\x10\x0a\x02\x08\x01\x0a\x02\x08\x03\x0a\x02\x08\x02\x0a\x02"
    "\x08\x02\x62\x1d\x0a\x03\x6f\x75\x74\x12\x16\x0a\x14\x08\x01\x12\x10\x0a\x02\x08\x01\x0a\x02\x08\x01\x0a\x02\x08\x01\x0a"
    "\x02\x08\x02";

static char said[8000];
static int last_step = -1, told;

static void hear(void* user, int32_t severity, const char* text) {
    (void)user;
    (void)severity;
    if (strlen(said) + strlen(text) + 3 < sizeof said) strcat(strcat(said, text), "; ");
}
static void progress(void* user, const char* phase, int32_t step, int32_t steps) {
    (void)user;
    if (strcmp(phase, "Building the engine") != 0 || steps != 1000 || step < last_step) last_step = 1 << 30;
    if (step > last_step) last_step = step;
    ++told;
}
static void must(int good, const char* what) {
    if (good) return;
    printf("FAILED  %s; heard: %s\n", what, said);
    exit(1);
}
static int heard(const char* words) { return strstr(said, words) != NULL; }

// A picture in a decoder's surface: read where it is, also when it changes; the surface is known once, until it is forgotten.
static void surfaces(const ArenadTrtTable* table, void* session, ArenadPicture picture) {
    static unsigned char luma[3 * 32] = {0}, chroma[2 * 32] = {0};
    struct { const void* planes[3]; unsigned width, height, depth, pitch, count, channels; int kind, colour, format; } image = {
        {luma, chroma, NULL}, 32, 3, 0, 32, 2, 1, 1, 1, 1}, other = image;
    ArenadSurface surface = {&image, 32, 32}, unfit = {&other, 0, 0};
    float values[12], expected[12];
    picture.y_pitch = picture.chroma_pitch = 32;
    picture.y = luma + 32, picture.u = chroma + 32, picture.v = picture.u + 1;
    if (!table->in_place(session)) {
        must(getenv("STANDIN_SHARED") == NULL, "a GPU with the CPU's memory reads in place");
        must(table->put_picture(session, 0, &picture, &surface) == ARENAD_TRT_RUN && heard("CUDA error 801"), "a surface for a GPU with memory of its own");
        return;
    }
    if (getenv("STANDIN_EGL") != NULL) {
        must(table->put_picture(session, 0, &picture, &surface) == ARENAD_TRT_RUN && heard("the EGLImage of a picture: CUDA error 1"), "an EGLImage that is not taken");
        return;
    }
    for (int run = 0; run < 4; ++run) {
        for (int i = 0; i < 32; ++i) luma[32 + i] = (unsigned char)(40 * run + i), luma[64 + i] = (unsigned char)(90 + run), chroma[32 + i] = (unsigned char)(50 * run + 3 * i);
        for (int i = 0; i < 4; ++i) arenad_input_pixel(&picture, i % 2, i / 2, expected);
        must(table->put_picture(session, 0, &picture, &surface) == 0, "a picture in its surface");
        must(table->peek(session, 0, values, 12) == 0 && memcmp(values, expected, sizeof values) == 0, "what the input holds of a surface");
    }
    other.pitch = 64;
    must(table->put_picture(session, 0, &picture, &unfit) == ARENAD_TRT_RUN && heard("not NV12 in rows of the decoder's pitch"), "a surface of another pitch");
    table->forget(session, &other);
    other.pitch = 32, other.kind = 0;
    must(table->put_picture(session, 0, &picture, &unfit) == ARENAD_TRT_RUN, "a surface in blocks");
    table->forget(session, &other);
    table->forget(session, &other);
    table->forget(session, &image);
    must(table->put_picture(session, 0, &picture, &surface) == 0, "a surface that comes again");
}

// A picture in the place of numbers: the next run is on it, and numbers are taken again after it.
static void pictures(const ArenadTrtTable* table, void* session) {
    static const unsigned char luma[4] = {16, 81, 145, 235}, chroma[2] = {90, 240};
    ArenadPicture picture = {luma, chroma, chroma + 1, 2, 2, 2, 0, 0, 2, 2, 2, 2, 1, 1.0F, 0.0F, 0.0F, 16, 9539, 13075, 16525, 6660, 3209,
                             {1, 1, 1}, {0, 0, 0}, 0};
    float values[12], expected[12], answer[2], gpu_ms = 0;
    must(table->put_picture(session, 0, &picture, NULL) == ARENAD_TRT_RUN && heard("the picture is for another input"), "a picture before the kernel");
    must(table->pictures(session, "no PTX") == ARENAD_TRT_DEVICE && heard("the kernel for pictures: CUDA error 218"), "a kernel that is none");
    must(table->pictures(session, ".visible .entry arenad_picture(") == 0, "the kernel");
    for (int i = 0; i < 4; ++i) arenad_input_pixel(&picture, i % 2, i / 2, expected);
    must(table->put_picture(session, 1, &picture, NULL) == ARENAD_TRT_RUN, "a picture for an output");
    for (int run = 0; run < 3; ++run) {
        must(table->put_picture(session, 0, &picture, NULL) == 0, "a picture");
        must(table->peek(session, 0, values, 12) == 0 && memcmp(values, expected, sizeof values) == 0, "what the input holds");
        must(table->run(session, &gpu_ms) == 0 && table->take(session, 1, answer, 2) == 0, "a run on a picture");
        must(answer[0] == expected[0] + 1 && answer[1] == expected[11] - 1, "the answer to a picture");
    }
    surfaces(table, session, picture);
    picture.input_width = 4;
    must(table->put_picture(session, 0, &picture, NULL) == ARENAD_TRT_RUN, "a picture for another input");
    must(table->peek(session, 0, values, 11) == ARENAD_TRT_RUN, "an input of another size");
    memset(values, 0, sizeof values);
    must(table->put(session, 0, values, 12) == 0 && table->run(session, &gpu_ms) == 0 && table->take(session, 1, answer, 2) == 0, "numbers again");
    must(answer[0] == 1 && answer[1] == -1, "the answer to numbers");
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    int major = atoi(argv[1]);
    const ArenadTrtTable* table = major == 8 ? arenad_trt_table_8() : major == 10 ? arenad_trt_table_10() : arenad_trt_table_11();
    int32_t dla = atoi(argv[3]), fails = getenv("STANDIN_FAILS") != NULL, piecewise = getenv("STANDIN_CAPTURE") != NULL;
    void *library = NULL, *blob = NULL, *session = NULL;
    ArenadTrtAbout about;
    must(table->open(argv[2], hear, NULL, &library, &about) == 0, "open");
    must(table->major == major && about.version / (major == 8 ? 1000 : 10000) == major && about.driver == 12060 && about.compute_major == 8, "what it is about");
    must(about.dla_cores == (getenv("STANDIN_DLA") == NULL ? 0 : atoi(getenv("STANDIN_DLA"))), "the board's DLA cores");

    ArenadTrtOptions options = {1, 1, dla, 1 << 20};
    const uint8_t* bytes = NULL;
    size_t len = 0;
    must(table->build(library, "no ONNX", 7, &options, progress, NULL, &blob, &bytes, &len) == ARENAD_TRT_MODEL, "a file that is no ONNX");
    must(heard("ONNX: this is no ONNX file"), "the parser's words");
    must(table->build(library, ONNX, sizeof ONNX - 1, &options, progress, NULL, &blob, &bytes, &len) == 0, "build");
    must(major == 8 ? told == 1 : last_step == 1000 && told > 90, "the build's progress: from 0 to 1000, never back");
    char* plan = malloc(len + 1);
    memcpy(plan, bytes, len);
    plan[len] = 0;
    table->free_blob(blob);
    must((strstr(plan, "device=1 dla=") != NULL) == (dla >= 0), "the DLA core of the build");
    must((strstr(plan, "flag=") != NULL) == (table->major < 11 || dla >= 0), "the builder's flags");

    must(table->load(library, "foreign", 7, dla, &session) == ARENAD_TRT_PLAN && heard("magic tag"), "a foreign plan");
    must(table->load(library, plan, len, dla, &session) == 0, "load");
    must(heard("the runtime's DLA core is") == (dla >= 0), "the DLA core of the runtime");
    ArenadTrtTensor in, out;
    must(table->tensors(session) == 2 && table->tensor(session, 0, &in) == 0 && table->tensor(session, 1, &out) == 0, "the tensors");
    must(table->tensor(session, 2, &in) != 0 && table->tensor(session, -1, &in) != 0, "a tensor that is not there");
    must(table->tensor(session, 0, &in) == 0 && in.input && in.fp32 && in.rank == 4 && in.dims[1] == 3 && strcmp(in.name, "in") == 0, "the input");
    must(!out.input && out.dims[3] == 2 && strcmp(out.name, "out") == 0, "the output");

    float values[12] = {0}, answer[2] = {0}, gpu_ms = 0;
    must(table->run(session, &gpu_ms) == ARENAD_TRT_RUN && heard("not started"), "a run before the start");
    must(table->lend(session, 1, 2) == NULL, "an output before the start");
    must(table->put(session, 0, values, 12) == ARENAD_TRT_RUN, "values before the start");
    int32_t started = table->start(session);
    if (fails) {
        must(started != 0 && heard("CUDA error 700, an illegal memory access"), "a start that fails");
    } else {
        must(started == 0, "start");
        must(heard(piecewise ? "no CUDA graph" : "a run is one CUDA graph"), "the graph");
        must(table->lend(session, 0, 12) == NULL && table->lend(session, 1, 3) == NULL && table->lend(session, 2, 2) == NULL, "what is not lent");
        must(table->put(session, 0, values, 11) != 0 && table->put(session, 7, values, 12) != 0, "values that do not fit");
        for (int run = 0; run < 100; ++run) {
            values[0] = (float)run, values[11] = (float)(2 * run);
            must(table->put(session, 0, values, 12) == 0 && table->run(session, &gpu_ms) == 0, "a run");
            must(table->take(session, 1, answer, 2) == 0, "take");
            const float* lent = table->lend(session, 1, 2);
            must(lent != NULL && memcmp(lent, answer, sizeof answer) == 0, "the output where it lies");
            must(answer[0] == (float)(run + 1) && answer[1] == (float)(2 * run - 1) && gpu_ms == 0.25F, "the answer");
        }
    }
    if (!fails) pictures(table, session);
    table->unload(session);
    table->close(library);
    free(plan);
    printf("ok      TensorRT %s runs on the stand-in: DLA %d, %s\n", argv[1], dla, fails ? "a failing device" : piecewise ? "piece by piece" : "one graph");
    return 0;
}
