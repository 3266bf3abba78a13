// Brings pictures to the GPU and starts the kernel that fills the model's input from them; nothing is allocated for a picture of a size
// that was there before.
#pragma once
#include "cuda.h"
#include "picture.h"
#include <cstring>

namespace {

static_assert(sizeof(ArenadPicture) == 128, "ffi.rs and picture.ptx have this layout");

class Pictures {
public:
    explicit Pictures(Cuda& cuda) : cuda_(cuda) {}
    Pictures(const Pictures&) = delete;
    Pictures& operator=(const Pictures&) = delete;

    // With the context current and nothing queued that reads a picture.
    ~Pictures() {
        forget();
        if (module_ != nullptr) cuda_.ModuleUnload(module_);
    }

    // Loads the kernel on GPU 0. 0, or the driver's error; `where` then says of what.
    int open(const char* ptx) {
        int device = 0, integrated = 0;
        where = "the kernel for pictures";
        int error = cuda_.DeviceGet(&device, 0);
        if (!error) error = cuda_.DeviceGetAttribute(&integrated, kIntegrated, device);
        shared_ = integrated != 0;
        if (!error) error = cuda_.ModuleLoadData(&module_, ptx);
        if (!error) error = cuda_.ModuleGetFunction(&kernel_, module_, "arenad_picture");
        if (error) kernel_ = nullptr;
        return error;
    }

    bool ready() const { return kernel_ != nullptr; }

    // Copies the picture's planes, which lie in the CPU's memory, to where the GPU can have them. The last picture's kernel must be done.
    int copy(const ArenadPicture& picture) {
        const size_t luma = static_cast<size_t>(picture.y_pitch) * static_cast<size_t>(picture.height);
        const size_t rows = static_cast<size_t>((picture.odd + picture.height + 1) / 2);
        const size_t chroma = static_cast<size_t>(picture.chroma_pitch) * rows;
        const bool interleaved = picture.chroma_step == 2;
        used_ = luma + (interleaved ? chroma : 2 * chroma);
        where = "memory for pictures";
        if (used_ > room_)
            if (int error = make(used_)) return error;
        std::memcpy(host_, picture.y, luma);
        std::memcpy(host_ + luma, picture.u, chroma);
        if (!interleaved) std::memcpy(host_ + luma + chroma, picture.v, chroma);
        there_ = picture;
        const auto* base = reinterpret_cast<const unsigned char*>(device_);
        there_.y = base;
        there_.u = base + luma;
        there_.v = base + luma + (interleaved ? 1 : chroma);
        return 0;
    }

    // Queues what fills `input` from the picture that was copied last.
    int fill(CUdeviceptr input, CUstream stream) {
        constexpr unsigned across = 32, down = 8;
        const unsigned columns = (static_cast<unsigned>(there_.input_width) + across - 1) / across;
        const unsigned rows = (static_cast<unsigned>(there_.input_height) + down - 1) / down;
        where = "copy of a picture";
        if (!shared_)
            if (int error = cuda_.MemcpyHtoDAsync(device_, host_, used_, stream)) return error;
        void* arguments[] = {&there_, &input};
        where = "the kernel for pictures";
        return cuda_.LaunchKernel(kernel_, columns, rows, 1, across, down, 1, 0, stream, arguments, nullptr);
    }

    const char* where = "";

private:
    // A GPU that shares the CPU's memory reads pictures where they are; another has a copy.
    int make(size_t bytes) {
        forget();
        void* host = nullptr;
        int error = cuda_.MemHostAlloc(&host, bytes, shared_ ? kHostMapped : 0);
        if (error) return error;
        host_ = static_cast<unsigned char*>(host);
        error = shared_ ? cuda_.MemHostGetDevicePointer(&device_, host_, 0) : cuda_.MemAlloc(&device_, bytes);
        if (!error) room_ = bytes;
        return error;
    }

    void forget() {
        if (!shared_ && device_ != 0) cuda_.MemFree(device_);
        if (host_ != nullptr) cuda_.MemFreeHost(host_);
        device_ = 0;
        host_ = nullptr;
        room_ = 0;
    }

    Cuda& cuda_;
    CUmodule module_ = nullptr;
    CUfunction kernel_ = nullptr;
    bool shared_ = false;
    unsigned char* host_ = nullptr;
    CUdeviceptr device_ = 0;
    size_t room_ = 0, used_ = 0;
    ArenadPicture there_{}; // the last picture, by its addresses on the GPU
};

} // namespace
