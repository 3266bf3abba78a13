// The C interface between ffi.rs and TensorRT: one table of functions for each major version that the program was built for.
// Every function answers a code; the words that belong to it went to the log before. Nothing here throws.
#ifndef ARENAD_TENSORRT_SHIM_H
#define ARENAD_TENSORRT_SHIM_H

#include "picture.h"
#include "surface.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ArenadTrtCode {
    ARENAD_TRT_OK = 0,
    ARENAD_TRT_LIBRARY = 1, // a library is missing or lacks what is needed
    ARENAD_TRT_VERSION = 2, // a library of another major version
    ARENAD_TRT_DEVICE = 3,  // no driver, no GPU, no memory
    ARENAD_TRT_MODEL = 4,   // the ONNX file is not taken
    ARENAD_TRT_PLAN = 5,    // the engine is not taken
    ARENAD_TRT_RUN = 6,     // a run failed
};

// Severity as TensorRT counts: 0 internal error, 1 error, 2 warning, 3 information, 4 verbose. Any thread may call.
typedef void (*ArenadTrtLog)(void* user, int32_t severity, const char* text);
// A phase of the build began (step 0) or came to `step` of `steps`. Any thread may call.
typedef void (*ArenadTrtProgress)(void* user, const char* phase, int32_t step, int32_t steps);

typedef struct ArenadTrtAbout {
    int32_t version; // as getInferLibVersion says it: 8601, 100300
    int32_t driver;  // as cuDriverGetVersion says it
    int32_t compute_major;
    int32_t compute_minor;
    int32_t dla_cores; // as IRuntime::getNbDLACores says it
    char gpu[256];
} ArenadTrtAbout;

typedef struct ArenadTrtOptions {
    int32_t fp16; // FP16 where it is faster; versions before 11
    int32_t int8; // take the file's QuantizeLinear as INT8
    int32_t dla;  // the DLA core that takes the layers that it can, the GPU the others; -1: none
    uint64_t workspace_bytes;
} ArenadTrtOptions;

typedef struct ArenadTrtTensor {
    const char* name; // lives as long as the session
    int32_t input;
    int32_t fp32;
    int32_t rank;
    int64_t dims[8];
} ArenadTrtTensor;

typedef struct ArenadTrtTable {
    int32_t major;
    // Opens libnvinfer and the driver; `folder` may be null: then the loader looks in the usual places. `user` must last as long as
    // the process: TensorRT keeps the first logger that it was given.
    int32_t (*open)(const char* folder, ArenadTrtLog log, void* user, void** library, ArenadTrtAbout* about);
    void (*close)(void* library);
    // `blob` holds the bytes until free_blob.
    int32_t (*build)(void* library, const void* onnx, size_t len, const ArenadTrtOptions* options,
                     ArenadTrtProgress progress, void* user, void** blob, const uint8_t** bytes, size_t* bytes_len);
    void (*free_blob)(void* blob);
    // `dla` as the engine was built for.
    int32_t (*load)(void* library, const void* plan, size_t len, int32_t dla, void** session);
    int32_t (*tensors)(const void* session);
    int32_t (*tensor)(const void* session, int32_t index, ArenadTrtTensor* tensor);
    // Buffers, context, stream, warm-up, graph. Every tensor must have a fixed shape and be FP32.
    int32_t (*start)(void* session);
    // After start; `count` must be the tensor's own. One thread at a time, any thread; none of these allocates.
    int32_t (*put)(void* session, int32_t index, const float* values, size_t count);
    int32_t (*run)(void* session, float* gpu_ms);
    int32_t (*take)(void* session, int32_t index, float* values, size_t count);
    // Pictures instead of numbers: the kernel for them (after start), then, instead of `put`, a picture in the CPU's memory, which is
    // copied. It allocates where the picture is larger than those before. With a surface, the picture is read there by the next run,
    // until whose end the surface must stay as it is.
    int32_t (*pictures)(void* session, const char* ptx);
    int32_t (*put_picture)(void* session, int32_t index, const ArenadPicture* picture, const ArenadSurface* surface);
    // After pictures: 1 where surfaces can be read.
    int32_t (*in_place)(const void* session);
    // Waits for what is queued; then the EGLImage may go.
    void (*forget)(void* session, const void* image);
    // What an input holds on the GPU.
    int32_t (*peek)(void* session, int32_t index, float* values, size_t count);
    // After start: where each run leaves an output's values, as long as the session lives; null where `count` is not the tensor's own.
    const float* (*lend)(void* session, int32_t index, size_t count);
    void (*unload)(void* session);
} ArenadTrtTable;

#ifdef __cplusplus
}
#endif
#endif
