// An engine that runs: its buffers, its graph, its input from numbers or from a picture. A part of shim.cpp, compiled with it for each
// major version.
#pragma once
#include "opened.h"
#include "pictures.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

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

int32_t putPicture(void* handle, int32_t index, const ArenadPicture* picture, const ArenadSurface* surface) {
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
        error = surface == nullptr ? pictures.copy(*picture) : pictures.find(*picture, *surface);
        if (!error) error = cuda.EventRecord(session.began, session.stream);
        if (!error) error = pictures.fill(buffer->device, session.stream);
        if (error) return library.cudaFailed(pictures.where, error, ARENAD_TRT_RUN);
        session.shown = true;
        return ARENAD_TRT_OK;
    });
}

int32_t inPlace(const void* handle) {
    const Session& session = *static_cast<const Session*>(handle);
    return session.pictures != nullptr && session.pictures->inPlace();
}

void forget(void* handle, const void* image) {
    Session& session = *static_cast<Session*>(handle);
    if (session.pictures == nullptr) return;
    session.library.cuda.CtxSetCurrent(session.library.context);
    session.library.cuda.StreamSynchronize(session.stream);
    session.pictures->forget(image);
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
