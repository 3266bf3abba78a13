// The kernel that fills the model's input from a picture: one thread a pixel, blocks of 32 by 8. picture.ptx is made from it by
// .ci/interop/cuda.sh, with no fused multiply-add, so that its numbers are those of the CPU.
#include "picture.h"

extern "C" __global__ void arenad_picture(const ArenadPicture picture, float* out) {
    int column = (int)(blockIdx.x * blockDim.x + threadIdx.x), row = (int)(blockIdx.y * blockDim.y + threadIdx.y);
    if (column < picture.input_width && row < picture.input_height) arenad_input_pixel(&picture, column, row, out);
}
