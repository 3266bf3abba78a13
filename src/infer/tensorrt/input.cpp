// The model's input on a GPU behind the functions of input.h.
#include "input.h"

#include "pictures.h"
#include <cstdio>
#include <memory>
#include <new>

namespace {

struct Input {
    ~Input() {
        if (context != nullptr) cuda.CtxSetCurrent(context);
        if (stream != nullptr) cuda.StreamSynchronize(stream);
        pictures.reset();
        if (device != 0) cuda.MemFree(device);
        if (host != nullptr) cuda.MemFreeHost(host);
        if (began != nullptr) cuda.EventDestroy(began);
        if (ended != nullptr) cuda.EventDestroy(ended);
        if (stream != nullptr) cuda.StreamDestroy(stream);
    }

    int32_t failed(int error, const char* where, ArenadInputSaid* said) {
        const char* words = nullptr;
        if (cuda.GetErrorString != nullptr) cuda.GetErrorString(error, &words);
        std::snprintf(said->text, sizeof said->text, "%s: CUDA error %d, %s", where, error, words == nullptr ? "unknown" : words);
        return error;
    }

    Cuda cuda;
    CUcontext context = nullptr;
    CUstream stream = nullptr;
    CUevent began = nullptr, ended = nullptr;
    CUdeviceptr device = 0;
    float* host = nullptr;
    size_t count = 0;
    std::unique_ptr<Pictures> pictures;
};

int32_t words(ArenadInputSaid* said, const char* text, const char* more = "") {
    std::snprintf(said->text, sizeof said->text, "%s%s", text, more);
    return -1;
}

// The driver's functions, and that it sees a GPU.
int32_t openDriver(Input& input, ArenadInputLookup lookup, ArenadInputSaid* said) {
    const char* missing = nullptr;
    if (lookup != nullptr) {
        missing = input.cuda.open(lookup);
    } else {
        void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
        if (driver == nullptr) {
            const char* why = dlerror();
            return words(said, why == nullptr ? "libcuda.so.1" : why);
        }
        missing = input.cuda.open(driver);
    }
    if (missing != nullptr) return words(said, "libcuda.so.1 is too old: it has no ", missing);
    if (int error = input.cuda.Init(0)) return input.failed(error, "cuInit", said);
    int gpus = 0;
    if (int error = input.cuda.DeviceGetCount(&gpus)) return input.failed(error, "cuDeviceGetCount", said);
    return gpus < 1 ? words(said, "the driver sees no GPU") : 0;
}

int32_t open(Input& input, const char* ptx, char* gpu, ArenadInputSaid* said) {
    Cuda& cuda = input.cuda;
    int device = 0;
    int error = cuda.DeviceGet(&device, 0);
    if (!error) error = cuda.DeviceGetName(gpu, 255, device);
    if (!error) error = cuda.DevicePrimaryCtxRetain(&input.context, device);
    if (!error) error = cuda.CtxSetCurrent(input.context);
    if (!error) error = cuda.StreamCreate(&input.stream, 1);
    if (!error) error = cuda.EventCreate(&input.began, 0);
    if (!error) error = cuda.EventCreate(&input.ended, 0);
    if (!error) error = cuda.MemAlloc(&input.device, input.count * sizeof(float));
    if (!error) error = cuda.MemHostAlloc(reinterpret_cast<void**>(&input.host), input.count * sizeof(float), 0);
    if (error) return input.failed(error, "GPU 0", said);
    input.pictures.reset(new (std::nothrow) Pictures(cuda));
    if (input.pictures == nullptr) return words(said, "no memory");
    error = input.pictures->open(ptx);
    return error ? input.failed(error, input.pictures->where, said) : 0;
}

} // namespace

int32_t arenad_input_open(ArenadInputLookup lookup, const char* ptx, size_t count, char* gpu, void** out, ArenadInputSaid* said) {
    std::unique_ptr<Input> input(new (std::nothrow) Input());
    if (input == nullptr) return words(said, "no memory");
    input->count = count;
    if (int32_t code = openDriver(*input, lookup, said)) return code;
    if (int32_t code = open(*input, ptx, gpu, said)) return code;
    *out = input.release();
    return 0;
}

int32_t arenad_input_fill(void* handle, const ArenadPicture* picture, const ArenadSurface* surface, float* gpu_ms,
                          ArenadInputSaid* said) {
    Input& input = *static_cast<Input*>(handle);
    Cuda& cuda = input.cuda;
    const size_t size = static_cast<size_t>(picture->input_width) * static_cast<size_t>(picture->input_height);
    if (3 * size != input.count) return words(said, "the picture is for another input");
    Pictures& pictures = *input.pictures;
    if (int error = cuda.CtxSetCurrent(input.context)) return input.failed(error, "GPU 0", said);
    int error = surface == nullptr ? pictures.copy(*picture) : pictures.find(*picture, *surface);
    if (error) return input.failed(error, pictures.where, said);
    if (int error = cuda.EventRecord(input.began, input.stream)) return input.failed(error, "before the picture", said);
    error = pictures.fill(input.device, input.stream);
    if (error) return input.failed(error, pictures.where, said);
    error = cuda.EventRecord(input.ended, input.stream);
    if (!error) error = cuda.StreamSynchronize(input.stream);
    if (!error) error = cuda.EventElapsedTime(gpu_ms, input.began, input.ended);
    return error ? input.failed(error, "the picture", said) : 0;
}

int32_t arenad_input_in_place(const void* handle) { return static_cast<const Input*>(handle)->pictures->inPlace(); }

void arenad_input_forget(void* handle, const void* image) {
    Input& input = *static_cast<Input*>(handle);
    input.cuda.CtxSetCurrent(input.context);
    input.pictures->forget(image);
}

int32_t arenad_input_take(void* handle, float* values, size_t count, ArenadInputSaid* said) {
    Input& input = *static_cast<Input*>(handle);
    if (count != input.count) return words(said, "the input has another size");
    int error = input.cuda.CtxSetCurrent(input.context);
    if (!error) error = input.cuda.MemcpyDtoHAsync(input.host, input.device, count * sizeof(float), input.stream);
    if (!error) error = input.cuda.StreamSynchronize(input.stream);
    if (error) return input.failed(error, "copy out", said);
    std::memcpy(values, input.host, count * sizeof(float));
    return 0;
}

void arenad_input_close(void* input) { delete static_cast<Input*>(input); }
