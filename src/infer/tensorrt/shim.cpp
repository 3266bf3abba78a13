// TensorRT behind the table of shim.h. Compiled once for each major version's headers, with the namespaces renamed by build.rs: their
// weak inline functions would otherwise be merged and call another version's slots. Only what the oldest minor version has is used.
#include "shim.h"

#include "NvInfer.h"
#include "NvOnnxParser.h"
#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda.h"
#include "pictures.h"

#define ARENAD_JOIN_(a, b) a##b
#define ARENAD_JOIN(a, b) ARENAD_JOIN_(a, b)

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

struct Buffer {
    std::string name;
    bool input = false, fp32 = false;
    nv::Dims dims{};
    size_t count = 0;
    CUdeviceptr device = 0;
    float* host = nullptr;
};

struct Session {
    explicit Session(Library& library) : library(library) {}

    ~Session() {
        Cuda& cuda = library.cuda;
        cuda.CtxSetCurrent(library.context);
        if (stream != nullptr) cuda.StreamSynchronize(stream);
        if (graph != nullptr) cuda.GraphExecDestroy(graph);
        pictures.reset();
        context.reset();
        engine.reset();
        for (Buffer& buffer : buffers) {
            if (buffer.device != 0) cuda.MemFree(buffer.device);
            if (buffer.host != nullptr) cuda.MemFreeHost(buffer.host);
        }
        if (began != nullptr) cuda.EventDestroy(began);
        if (ended != nullptr) cuda.EventDestroy(ended);
        if (stream != nullptr) cuda.StreamDestroy(stream);
    }

    // The input's numbers to the GPU; only queued, as what follows is.
    int32_t copyIn() {
        for (const Buffer& one : buffers)
            if (one.input)
                if (int error = library.cuda.MemcpyHtoDAsync(one.device, one.host, one.count * sizeof(float), stream))
                    return library.cudaFailed("copy in", error, ARENAD_TRT_RUN);
        return ARENAD_TRT_OK;
    }

    // Through the network and out again.
    int32_t enqueue() {
        Cuda& cuda = library.cuda;
        if (!context->enqueueV3(reinterpret_cast<cudaStream_t>(stream)))
            return library.logger.fail(ARENAD_TRT_RUN, "enqueueV3 refused");
        for (const Buffer& one : buffers)
            if (!one.input)
                if (int error = cuda.MemcpyDtoHAsync(one.host, one.device, one.count * sizeof(float), stream))
                    return library.cudaFailed("copy out", error, ARENAD_TRT_RUN);
        return ARENAD_TRT_OK;
    }

    int32_t wait() {
        if (int error = library.cuda.StreamSynchronize(stream)) return library.cudaFailed("wait", error, ARENAD_TRT_RUN);
        return ARENAD_TRT_OK;
    }

    Library& library;
    std::unique_ptr<nv::ICudaEngine> engine;
    std::unique_ptr<nv::IExecutionContext> context;
    std::vector<Buffer> buffers;
    CUstream stream = nullptr;
    CUevent began = nullptr, ended = nullptr;
    CUgraphExec graph = nullptr;
    std::unique_ptr<Pictures> pictures;
    bool shown = false; // the input comes from a picture, which is queued
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

#if NV_TENSORRT_MAJOR >= 10
// TensorRT's phases lie within each other: what is told is how much of the outermost one is done.
class Monitor final : public nv::IProgressMonitor {
public:
    Monitor(ArenadTrtProgress progress, void* user) : progress_(progress), user_(user) {}
    void phaseStart(char const* phase, char const*, int32_t steps) noexcept override {
        change([&] {
            if (phases_.empty()) told_ = 0;
            phases_.push_back({phase, 0, std::max(steps, 1)});
        });
    }
    bool stepComplete(char const* phase, int32_t step) noexcept override {
        change([&] {
            auto found = find(phase);
            if (found != phases_.rend()) found->done = step + 1;
        });
        return true;
    }
    void phaseFinish(char const* phase) noexcept override {
        change([&] {
            auto found = find(phase);
            if (found != phases_.rend()) phases_.erase(std::next(found).base());
        });
    }

private:
    struct Phase {
        std::string name;
        int32_t done, steps;
    };

    std::vector<Phase>::reverse_iterator find(const std::string& name) {
        return std::find_if(phases_.rbegin(), phases_.rend(), [&](const Phase& phase) { return phase.name == name; });
    }

    // May come from several threads; what cannot be remembered is not told.
    template <class Change> void change(Change change) noexcept {
        try {
            std::lock_guard<std::mutex> guard(lock_);
            change();
            if (phases_.empty()) return;
            double done = 0;
            for (auto phase = phases_.rbegin(); phase != phases_.rend(); ++phase) done = std::min(1.0, (phase->done + done) / phase->steps);
            // A phase within may end before the step that it was.
            told_ = std::max(told_, static_cast<int32_t>(done * 1000));
            progress_(user_, phases_.front().name.c_str(), told_, 1000);
        } catch (...) {
        }
    }

    ArenadTrtProgress progress_;
    void* user_;
    std::mutex lock_;
    std::vector<Phase> phases_;
    int32_t told_ = 0;
};
#endif

int32_t parse(Library& library, nv::INetworkDefinition& network, const void* onnx, size_t len) {
    std::string name = soname(library.where(), "libnvonnxparser");
    void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* said = dlerror();
        return library.logger.fail(ARENAD_TRT_LIBRARY, said == nullptr ? name : said);
    }
    auto create = symbol<CreateParser>(handle, "createNvOnnxParser_INTERNAL");
    if (create == nullptr)
        return library.logger.fail(ARENAD_TRT_LIBRARY, name + " has no createNvOnnxParser_INTERNAL");
    std::unique_ptr<nvonnxparser::IParser> parser(
        static_cast<nvonnxparser::IParser*>(create(&network, &library.logger, NV_ONNX_PARSER_VERSION)));
    if (parser == nullptr) return library.logger.fail(ARENAD_TRT_LIBRARY, name + " made no parser");
    if (parser->parse(onnx, len, nullptr)) return ARENAD_TRT_OK;
    for (int32_t i = 0; i < parser->getNbErrors(); ++i)
        library.logger.fail(ARENAD_TRT_MODEL, std::string("ONNX: ") + parser->getError(i)->desc());
    return library.logger.fail(ARENAD_TRT_MODEL, "the ONNX parser does not take the file");
}

int32_t build(void* handle, const void* onnx, size_t len, const ArenadTrtOptions* options, ArenadTrtProgress progress,
              void* user, void** blob, const uint8_t** bytes, size_t* bytesLen) {
    Library& library = *static_cast<Library*>(handle);
    return guarded(library, ARENAD_TRT_MODEL, [&]() -> int32_t {
        if (int error = library.cuda.CtxSetCurrent(library.context))
            return library.cudaFailed("GPU 0", error, ARENAD_TRT_DEVICE);
        auto create = symbol<Create>(library.infer, "createInferBuilder_INTERNAL");
        if (create == nullptr)
            return library.logger.fail(ARENAD_TRT_LIBRARY, "this TensorRT can run engines but not build them");
        unsigned before = library.logger.errors;
        auto made = static_cast<nv::IBuilder*>(create(&library.logger, library.version));
        if (made == nullptr || library.logger.errors != before)
            return library.logger.fail(ARENAD_TRT_DEVICE, "TensorRT made no builder");
        std::unique_ptr<nv::IBuilder> builder(made);
        // Bit 0, explicit batch, is meant for 8 and without meaning in 10; from 11 on every network is strongly typed.
        std::unique_ptr<nv::INetworkDefinition> network(builder->createNetworkV2(NV_TENSORRT_MAJOR < 11 ? 1U : 0U));
        std::unique_ptr<nv::IBuilderConfig> config(builder->createBuilderConfig());
        if (network == nullptr || config == nullptr) return library.logger.fail(ARENAD_TRT_DEVICE, "TensorRT made no network");
        if (int32_t code = parse(library, *network, onnx, len)) return code;
        config->setMemoryPoolLimit(nv::MemoryPoolType::kWORKSPACE, options->workspace_bytes);
#if NV_TENSORRT_MAJOR < 11
        if (options->fp16) config->setFlag(nv::BuilderFlag::kFP16);
        if (options->int8) config->setFlag(nv::BuilderFlag::kINT8);
#endif
        if (options->dla >= 0) {
            config->setDefaultDeviceType(nv::DeviceType::kDLA);
            config->setDLACore(options->dla);
            config->setFlag(nv::BuilderFlag::kGPU_FALLBACK);
        }
#if NV_TENSORRT_MAJOR >= 10
        Monitor monitor(progress, user);
        config->setProgressMonitor(&monitor);
#else
        progress(user, "building", 0, 0);
#endif
        std::unique_ptr<nv::IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
        if (plan == nullptr || plan->size() == 0) return library.logger.fail(ARENAD_TRT_MODEL, "TensorRT built no engine");
        *bytes = static_cast<const uint8_t*>(plan->data());
        *bytesLen = plan->size();
        *blob = plan.release();
        return ARENAD_TRT_OK;
    });
}

void freeBlob(void* blob) { delete static_cast<nv::IHostMemory*>(blob); }

int32_t load(void* handle, const void* plan, size_t len, int32_t dla, void** out) {
    Library& library = *static_cast<Library*>(handle);
    return guarded(library, ARENAD_TRT_PLAN, [&]() -> int32_t {
        if (int error = library.cuda.CtxSetCurrent(library.context))
            return library.cudaFailed("GPU 0", error, ARENAD_TRT_DEVICE);
        std::unique_ptr<Session> session(new Session(library));
        if (dla >= 0) library.runtime->setDLACore(dla);
        unsigned before = library.logger.errors;
        auto engine = library.runtime->deserializeCudaEngine(plan, len);
        if (engine == nullptr || library.logger.errors != before)
            return library.logger.fail(ARENAD_TRT_PLAN, "TensorRT does not take the engine");
        session->engine.reset(engine);
        for (int32_t i = 0; i < engine->getNbIOTensors(); ++i) {
            Buffer buffer;
            const char* name = engine->getIOTensorName(i);
            buffer.name = name;
            buffer.input = engine->getTensorIOMode(name) == nv::TensorIOMode::kINPUT;
            buffer.fp32 = engine->getTensorDataType(name) == nv::DataType::kFLOAT;
            buffer.dims = engine->getTensorShape(name);
            session->buffers.push_back(std::move(buffer));
        }
        *out = session.release();
        return ARENAD_TRT_OK;
    });
}

int32_t tensors(const void* handle) {
    return static_cast<int32_t>(static_cast<const Session*>(handle)->buffers.size());
}

const Buffer* at(const void* handle, int32_t index) {
    const Session& session = *static_cast<const Session*>(handle);
    return index >= 0 && static_cast<size_t>(index) < session.buffers.size() ? &session.buffers[index] : nullptr;
}

int32_t tensor(const void* handle, int32_t index, ArenadTrtTensor* out) {
    const Buffer* buffer = at(handle, index);
    if (buffer == nullptr) return ARENAD_TRT_RUN;
    *out = ArenadTrtTensor{buffer->name.c_str(), buffer->input, buffer->fp32, buffer->dims.nbDims, {}};
    for (int32_t i = 0; i < std::min(buffer->dims.nbDims, 8); ++i) out->dims[i] = buffer->dims.d[i];
    return ARENAD_TRT_OK;
}

// Values of a buffer; 0 where the shape is not fixed, the numbers are not FP32 or the size is beyond reason.
size_t count(const Buffer& buffer) {
    if (!buffer.fp32 || buffer.dims.nbDims < 0 || buffer.dims.nbDims > 8) return 0;
    size_t all = 1;
    for (int32_t i = 0; i < buffer.dims.nbDims; ++i) {
        if (buffer.dims.d[i] < 1 || static_cast<size_t>(buffer.dims.d[i]) > (size_t{1} << 28) / all) return 0;
        all *= static_cast<size_t>(buffer.dims.d[i]);
    }
    return all;
}

// The launch of the whole run at once; where the network cannot be captured it is queued piece by piece, as before.
void capture(Session& session) {
    Cuda& cuda = session.library.cuda;
    CUgraph graph = nullptr;
    int error = cuda.StreamBeginCapture(session.stream, kCaptureThreadLocal);
    if (!error) {
        int32_t queued = session.enqueue();
        error = cuda.StreamEndCapture(session.stream, &graph);
        if (!error && !queued && graph != nullptr) error = cuda.GraphInstantiate(&session.graph, graph, 0);
        if (graph != nullptr) cuda.GraphDestroy(graph);
        if (error || queued) session.graph = nullptr;
    }
    session.library.logger.tell(session.graph == nullptr ? "no CUDA graph: each run is queued piece by piece" : "a run is one CUDA graph");
}

int32_t start(void* handle) {
    Session& session = *static_cast<Session*>(handle);
    Library& library = session.library;
    Cuda& cuda = library.cuda;
    return guarded(library, ARENAD_TRT_PLAN, [&]() -> int32_t {
        if (int error = cuda.CtxSetCurrent(library.context)) return library.cudaFailed("GPU 0", error, ARENAD_TRT_DEVICE);
        session.context.reset(session.engine->createExecutionContext());
        if (session.context == nullptr) return library.logger.fail(ARENAD_TRT_DEVICE, "TensorRT made no context: too little memory?");
        int error = cuda.StreamCreate(&session.stream, 1); // does not wait for the default stream
        if (!error) error = cuda.EventCreate(&session.began, 0);
        if (!error) error = cuda.EventCreate(&session.ended, 0);
        for (Buffer& buffer : session.buffers) {
            buffer.count = count(buffer);
            if (buffer.count == 0) return library.logger.fail(ARENAD_TRT_PLAN, buffer.name + ": no fixed shape of FP32 numbers");
            if (!error) error = cuda.MemAlloc(&buffer.device, buffer.count * sizeof(float));
            if (!error) error = cuda.MemHostAlloc(reinterpret_cast<void**>(&buffer.host), buffer.count * sizeof(float), 0);
            if (error) break;
            std::fill_n(buffer.host, buffer.count, 0.0F);
            if (!session.context->setTensorAddress(buffer.name.c_str(), reinterpret_cast<void*>(buffer.device)))
                return library.logger.fail(ARENAD_TRT_PLAN, buffer.name + ": its buffer is not taken");
        }
        if (error) return library.cudaFailed("buffers", error, ARENAD_TRT_DEVICE);
        // TensorRT sets things up in the first run, which a graph must not hold.
        for (int i = 0; i < 2; ++i) {
            if (int32_t code = session.copyIn()) return code;
            if (int32_t code = session.enqueue()) return code;
            if (int32_t code = session.wait()) return code;
        }
        capture(session);
        return session.wait();
    });
}

int32_t put(void* handle, int32_t index, const float* values, size_t count) {
    const Buffer* buffer = at(handle, index);
    if (buffer == nullptr || buffer->host == nullptr || buffer->count != count) return ARENAD_TRT_RUN;
    std::memcpy(buffer->host, values, count * sizeof(float));
    static_cast<Session*>(handle)->shown = false;
    return ARENAD_TRT_OK;
}

int32_t take(void* handle, int32_t index, float* values, size_t count) {
    const Buffer* buffer = at(handle, index);
    if (buffer == nullptr || buffer->host == nullptr || buffer->count != count) return ARENAD_TRT_RUN;
    std::memcpy(values, buffer->host, count * sizeof(float));
    return ARENAD_TRT_OK;
}

int32_t run(void* handle, float* gpuMs) {
    Session& session = *static_cast<Session*>(handle);
    Library& library = session.library;
    Cuda& cuda = library.cuda;
    return guarded(library, ARENAD_TRT_RUN, [&]() -> int32_t {
        if (session.context == nullptr) return library.logger.fail(ARENAD_TRT_RUN, "the session was not started");
        int error = cuda.CtxSetCurrent(library.context);
        // A picture has begun already.
        if (!error && !session.shown) error = cuda.EventRecord(session.began, session.stream);
        if (error) return library.cudaFailed("before the run", error, ARENAD_TRT_RUN);
        if (!session.shown)
            if (int32_t code = session.copyIn()) return code;
        if (session.graph == nullptr) {
            if (int32_t code = session.enqueue()) return code;
        } else {
            error = cuda.GraphLaunch(session.graph, session.stream);
        }
        if (!error) error = cuda.EventRecord(session.ended, session.stream);
        if (!error) error = cuda.StreamSynchronize(session.stream);
        if (!error) error = cuda.EventElapsedTime(gpuMs, session.began, session.ended);
        return error ? library.cudaFailed("the run", error, ARENAD_TRT_RUN) : int32_t{ARENAD_TRT_OK};
    });
}

int32_t pictures(void* handle, const char* ptx) {
    Session& session = *static_cast<Session*>(handle);
    Library& library = session.library;
    return guarded(library, ARENAD_TRT_DEVICE, [&]() -> int32_t {
        if (int error = library.cuda.CtxSetCurrent(library.context)) return library.cudaFailed("GPU 0", error, ARENAD_TRT_DEVICE);
        std::unique_ptr<Pictures> made(new Pictures(library.cuda));
        if (int error = made->open(ptx)) return library.cudaFailed(made->where, error, ARENAD_TRT_DEVICE);
        session.pictures = std::move(made);
        return ARENAD_TRT_OK;
    });
}

int32_t putPicture(void* handle, int32_t index, const ArenadPicture* picture) {
    Session& session = *static_cast<Session*>(handle);
    Library& library = session.library;
    return guarded(library, ARENAD_TRT_RUN, [&]() -> int32_t {
        const Buffer* buffer = at(handle, index);
        const size_t size = static_cast<size_t>(picture->input_width) * static_cast<size_t>(picture->input_height);
        if (session.pictures == nullptr || buffer == nullptr || !buffer->input || buffer->device == 0 || buffer->count != 3 * size)
            return library.logger.fail(ARENAD_TRT_RUN, "the picture is for another input");
        // A run that failed may have left the last picture queued.
        Cuda& cuda = library.cuda;
        Pictures& pictures = *session.pictures;
        int error = cuda.CtxSetCurrent(library.context);
        if (!error) error = cuda.StreamSynchronize(session.stream);
        if (error) return library.cudaFailed("before the picture", error, ARENAD_TRT_RUN);
        error = pictures.copy(*picture);
        if (!error) error = cuda.EventRecord(session.began, session.stream);
        if (!error) error = pictures.fill(buffer->device, session.stream);
        if (error) return library.cudaFailed(pictures.where, error, ARENAD_TRT_RUN);
        session.shown = true;
        return ARENAD_TRT_OK;
    });
}

int32_t peek(void* handle, int32_t index, float* values, size_t count) {
    Session& session = *static_cast<Session*>(handle);
    Library& library = session.library;
    return guarded(library, ARENAD_TRT_RUN, [&]() -> int32_t {
        const Buffer* buffer = at(handle, index);
        if (buffer == nullptr || buffer->host == nullptr || buffer->count != count) return ARENAD_TRT_RUN;
        int error = library.cuda.CtxSetCurrent(library.context);
        if (!error) error = library.cuda.MemcpyDtoHAsync(buffer->host, buffer->device, count * sizeof(float), session.stream);
        if (!error) error = library.cuda.StreamSynchronize(session.stream);
        if (error) return library.cudaFailed("copy out", error, ARENAD_TRT_RUN);
        std::memcpy(values, buffer->host, count * sizeof(float));
        return ARENAD_TRT_OK;
    });
}

const float* lend(void* handle, int32_t index, size_t count) {
    const Buffer* buffer = at(handle, index);
    return buffer == nullptr || buffer->input || buffer->count != count ? nullptr : buffer->host;
}

void unload(void* session) { delete static_cast<Session*>(session); }

} // namespace

extern "C" const ArenadTrtTable* ARENAD_JOIN(arenad_trt_table_, ARENAD_TRT_MAJOR)() {
    static_assert(NV_TENSORRT_MAJOR == ARENAD_TRT_MAJOR, "build.rs read another major version than the compiler");
    static const ArenadTrtTable table = {NV_TENSORRT_MAJOR, open, close, build, freeBlob, load,       tensors, tensor,
                                         start,             put,  run,   take,  pictures, putPicture, peek,    lend,
                                         unload};
    return &table;
}
