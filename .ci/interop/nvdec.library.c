// A stand-in for NVIDIA's libv4l2, libnvbufsurface and libnvbufsurftransform in front of the kernel's test decoder, with the ways in
// which a Jetson's differs as its headers and samples tell them: no poll, no command to stop, an empty buffer at the end, no mark
// on the last picture, the older call for what is visible, buffers mapped through exported files, pictures only through surfaces.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define WHOLE_UNITS (V4L2_CTRL_CLASS_MPEG | 0x900) + 515
static bool whole_units, ended;
static int empty = -1;
static uint32_t width, height, pitch;

static int refuse(int error, const char *why) {
    fprintf(stderr, "stand-in: %s\n", why);
    errno = error;
    return -1;
}

int v4l2_open(const char *path, int flags, ...) {
    if (strcmp(path, "/dev/v4l2-nvdec") || !(flags & O_NONBLOCK)) return refuse(EINVAL, "not opened as NVIDIA's decoder");
    whole_units = ended = false;
    empty = -1;
    return open(getenv("STAND_IN_DECODER"), flags);
}

int v4l2_close(int fd) { return close(fd); }

static int visible(int fd, struct v4l2_crop *crop) {
    struct v4l2_selection selection = {.type = crop->type, .target = V4L2_SEL_TGT_COMPOSE};
    int answer = ioctl(fd, VIDIOC_G_SELECTION, &selection);
    crop->c = selection.r;
    return answer;
}

static int put(int fd, struct v4l2_buffer *buffer) {
    if (buffer->length != 1) return refuse(EINVAL, "a buffer of another number of planes");
    if (buffer->type != V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE) return ioctl(fd, VIDIOC_QBUF, buffer);
    if (!whole_units || !(buffer->flags & V4L2_BUF_FLAG_TIMESTAMP_COPY)) buffer->timestamp.tv_sec = buffer->timestamp.tv_usec = 0;
    if (buffer->m.planes[0].bytesused) return ioctl(fd, VIDIOC_QBUF, buffer);
    struct v4l2_decoder_cmd stop = {.cmd = V4L2_DEC_CMD_STOP};
    empty = buffer->index;
    return ioctl(fd, VIDIOC_DECODER_CMD, &stop);
}

static int take(int fd, struct v4l2_buffer *buffer) {
    if (buffer->type == V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE && empty >= 0) {
        buffer->index = empty;
        buffer->m.planes[0].bytesused = 0;
        empty = -1;
        return 0;
    }
    int answer = ioctl(fd, VIDIOC_DQBUF, buffer);
    if (buffer->type != V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) return answer;
    if (answer == 0) buffer->flags &= ~V4L2_BUF_FLAG_LAST;
    if (answer < 0 && errno == EPIPE) {
        buffer->flags |= V4L2_BUF_FLAG_LAST;
        errno = EAGAIN;
    }
    return answer;
}

int v4l2_ioctl(int fd, unsigned long number, ...) {
    va_list list;
    va_start(list, number);
    void *argument = va_arg(list, void *);
    va_end(list);
    switch (number) {
    case VIDIOC_DECODER_CMD:
    case VIDIOC_G_SELECTION: errno = ENOTTY; return -1;
    case VIDIOC_G_CROP: return visible(fd, argument);
    case VIDIOC_QBUF: return put(fd, argument);
    case VIDIOC_DQBUF: return take(fd, argument);
    case VIDIOC_S_EXT_CTRLS: {
        struct v4l2_ext_controls *controls = argument;
        if (controls->count != 1 || controls->controls[0].id != WHOLE_UNITS) return refuse(EINVAL, "an unknown control");
        whole_units = controls->controls[0].value == 0;
        return 0;
    }
    }
    int answer = ioctl(fd, number, argument);
    if (answer == 0 && number == VIDIOC_QUERYBUF) ((struct v4l2_buffer *)argument)->m.planes[0].m.mem_offset = 0;
    struct v4l2_format *format = argument;
    if (answer == 0 && number == VIDIOC_S_FMT && format->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) {
        width = format->fmt.pix_mp.width, height = format->fmt.pix_mp.height, pitch = format->fmt.pix_mp.plane_fmt[0].bytesperline;
    }
    return answer;
}

// <nvbufsurface.h>, <nvbufsurftransform.h>: what is used of them, in their order.
typedef struct { uint32_t count, width[4], height[4], pitch[4], offset[4], size[4], pixel[4]; void *reserved[16]; } Planes;
typedef struct { uint32_t width, height, pitch; int colour, layout; uint64_t file; uint32_t size; void *bytes; Planes planes; void *mapped[4], *image, *reserved[4], *more, *rest[3]; } Params;
typedef struct { uint32_t gpu, batch, filled; bool contiguous; int memory; Params *list; void *reserved[4]; } Surface;
typedef struct { uint32_t gpu, width, height, size; bool contiguous; int colour, layout, memory; } Create;
typedef struct { Create params; int scan; uint8_t chroma[2]; int tag; bool unpadded; uint32_t gap; void *reserved[3]; } Allocate;
typedef struct { uint32_t top, left, width, height; } Rect;
typedef struct { uint32_t flags; int flip, filter; Rect *from, *to; } Transform;
enum { NV12_ER = 7, ROWS = 0, BLOCKS = 1, SURFACE_ARRAY = 4, VIDEO_CONVERT = 0xf01, CROP_BOTH = 3 };

int NvBufSurfaceFromFd(int file, void **found) {
    static Params params;
    static Surface surface;
    if (params.bytes) munmap(params.bytes, params.size);
    uint32_t size = lseek(file, 0, SEEK_END);
    params = (Params){.width = width, .height = height, .pitch = pitch, .colour = NV12_ER, .layout = BLOCKS, .file = file, .size = size,
                      .bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0)};
    if (params.bytes == MAP_FAILED) return params.bytes = NULL, refuse(EINVAL, "no file of a buffer");
    surface = (Surface){.batch = 1, .filled = 1, .memory = SURFACE_ARRAY, .list = &params};
    *found = &surface;
    return 0;
}

int NvBufSurfaceAllocate(Surface **made, uint32_t batch, Allocate *wanted) {
    Create *create = &wanted->params;
    if (batch != 1 || create->colour != NV12_ER || create->layout != ROWS || create->memory != SURFACE_ARRAY || wanted->tag != VIDEO_CONVERT)
        return refuse(EINVAL, "another surface than rows of the decoder's colours");
    uint32_t row = (create->width + 255) / 256 * 256, size = row * create->height * 2;
    Surface *surface = calloc(1, sizeof *surface);
    surface->list = calloc(1, sizeof *surface->list);
    *surface->list = (Params){.width = create->width, .height = create->height, .pitch = row, .colour = create->colour, .layout = ROWS,
                              .size = size, .bytes = malloc(size)};
    surface->list->planes = (Planes){.count = 2, .pitch = {row, row}, .size = {row * create->height, row * ((create->height + 1) / 2)}};
    surface->batch = 1;
    *made = surface;
    return 0;
}

int NvBufSurfaceDestroy(Surface *surface) {
    if (surface->list->mapped[0] || surface->list->image) return refuse(EBUSY, "a surface goes that is still mapped");
    free(surface->list->bytes);
    free(surface->list);
    free(surface);
    return 0;
}

int NvBufSurfTransform(Surface *from, Surface *to, Transform *wanted) {
    Params *a = from->list, *b = to->list;
    Rect *cut = wanted->from;
    if (wanted->flags != CROP_BOTH || to->filled != 1 || cut->width != wanted->to->width || cut->height != wanted->to->height ||
        cut->left + cut->width > a->width || cut->top + cut->height > a->height)
        return refuse(EINVAL, "another transform than a cut of one size");
    for (uint32_t row = 0; row < cut->height + (cut->height + 1) / 2; row++) {
        bool luma = row < cut->height;
        uint32_t at = luma ? cut->top + row : a->height + cut->top / 2 + row - cut->height, end = luma ? row : b->height + row - cut->height;
        memcpy((char *)b->bytes + end * b->pitch, (char *)a->bytes + at * a->pitch + cut->left, (cut->width + 1) / 2 * 2);
    }
    return 0;
}

int NvBufSurface2Raw(Surface *surface, unsigned index, unsigned plane, unsigned columns, unsigned rows, unsigned char *to) {
    Params *a = surface->list;
    if (index != 0 || plane > 1) return refuse(EINVAL, "no such plane");
    for (unsigned row = 0; row < rows; row++)
        memcpy(to + row * columns * (plane + 1), (char *)a->bytes + (plane * a->height + row) * a->pitch, columns * (plane + 1));
    return 0;
}

// The CPU's mapping is memory of its own, as if a cache lay between: what stands there is old until it is asked to be synchronous.
int NvBufSurfaceMap(Surface *surface, int index, int plane, int kind) {
    Params *a = surface->list;
    if (index != 0 || plane != -1 || kind != 0 || a->mapped[0]) return refuse(EINVAL, "another mapping than all planes to read, once");
    a->mapped[0] = malloc(a->size);
    a->mapped[1] = (char *)a->mapped[0] + a->pitch * a->height;
    return 0;
}

int NvBufSurfaceUnMap(Surface *surface, int index, int plane) {
    if (index != 0 || plane != -1) return refuse(EINVAL, "another mapping goes");
    free(surface->list->mapped[0]);
    surface->list->mapped[0] = NULL;
    return 0;
}

int NvBufSurfaceSyncForCpu(Surface *surface, int index, int plane) {
    if (index != 0 || plane != -1 || !surface->list->mapped[0]) return refuse(EINVAL, "nothing is mapped");
    memcpy(surface->list->mapped[0], surface->list->bytes, surface->list->size);
    return 0;
}

// An EGLImage as the stand-in driver (stand_in_driver.c) follows it. STAND_IN_EGL=0: there is no display.
typedef struct { void *planes[2]; unsigned width, height, pitch; } Image;

int NvBufSurfaceMapEglImage(Surface *surface, int index) {
    Params *a = surface->list;
    if (getenv("STAND_IN_EGL") || index != 0 || a->image) return refuse(EINVAL, "No EGLDisplay to create EGLImage");
    Image *image = a->image = malloc(sizeof *image);
    *image = (Image){{a->bytes, (char *)a->bytes + a->pitch * a->height}, a->width, a->height, a->pitch};
    return 0;
}

int NvBufSurfaceUnMapEglImage(Surface *surface, int index) {
    if (index != 0 || !surface->list->image) return refuse(EINVAL, "no image goes");
    free(surface->list->image);
    surface->list->image = NULL;
    return 0;
}
