// The three CUDA words that TensorRT's headers use, so that the shim is compiled without the CUDA toolkit.
#pragma once
typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
