// A CUDA driver of our own for tests without a GPU: "device" addresses that nothing but this file can follow, and a "launch" that runs the
// host's form of picture.h. As a library it is a libcuda.so.1 (.ci/interop/cuda.sh, nvdec.sh). Its calls are done when they answer.
#include "picture.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// A device address has this bit; whoever follows it on the host dies of it.
#define DEVICE (1ULL << 60)

static _Thread_local int integrated, allocations, fail_load, no_egl, registered;

// What kind of GPU it plays for this thread, and what goes wrong; answers how often memory was asked for.
int arenad_stand_in_driver(int shares_memory, int refuses_kernels) {
    integrated = shares_memory;
    fail_load = refuses_kernels;
    return allocations;
}

// Whether it refuses EGLImages in this thread: 1 to register them, 2 with another pitch; answers how many are registered.
int arenad_stand_in_egl(int refuses) {
    no_egl = refuses;
    return registered;
}

static void* host(unsigned long long address) { return (void*)(uintptr_t)(address & ~DEVICE); }
static unsigned long long device(void* address) { return (unsigned long long)(uintptr_t)address | DEVICE; }

#ifdef ARENAD_PTX // the text of picture.ptx as C (.ci/interop/cuda.ptx.py), to be launched in the place of picture.h
#define FOLLOW(address) host(address)
#include ARENAD_PTX
#endif

int cuInit(unsigned flags) { return flags != 0; }
int cuDriverGetVersion(int* version) { return *version = 12020, 0; }
int cuDeviceGetCount(int* count) { return *count = 1, 0; }
int cuDeviceGet(int* gpu, int index) { return *gpu = 0, index != 0; }
int cuDeviceGetName(char* name, int len, int gpu) { return (void)gpu, strncpy(name, "stand-in GPU", (size_t)len), 0; }
int cuDeviceGetAttribute(int* value, int what, int gpu) {
    (void)gpu;
    *value = what == 18 ? integrated || getenv("STAND_IN_SHARED") != NULL : what == 75 ? 8 : 7;
    return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int gpu) { return *context = &integrated, gpu; }
int cuCtxSetCurrent(void* context) { return context == NULL; }
int cuMemAlloc_v2(unsigned long long* address, size_t bytes) {
    void* made = malloc(bytes);
    ++allocations;
    *address = device(made);
    return made == NULL ? 2 : 0;
}
int cuMemFree_v2(unsigned long long address) { return free(host(address)), (address & DEVICE) == 0; }
int cuMemHostAlloc(void** address, size_t bytes, unsigned flags) {
    (void)flags;
    ++allocations;
    *address = malloc(bytes);
    return *address == NULL ? 2 : 0;
}
int cuMemFreeHost(void* address) { return free(address), 0; }
int cuMemHostGetDevicePointer_v2(unsigned long long* address, void* memory, unsigned flags) {
    *address = device(memory);
    return flags != 0 || !integrated;
}
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t bytes, void* stream) {
    if ((to & DEVICE) == 0 || stream == NULL) return 1;
    return memcpy(host(to), from, bytes), 0;
}
int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t bytes, void* stream) {
    if ((from & DEVICE) == 0 || stream == NULL) return 1;
    return memcpy(to, host(from), bytes), 0;
}
int cuStreamCreate(void** stream, unsigned flags) { return *stream = &allocations, flags != 1; }
int cuStreamDestroy_v2(void* stream) { return stream == NULL; }
int cuStreamSynchronize(void* stream) { return stream == NULL; }
int cuEventCreate(void** event, unsigned flags) { return *event = &fail_load, (int)flags; }
int cuEventDestroy_v2(void* event) { return event == NULL; }
int cuEventRecord(void* event, void* stream) { return event == NULL || stream == NULL; }
int cuEventElapsedTime(float* ms, void* began, void* ended) { return *ms = 0.25F, began == NULL || ended == NULL; }
int cuGetErrorString(int error, const char** words) { return *words = error == 218 ? "a PTX JIT compilation failed" : "a fault", 0; }
int cuStreamBeginCapture_v2(void* stream, int mode) { return (void)stream, (void)mode, 801; }
int cuStreamEndCapture(void* stream, void** graph) { return (void)stream, *graph = NULL, 801; }
int cuGraphInstantiateWithFlags(void** run, void* graph, unsigned long long flags) {
    return (void)graph, (void)flags, *run = NULL, 801;
}
int cuGraphLaunch(void* run, void* stream) { return (void)run, (void)stream, 801; }
int cuGraphExecDestroy(void* run) { return (void)run, 0; }
int cuGraphDestroy(void* graph) { return (void)graph, 0; }
// An EGLImage here is the address of this, and what CUDA registers is the image itself.
struct image {
    void* planes[2];
    unsigned width, height, pitch;
};
struct egl_frame {
    unsigned long long planes[3];
    unsigned width, height, depth, pitch, count, channels;
    int kind, colour, format;
};
int cuGraphicsEGLRegisterImage(void** resource, void* image, unsigned flags) {
    if (no_egl == 1 || image == NULL || flags != 0) return 1;
    ++registered;
    return *resource = image, 0;
}
int cuGraphicsResourceGetMappedEglFrame(struct egl_frame* frame, const struct image* image, unsigned index, unsigned level) {
    struct egl_frame made = {{device(image->planes[0]), device(image->planes[1]), 0}, image->width, image->height, 0,
                             image->pitch + (no_egl == 2), 2, 1, 1, 1, 1};
    *frame = made;
    return index != 0 || level != 0;
}
int cuGraphicsUnregisterResource(const struct image* image) { return --registered, image == NULL; }
int cuModuleLoadData(void** module, const void* ptx) {
    *module = &integrated;
    return fail_load || strstr(ptx, ".visible .entry arenad_picture(") == NULL ? 218 : 0;
}
int cuModuleUnload(void* module) { return module == NULL; }
int cuModuleGetFunction(void** function, void* module, const char* name) {
    *function = module;
    return strcmp(name, "arenad_picture") == 0 ? 0 : 500;
}
int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned shared, void* stream, void** arguments, void** more) {
    ArenadPicture picture;
    unsigned long long out;
    if (function == NULL || stream == NULL || more != NULL || shared != 0 || grid_z * block_z != 1) return 1;
    memcpy(&picture, arguments[0], sizeof picture);
    memcpy(&out, arguments[1], sizeof out);
    // The kernel gets device addresses, as a GPU would.
    if ((((uintptr_t)picture.y & (uintptr_t)picture.u & (uintptr_t)picture.v & out) & DEVICE) == 0) return 700;
#ifdef ARENAD_PTX
    for (unsigned row = 0; row < grid_y * block_y; ++row)
        for (unsigned column = 0; column < grid_x * block_x; ++column)
            arenad_ptx(arguments[0], arguments[1], block_x, block_y, column / block_x, row / block_y, column % block_x, row % block_y);
    return 0;
#endif
    picture.y = host((uintptr_t)picture.y);
    picture.u = host((uintptr_t)picture.u);
    picture.v = host((uintptr_t)picture.v);
    for (unsigned row = 0; row < grid_y * block_y; ++row)
        for (unsigned column = 0; column < grid_x * block_x; ++column)
            if ((int)column < picture.input_width && (int)row < picture.input_height)
                arenad_input_pixel(&picture, (int)column, (int)row, host(out));
    return 0;
}

#define NAME(function) {#function, (void*)function}
// A function of the driver by its name, for whoever has it linked in.
void* arenad_stand_in_lookup(const char* name) {
    static const struct {
        const char* name;
        void* function;
    } all[] = {NAME(cuInit), NAME(cuDriverGetVersion), NAME(cuDeviceGetCount), NAME(cuDeviceGet), NAME(cuDeviceGetName),
               NAME(cuDeviceGetAttribute), NAME(cuDevicePrimaryCtxRetain), NAME(cuCtxSetCurrent), NAME(cuMemAlloc_v2),
               NAME(cuMemFree_v2), NAME(cuMemHostAlloc), NAME(cuMemFreeHost), NAME(cuMemHostGetDevicePointer_v2),
               NAME(cuMemcpyHtoDAsync_v2), NAME(cuMemcpyDtoHAsync_v2), NAME(cuStreamCreate), NAME(cuStreamDestroy_v2),
               NAME(cuStreamSynchronize), NAME(cuEventCreate), NAME(cuEventDestroy_v2), NAME(cuEventRecord),
               NAME(cuEventElapsedTime), NAME(cuGetErrorString), NAME(cuStreamBeginCapture_v2), NAME(cuStreamEndCapture),
               NAME(cuGraphInstantiateWithFlags), NAME(cuGraphLaunch), NAME(cuGraphExecDestroy), NAME(cuGraphDestroy),
               NAME(cuModuleLoadData), NAME(cuModuleUnload), NAME(cuModuleGetFunction), NAME(cuLaunchKernel),
               NAME(cuGraphicsEGLRegisterImage), NAME(cuGraphicsResourceGetMappedEglFrame), NAME(cuGraphicsUnregisterResource)};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        if (strcmp(all[i].name, name) == 0) return all[i].function;
    return NULL;
}
