// The CUDA driver, opened at run time: the few functions that a run needs, declared here so that no CUDA header is.
#pragma once
#include <cstddef>
#include <dlfcn.h>
#include <type_traits>

namespace {

using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphExec = struct CUgraphExec_st*;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUgraphicsResource = struct CUgraphicsResource_st*;
using CUdeviceptr = unsigned long long;

constexpr int kComputeMajor = 75, kComputeMinor = 76; // CUdevice_attribute
constexpr int kIntegrated = 18;                       // the same: the GPU has the CPU's memory
constexpr unsigned kHostMapped = 2;                   // CU_MEMHOSTALLOC_DEVICEMAP
constexpr int kCaptureThreadLocal = 1;                // CUstreamCaptureMode
constexpr int kNotSupported = 801;                    // CUDA_ERROR_NOT_SUPPORTED
constexpr int kInRows = 1;                            // CU_EGL_FRAME_TYPE_PITCH

// CUeglFrame of <cudaEGL.h>, with addresses in the place of its arrays.
struct EglFrame {
    void* planes[3];
    unsigned width, height, depth, pitch, plane_count, channels; // of the first plane
    int kind, colour, format;
};
static_assert(sizeof(EglFrame) == 64, "<cudaEGL.h> has this layout");

struct Cuda {
    int (*Init)(unsigned) = nullptr;
    int (*DriverGetVersion)(int*) = nullptr;
    int (*DeviceGetCount)(int*) = nullptr;
    int (*DeviceGet)(int*, int) = nullptr;
    int (*DeviceGetName)(char*, int, int) = nullptr;
    int (*DeviceGetAttribute)(int*, int, int) = nullptr;
    int (*DevicePrimaryCtxRetain)(CUcontext*, int) = nullptr;
    int (*CtxSetCurrent)(CUcontext) = nullptr;
    int (*MemAlloc)(CUdeviceptr*, size_t) = nullptr;
    int (*MemFree)(CUdeviceptr) = nullptr;
    int (*MemHostAlloc)(void**, size_t, unsigned) = nullptr;
    int (*MemFreeHost)(void*) = nullptr;
    int (*MemcpyHtoDAsync)(CUdeviceptr, const void*, size_t, CUstream) = nullptr;
    int (*MemcpyDtoHAsync)(void*, CUdeviceptr, size_t, CUstream) = nullptr;
    int (*StreamCreate)(CUstream*, unsigned) = nullptr;
    int (*StreamDestroy)(CUstream) = nullptr;
    int (*StreamSynchronize)(CUstream) = nullptr;
    int (*EventCreate)(CUevent*, unsigned) = nullptr;
    int (*EventDestroy)(CUevent) = nullptr;
    int (*EventRecord)(CUevent, CUstream) = nullptr;
    int (*EventElapsedTime)(float*, CUevent, CUevent) = nullptr;
    int (*GetErrorString)(int, const char**) = nullptr;
    int (*StreamBeginCapture)(CUstream, int) = nullptr;
    int (*StreamEndCapture)(CUstream, CUgraph*) = nullptr;
    int (*GraphInstantiate)(CUgraphExec*, CUgraph, unsigned long long) = nullptr;
    int (*GraphLaunch)(CUgraphExec, CUstream) = nullptr;
    int (*GraphExecDestroy)(CUgraphExec) = nullptr;
    int (*GraphDestroy)(CUgraph) = nullptr;
    int (*MemHostGetDevicePointer)(CUdeviceptr*, void*, unsigned) = nullptr;
    int (*ModuleLoadData)(CUmodule*, const void*) = nullptr;
    int (*ModuleUnload)(CUmodule) = nullptr;
    int (*ModuleGetFunction)(CUfunction*, CUmodule, const char*) = nullptr;
    int (*LaunchKernel)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void**,
                        void**) = nullptr;
    // Null where the driver does not know EGL.
    int (*GraphicsEGLRegisterImage)(CUgraphicsResource*, void*, unsigned) = nullptr;
    int (*GraphicsResourceGetMappedEglFrame)(EglFrame*, CUgraphicsResource, unsigned, unsigned) = nullptr;
    int (*GraphicsUnregisterResource)(CUgraphicsResource) = nullptr;

    bool knowsEgl() const {
        return GraphicsEGLRegisterImage != nullptr && GraphicsResourceGetMappedEglFrame != nullptr && GraphicsUnregisterResource != nullptr;
    }

    // The first name that the driver does not have, or null.
    const char* open(void* library) {
        return open([library](const char* name) { return dlsym(library, name); });
    }

    // The same through another way to look a name up.
    template <class Lookup> const char* open(Lookup lookup) {
        const char* missing = nullptr;
        auto find = [&](auto& function, const char* name) {
            using Function = typename std::remove_reference<decltype(function)>::type;
            function = reinterpret_cast<Function>(lookup(name));
            if (function == nullptr && missing == nullptr) missing = name;
        };
        find(Init, "cuInit");
        find(DriverGetVersion, "cuDriverGetVersion");
        find(DeviceGetCount, "cuDeviceGetCount");
        find(DeviceGet, "cuDeviceGet");
        find(DeviceGetName, "cuDeviceGetName");
        find(DeviceGetAttribute, "cuDeviceGetAttribute");
        find(DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
        find(CtxSetCurrent, "cuCtxSetCurrent");
        find(MemAlloc, "cuMemAlloc_v2");
        find(MemFree, "cuMemFree_v2");
        find(MemHostAlloc, "cuMemHostAlloc");
        find(MemFreeHost, "cuMemFreeHost");
        find(MemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2");
        find(MemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2");
        find(StreamCreate, "cuStreamCreate");
        find(StreamDestroy, "cuStreamDestroy_v2");
        find(StreamSynchronize, "cuStreamSynchronize");
        find(EventCreate, "cuEventCreate");
        find(EventDestroy, "cuEventDestroy_v2");
        find(EventRecord, "cuEventRecord");
        find(EventElapsedTime, "cuEventElapsedTime");
        find(GetErrorString, "cuGetErrorString");
        find(StreamBeginCapture, "cuStreamBeginCapture_v2");
        find(StreamEndCapture, "cuStreamEndCapture");
        find(GraphInstantiate, "cuGraphInstantiateWithFlags");
        find(GraphLaunch, "cuGraphLaunch");
        find(GraphExecDestroy, "cuGraphExecDestroy");
        find(GraphDestroy, "cuGraphDestroy");
        find(MemHostGetDevicePointer, "cuMemHostGetDevicePointer_v2");
        find(ModuleLoadData, "cuModuleLoadData");
        find(ModuleUnload, "cuModuleUnload");
        find(ModuleGetFunction, "cuModuleGetFunction");
        find(LaunchKernel, "cuLaunchKernel");
        const char* needed = missing;
        find(GraphicsEGLRegisterImage, "cuGraphicsEGLRegisterImage");
        find(GraphicsResourceGetMappedEglFrame, "cuGraphicsResourceGetMappedEglFrame");
        find(GraphicsUnregisterResource, "cuGraphicsUnregisterResource");
        return needed;
    }
};

} // namespace
