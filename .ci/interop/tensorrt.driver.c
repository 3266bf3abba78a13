// A driver without substance for tensorrt.sh: "device" memory is the machine's, work is done when it is queued, and a graph is a list of it.
// DEVICES is how many GPUs it claims. STANDIN_CAPTURE=0: nothing can be captured. STANDIN_COPIES=N: after N waits
// copies and kernels cost the CPU nothing, as with a GPU, and do nothing.
// STANDIN_SHARED=1: the GPU has the machine's memory, as a Jetson's has.
#include "picture.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void (*Work)(void*);
struct item {
    Work work; // null: a copy
    void* to;
    const void* from;
    size_t size;
};
struct graph {
    size_t count;
    struct item items[64];
};
struct stream {
    struct graph* capturing;
};

static int off(const char* name) {
    const char* text = getenv(name);
    return text != NULL && text[0] == '0';
}
static int copies = 1, waits, waits_copied = -1;
static const char* failing; // what cuStreamSynchronize answers while the environment says so

static void run(struct item item) {
    if (item.work != NULL) {
        item.work(item.to);
    } else if (copies) {
        memcpy(item.to, item.from, item.size);
    }
}
static int queue(struct stream* stream, struct item item) {
    if (stream->capturing == NULL) {
        run(item);
    } else if (stream->capturing->count < 64) {
        stream->capturing->items[stream->capturing->count++] = item;
    }
    return 0;
}

// What the stand-in's network calls instead of a kernel.
void standin_launch(struct stream* stream, Work work, void* what) {
    struct item item = {work, what, NULL, 0};
    queue(stream, item);
}

int cuInit(unsigned flags) {
    (void)flags;
    const char* text = getenv("STANDIN_COPIES");
    waits_copied = text == NULL ? -1 : atoi(text);
    copies = waits_copied != 0;
    failing = getenv("STANDIN_FAILS");
    return 0;
}
int cuDeviceGetCount(int* count) {
    *count = DEVICES;
    return 0;
}
int cuDeviceGet(int* device, int ordinal) {
    *device = ordinal;
    return 0;
}
int cuDriverGetVersion(int* version) {
    *version = 12060;
    return 0;
}
int cuDeviceGetName(char* name, int size, int device) {
    (void)device;
    strncpy(name, "no GPU at all", (size_t)size);
    return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    const char* shared = getenv("STANDIN_SHARED");
    (void)device;
    *value = attribute == 18 ? shared != NULL && shared[0] == '1' : 8;
    return 0;
}
int cuGetErrorString(int error, const char** words) {
    *words = error == 700 ? "an illegal memory access was encountered" : "none";
    return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int device) {
    (void)device;
    *context = NULL;
    return 0;
}
int cuCtxSetCurrent(void* context) {
    (void)context;
    return 0;
}
int cuMemAlloc_v2(uint64_t* at, size_t size) {
    *at = (uint64_t)(uintptr_t)calloc(1, size);
    return *at == 0 ? 2 : 0;
}
int cuMemFree_v2(uint64_t at) {
    free((void*)(uintptr_t)at);
    return 0;
}
int cuMemHostAlloc(void** at, size_t size, unsigned flags) {
    (void)flags;
    *at = calloc(1, size);
    return *at == NULL ? 2 : 0;
}
int cuMemFreeHost(void* at) {
    free(at);
    return 0;
}
int cuMemHostGetDevicePointer_v2(uint64_t* at, void* memory, unsigned flags) {
    (void)flags;
    *at = (uint64_t)(uintptr_t)memory;
    return 0;
}
// An EGLImage here is its own frame of CUDA's; STANDIN_EGL=N: the call that fails, 1 or 2.
struct egl_frame {
    const void* planes[3];
    unsigned numbers[6];
    int kinds[3];
};
static int registered;
static int refuses(char call) {
    const char* text = getenv("STANDIN_EGL");
    return text != NULL && text[0] == call;
}
int cuGraphicsEGLRegisterImage(void** resource, void* image, unsigned flags) {
    ++registered;
    *resource = image;
    return flags != 0 || refuses('1') ? (--registered, 1) : 0;
}
int cuGraphicsResourceGetMappedEglFrame(struct egl_frame* frame, void* resource, unsigned index, unsigned level) {
    memcpy(frame, resource, sizeof *frame);
    return index != 0 || level != 0 || refuses('2');
}
int cuGraphicsUnregisterResource(void* resource) { return --registered, resource == NULL; }
int cuModuleLoadData(void** module, const void* ptx) {
    *module = &copies;
    return strstr(ptx, ".visible .entry arenad_picture(") == NULL ? 218 : 0;
}
int cuModuleUnload(void* module) {
    (void)module;
    return 0;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
    *function = module;
    return strcmp(name, "arenad_picture") == 0 ? 0 : 500;
}
// The kernel for pictures, by the host's compiler; the arguments are its own copy, as with a GPU.
int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned shared, struct stream* stream, void** arguments, void** more) {
    const ArenadPicture* picture = arguments[0];
    float* out = (float*)(uintptr_t)*(const uint64_t*)arguments[1];
    if (function == NULL || stream->capturing != NULL || more != NULL || shared + grid_z + block_z != 2) return 1;
    if (copies)
        for (int row = 0; row < picture->input_height && row < (int)(grid_y * block_y); ++row)
            for (int column = 0; column < picture->input_width && column < (int)(grid_x * block_x); ++column)
                arenad_input_pixel(picture, column, row, out);
    return 0;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t size, struct stream* stream) {
    struct item item = {NULL, (void*)(uintptr_t)to, from, size};
    return queue(stream, item);
}
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t size, struct stream* stream) {
    struct item item = {NULL, to, (const void*)(uintptr_t)from, size};
    return queue(stream, item);
}
int cuStreamCreate(struct stream** stream, unsigned flags) {
    (void)flags;
    *stream = calloc(1, sizeof **stream);
    return *stream == NULL ? 2 : 0;
}
int cuStreamDestroy_v2(struct stream* stream) {
    free(stream);
    return 0;
}
int cuStreamSynchronize(struct stream* stream) {
    (void)stream;
    if (++waits == waits_copied) copies = 0;
    return failing != NULL ? atoi(failing) : 0;
}
int cuEventCreate(void** event, unsigned flags) {
    (void)flags;
    *event = malloc(1);
    return 0;
}
int cuEventDestroy_v2(void* event) {
    free(event);
    return 0;
}
int cuEventRecord(void* event, void* stream) {
    (void)event;
    (void)stream;
    return 0;
}
int cuEventElapsedTime(float* ms, void* from, void* to) {
    (void)from;
    (void)to;
    *ms = 0.25F;
    return 0;
}
int cuStreamBeginCapture_v2(struct stream* stream, int mode) {
    (void)mode;
    if (off("STANDIN_CAPTURE")) return 900;
    stream->capturing = calloc(1, sizeof(struct graph));
    return 0;
}
int cuStreamEndCapture(struct stream* stream, struct graph** graph) {
    *graph = stream->capturing;
    stream->capturing = NULL;
    return 0;
}
int cuGraphInstantiateWithFlags(struct graph** exec, struct graph* graph, unsigned long long flags) {
    (void)flags;
    *exec = malloc(sizeof **exec);
    if (*exec == NULL) return 2;
    **exec = *graph;
    return 0;
}
int cuGraphLaunch(struct graph* exec, struct stream* stream) {
    for (size_t i = 0; i < exec->count; ++i) queue(stream, exec->items[i]);
    return 0;
}
int cuGraphExecDestroy(struct graph* exec) {
    free(exec);
    return 0;
}
int cuGraphDestroy(struct graph* graph) {
    free(graph);
    return 0;
}
