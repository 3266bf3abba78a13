// A driver without substance for tensorrt.sh: it answers what TensorRT and the shim ask first. DEVICES is how many GPUs it claims.
#include <stddef.h>
#include <string.h>

#define SAY(name, ...) \
    int name(__VA_ARGS__) { return 0; }

int cuDeviceGetCount(int* count) {
    *count = DEVICES;
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
    (void)attribute;
    (void)device;
    *value = 8;
    return 0;
}
int cuGetErrorString(int error, const char** words) {
    (void)error;
    *words = "none";
    return 0;
}
SAY(cuInit, unsigned flags)
SAY(cuDeviceGet, int* device, int ordinal)
SAY(cuDevicePrimaryCtxRetain, void** context, int device)
SAY(cuCtxSetCurrent, void* context)
SAY(cuMemAlloc_v2, unsigned long long* at, size_t size)
SAY(cuMemFree_v2, unsigned long long at)
SAY(cuMemHostAlloc, void** at, size_t size, unsigned flags)
SAY(cuMemFreeHost, void* at)
SAY(cuMemcpyHtoDAsync_v2, unsigned long long to, const void* from, size_t size, void* stream)
SAY(cuMemcpyDtoHAsync_v2, void* to, unsigned long long from, size_t size, void* stream)
SAY(cuStreamCreate, void** stream, unsigned flags)
SAY(cuStreamDestroy_v2, void* stream)
SAY(cuStreamSynchronize, void* stream)
SAY(cuEventCreate, void** event, unsigned flags)
SAY(cuEventDestroy_v2, void* event)
SAY(cuEventRecord, void* event, void* stream)
SAY(cuEventElapsedTime, float* ms, void* from, void* to)
SAY(cuStreamBeginCapture_v2, void* stream, int mode)
SAY(cuStreamEndCapture, void* stream, void** graph)
SAY(cuGraphInstantiateWithFlags, void** exec, void* graph, unsigned long long flags)
SAY(cuGraphLaunch, void* exec, void* stream)
SAY(cuGraphExecDestroy, void* exec)
SAY(cuGraphDestroy, void* graph)
