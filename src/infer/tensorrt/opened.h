// TensorRT and the driver, opened: their libraries, their errors, GPU 0. A part of shim.cpp, compiled with it for each major version.
#pragma once
#include "shim.h"

#include "NvInfer.h"
#include <atomic>
#include <memory>
#include <new>
#include <string>

#include "cuda.h"

namespace {

namespace nv = nvinfer1;

// One a process: TensorRT keeps the first that it is given. It speaks to whoever opened last.
class Logger final : public nv::ILogger {
public:
    void to(ArenadTrtLog log, void* user) noexcept {
        user_ = user;
        log_ = log;
    }

    void log(Severity severity, nv::AsciiChar const* text) noexcept override {
        if (severity <= Severity::kERROR) ++errors;
        say(static_cast<int32_t>(severity), text == nullptr ? "" : text);
    }

    int32_t fail(int32_t code, const std::string& text) noexcept {
        say(1, text.c_str());
        return code;
    }

    void tell(const char* text) noexcept { say(3, text); }

    std::atomic<unsigned> errors{0};

private:
    void say(int32_t severity, const char* text) noexcept {
        if (ArenadTrtLog log = log_) log(user_, severity, text);
    }

    std::atomic<ArenadTrtLog> log_{nullptr};
    std::atomic<void*> user_{nullptr};
};

Logger& theLogger() {
    static Logger logger;
    return logger;
}

int32_t majorOf(int32_t version) { return version >= 10000 ? version / 10000 : version / 1000; }

std::string soname(const char* folder, const char* stem) {
    std::string name = std::string(stem) + ".so." + std::to_string(NV_TENSORRT_MAJOR);
    return folder == nullptr ? name : std::string(folder) + "/" + name;
}

template <class Function> Function symbol(void* library, const char* name) {
    return reinterpret_cast<Function>(dlsym(library, name));
}

using Create = void* (*)(void*, int32_t);
using CreateParser = void* (*)(void*, void*, int);

struct Library {
    Logger& logger = theLogger();
    Cuda cuda;
    CUcontext context = nullptr;
    int32_t version = 0;
    void* infer = nullptr;
    std::string folder;
    bool hasFolder = false;
    std::unique_ptr<nv::IRuntime> runtime;

    const char* where() const { return hasFolder ? folder.c_str() : nullptr; }

    int32_t cudaFailed(const char* what, int error, int32_t code) {
        const char* words = nullptr;
        if (cuda.GetErrorString != nullptr) cuda.GetErrorString(error, &words);
        return logger.fail(code, std::string(what) + ": CUDA error " + std::to_string(error) + ", " +
                                     (words == nullptr ? "unknown" : words));
    }
};

// No exception may pass into Rust.
template <class Body> int32_t guarded(Library& library, int32_t code, Body body) noexcept {
    try {
        return body();
    } catch (const std::exception& error) {
        return library.logger.fail(code, error.what());
    } catch (...) {
        return library.logger.fail(code, "an unknown C++ exception");
    }
}

int32_t openInfer(Library& library) {
    // The lean and the dispatch runtime run engines but cannot build them.
    std::string tried;
    for (const char* stem : {"libnvinfer", "libnvinfer_lean", "libnvinfer_dispatch"}) {
        library.infer = dlopen(soname(library.where(), stem).c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library.infer != nullptr) break;
        const char* said = dlerror();
        if (tried.empty()) tried = said == nullptr ? soname(library.where(), stem) : said;
    }
    if (library.infer == nullptr) return library.logger.fail(ARENAD_TRT_LIBRARY, tried);
    auto version = symbol<int32_t (*)()>(library.infer, "getInferLibVersion");
    if (version == nullptr) return library.logger.fail(ARENAD_TRT_LIBRARY, "libnvinfer has no getInferLibVersion");
    library.version = version();
    // A library of another major version crashes in its first call: ask before.
    if (majorOf(library.version) != NV_TENSORRT_MAJOR)
        return library.logger.fail(ARENAD_TRT_VERSION, "libnvinfer says version " + std::to_string(library.version) +
                                                           "; this part is for TensorRT " + std::to_string(NV_TENSORRT_MAJOR));
    return ARENAD_TRT_OK;
}

int32_t openDriver(Library& library, ArenadTrtAbout& about) {
    void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (driver == nullptr) {
        const char* said = dlerror();
        return library.logger.fail(ARENAD_TRT_DEVICE, said == nullptr ? "libcuda.so.1" : said);
    }
    Cuda& cuda = library.cuda;
    if (const char* missing = cuda.open(driver))
        return library.logger.fail(ARENAD_TRT_DEVICE, std::string("libcuda.so.1 is too old: it has no ") + missing);
    // Without a GPU TensorRT hands out a pointer to nothing: ask the driver before.
    if (int error = cuda.Init(0)) return library.cudaFailed("cuInit", error, ARENAD_TRT_DEVICE);
    int count = 0, device = 0;
    if (int error = cuda.DeviceGetCount(&count)) return library.cudaFailed("cuDeviceGetCount", error, ARENAD_TRT_DEVICE);
    if (count < 1) return library.logger.fail(ARENAD_TRT_DEVICE, "the driver sees no GPU");
    int error = cuda.DeviceGet(&device, 0);
    if (!error) error = cuda.DriverGetVersion(&about.driver);
    if (!error) error = cuda.DeviceGetName(about.gpu, sizeof(about.gpu) - 1, device);
    if (!error) error = cuda.DeviceGetAttribute(&about.compute_major, kComputeMajor, device);
    if (!error) error = cuda.DeviceGetAttribute(&about.compute_minor, kComputeMinor, device);
    if (!error) error = cuda.DevicePrimaryCtxRetain(&library.context, device);
    if (!error) error = cuda.CtxSetCurrent(library.context);
    return error ? library.cudaFailed("GPU 0", error, ARENAD_TRT_DEVICE) : int32_t{ARENAD_TRT_OK};
}

int32_t open(const char* folder, ArenadTrtLog log, void* user, void** out, ArenadTrtAbout* about) {
    theLogger().to(log, user);
    std::unique_ptr<Library> library(new (std::nothrow) Library());
    if (library == nullptr) return ARENAD_TRT_DEVICE;
    *about = ArenadTrtAbout{};
    int32_t code = guarded(*library, ARENAD_TRT_LIBRARY, [&]() -> int32_t {
        library->hasFolder = folder != nullptr;
        if (folder != nullptr) library->folder = folder;
        if (int32_t code = openInfer(*library)) return code;
        about->version = library->version;
        if (int32_t code = openDriver(*library, *about)) return code;
        auto create = symbol<Create>(library->infer, "createInferRuntime_INTERNAL");
        if (create == nullptr)
            return library->logger.fail(ARENAD_TRT_LIBRARY, "libnvinfer has no createInferRuntime_INTERNAL");
        unsigned before = library->logger.errors;
        auto runtime = static_cast<nv::IRuntime*>(create(&library->logger, library->version));
        // An error in the log means that the pointer is no runtime, whatever it is.
        if (runtime == nullptr || library->logger.errors != before)
            return library->logger.fail(ARENAD_TRT_DEVICE, "TensorRT made no runtime");
        library->runtime.reset(runtime);
        about->dla_cores = runtime->getNbDLACores();
        return ARENAD_TRT_OK;
    });
    if (code == ARENAD_TRT_OK) *out = library.release();
    return code;
}

void close(void* library) { delete static_cast<Library*>(library); }

} // namespace
