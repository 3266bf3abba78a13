// Brings pictures to the GPU, or finds them where a decoder left them, and starts the kernel that fills the model's input from them;
// nothing is allocated for a picture of a size, or in a surface, that was there before.
#pragma once
#include "cuda.h"
#include "picture.h"
#include "surface.h"
#include <algorithm>
#include <cstring>
#include <vector>

namespace {

static_assert(sizeof(ArenadPicture) == 128, "ffi.rs and picture.ptx have this layout");

class Pictures {
public:
    explicit Pictures(Cuda& cuda) : cuda_(cuda) {}
    Pictures(const Pictures&) = delete;
    Pictures& operator=(const Pictures&) = delete;

    // With the context current and nothing queued that reads a picture.
    ~Pictures() {
        for (const Known& known : known_) cuda_.GraphicsUnregisterResource(known.resource);
        free();
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
        known_.reserve(kKnown);
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
        copied_ = true;
        there_ = picture;
        const auto* base = reinterpret_cast<const unsigned char*>(device_);
        there_.y = base;
        there_.u = base + luma;
        there_.v = base + luma + (interleaved ? 1 : chroma);
        return 0;
    }

    // Whether pictures can be read where a decoder left them. A GPU with memory of its own would fetch each byte over the bus.
    bool inPlace() const { return ready() && shared_ && cuda_.knowsEgl(); }

    // Finds the picture in its surface, whose memory is made known to CUDA at the first time: that takes milliseconds.
    int find(const ArenadPicture& picture, const ArenadSurface& surface) {
        const auto same = [&](const Known& known) { return known.image == surface.image; };
        auto found = std::find_if(known_.begin(), known_.end(), same);
        if (found == known_.end()) {
            if (int error = meet(surface.image)) return error;
            found = known_.end() - 1;
        }
        const EglFrame& frame = found->frame;
        where = "the EGLImage of a picture, which is not NV12 in rows of the decoder's pitch";
        if (frame.kind != kInRows || frame.plane_count != 2 || picture.chroma_step != 2 || frame.planes[0] == nullptr ||
            frame.planes[1] == nullptr || frame.pitch != static_cast<unsigned>(picture.y_pitch))
            return kNotSupported;
        copied_ = false;
        there_ = picture;
        there_.y = static_cast<const unsigned char*>(frame.planes[0]) + surface.y_at;
        there_.u = static_cast<const unsigned char*>(frame.planes[1]) + surface.chroma_at;
        there_.v = there_.u + 1;
        return 0;
    }

    // The surface of this EGLImage goes; nothing is queued that reads it.
    void forget(const void* image) {
        for (auto known = known_.begin(); known != known_.end(); ++known)
            if (known->image == image) {
                cuda_.GraphicsUnregisterResource(known->resource);
                known_.erase(known);
                return;
            }
    }

    // Queues what fills `input` from the picture that was copied or found last.
    int fill(CUdeviceptr input, CUstream stream) {
        constexpr unsigned across = 32, down = 8;
        const unsigned columns = (static_cast<unsigned>(there_.input_width) + across - 1) / across;
        const unsigned rows = (static_cast<unsigned>(there_.input_height) + down - 1) / down;
        where = "copy of a picture";
        if (copied_ && !shared_)
            if (int error = cuda_.MemcpyHtoDAsync(device_, host_, used_, stream)) return error;
        void* arguments[] = {&there_, &input};
        where = "the kernel for pictures";
        return cuda_.LaunchKernel(kernel_, columns, rows, 1, across, down, 1, 0, stream, arguments, nullptr);
    }

    const char* where = "";

private:
    struct Known {
        void* image;
        CUgraphicsResource resource;
        EglFrame frame;
    };
    static constexpr size_t kKnown = 64; // more than a decoder lends

    int meet(void* image) {
        Known known{image, nullptr, {}};
        where = "an EGLImage more than there is room for";
        if (!inPlace() || known_.size() >= kKnown) return kNotSupported;
        where = "the EGLImage of a picture";
        // No flag: as NVIDIA's samples have it.
        int error = cuda_.GraphicsEGLRegisterImage(&known.resource, image, 0);
        if (error) return error;
        error = cuda_.GraphicsResourceGetMappedEglFrame(&known.frame, known.resource, 0, 0);
        if (error)
            cuda_.GraphicsUnregisterResource(known.resource);
        else
            known_.push_back(known);
        return error;
    }

    // A GPU that shares the CPU's memory reads pictures where they are; another has a copy.
    int make(size_t bytes) {
        free();
        void* host = nullptr;
        int error = cuda_.MemHostAlloc(&host, bytes, shared_ ? kHostMapped : 0);
        if (error) return error;
        host_ = static_cast<unsigned char*>(host);
        error = shared_ ? cuda_.MemHostGetDevicePointer(&device_, host_, 0) : cuda_.MemAlloc(&device_, bytes);
        if (!error) room_ = bytes;
        return error;
    }

    void free() {
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
    bool copied_ = true;
    std::vector<Known> known_;
    ArenadPicture there_{}; // the last picture, by its addresses on the GPU
};

} // namespace
