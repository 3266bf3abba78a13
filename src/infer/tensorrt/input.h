// The C interface between ffi/input.rs and a GPU that fills the model's input from pictures, without TensorRT: for tests and measurements.
// Every function answers 0 or the driver's error, -1 where it is none of the driver's; `said` then has the words.
#ifndef ARENAD_TENSORRT_INPUT_H
#define ARENAD_TENSORRT_INPUT_H

#include "picture.h"
#include "surface.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ArenadInputSaid {
    char text[256];
} ArenadInputSaid;

// A function of the driver by its name, or null.
typedef void* (*ArenadInputLookup)(const char* name);

// `lookup` null: libcuda.so.1, opened here. `gpu` is the GPU's name, 256 bytes; `count` are the numbers of the input.
int32_t arenad_input_open(ArenadInputLookup lookup, const char* ptx, size_t count, char* gpu, void** input,
                          ArenadInputSaid* said);
// Fills the input and waits for it; `gpu_ms` is what it took on the GPU, copy included. With a surface, the picture is read there.
int32_t arenad_input_fill(void* input, const ArenadPicture* picture, const ArenadSurface* surface, float* gpu_ms,
                          ArenadInputSaid* said);
// 1 where surfaces can be read; and that the EGLImage goes.
int32_t arenad_input_in_place(const void* input);
void arenad_input_forget(void* input, const void* image);
int32_t arenad_input_take(void* input, float* values, size_t count, ArenadInputSaid* said);
void arenad_input_close(void* input);

#ifdef __cplusplus
}
#endif
#endif
