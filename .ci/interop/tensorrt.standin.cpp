// A TensorRT without substance for tensorrt.sh, behind the slots that the published headers give each method: the shim runs on it as on the
// real one. It reads the inputs and outputs of an ONNX file, "builds" in steps, and a run adds one to the first value and takes one from the last.
#include "NvInfer.h"
#include "NvOnnxParser.h"
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace nv = nvinfer1;
namespace {

struct Tensor {
    std::string name;
    bool input;
    nv::Dims dims;
    size_t count() const {
        size_t all = 1;
        for (int32_t i = 0; i < dims.nbDims; ++i) all *= static_cast<size_t>(dims.d[i]);
        return all;
    }
};

int number(const char* name, int otherwise) {
    const char* text = getenv(name);
    return text == nullptr ? otherwise : atoi(text);
}

// ---- slots ----

// The slot of a virtual method: what a pointer to it holds in the C++ ABI of Linux.
template <class Method> size_t slotOf(Method method) {
    struct {
        size_t word, adjust;
    } raw;
    static_assert(sizeof raw == sizeof method, "a pointer to a method is two words");
    memcpy(&raw, &method, sizeof raw);
#if defined(__aarch64__)
    return raw.word / sizeof(void*);
#else
    return (raw.word - 1) / sizeof(void*);
#endif
}

[[noreturn]] void unexpected() {
    fputs("the shim called a method that the stand-in does not have\n", stderr);
    abort();
}

// What an interface's mImpl points to: a table of methods and the object that they work for.
struct Inner {
    void* slots[256];
    void** table = slots;
    void* self;
    explicit Inner(void* self) : self(self) {
        for (void*& slot : slots) slot = reinterpret_cast<void*>(unexpected);
    }
    template <class Method, class Function> Inner& set(Method method, Function function) {
        slots[slotOf(method)] = reinterpret_cast<void*>(function);
        return *this;
    }
    template <class V> V* as() { return reinterpret_cast<V*>(&table); }
};

// `table` is the object as its users see it.
template <class T> T& of(void* table) {
    char* inner = static_cast<char*>(table) - offsetof(Inner, table);
    return *static_cast<T*>(reinterpret_cast<Inner*>(inner)->self);
}

// ---- the engine ----

using Launch = void (*)(void* stream, void (*work)(void*), void* what);

struct Context : nv::IExecutionContext {
    explicit Context(const std::vector<Tensor>& tensors) : tensors(tensors), at(tensors.size()), inner(this) {
        using V = nv::apiv::VExecutionContext;
        inner.set(&V::setTensorAddress, +[](void* v, const char* name, void* data) -> bool {
            Context& self = of<Context>(v);
            for (size_t i = 0; i < self.tensors.size(); ++i)
                if (self.tensors[i].name == name) self.at[i] = static_cast<float*>(data);
            return true;
        });
        inner.set(&V::enqueueV3, +[](void* v, cudaStream_t stream) -> bool {
            Context& self = of<Context>(v);
            self.launch(stream, +[](void* self) { static_cast<Context*>(self)->work(); }, &self);
            return true;
        });
        mImpl = inner.as<V>();
        void* driver = dlopen("libcuda.so.1", RTLD_NOW);
        launch = reinterpret_cast<Launch>(dlsym(driver, "standin_launch"));
    }
    void work() {
        float first = 0, last = 0;
        for (size_t i = 0; i < tensors.size(); ++i)
            if (tensors[i].input) first = at[i][0], last = at[i][tensors[i].count() - 1];
        for (size_t i = 0; i < tensors.size(); ++i)
            if (!tensors[i].input) at[i][0] = first + 1, at[i][tensors[i].count() - 1] = last - 1;
    }
    std::vector<Tensor> tensors;
    std::vector<float*> at;
    Launch launch;
    Inner inner;
};

struct Engine : nv::ICudaEngine {
    explicit Engine(std::vector<Tensor> all) : tensors(std::move(all)), inner(this) {
        using V = nv::apiv::VCudaEngine;
        inner.set(&V::getNbIOTensors, +[](void* v) { return static_cast<int32_t>(of<Engine>(v).tensors.size()); });
        inner.set(&V::getIOTensorName, +[](void* v, int32_t i) { return of<Engine>(v).tensors[i].name.c_str(); });
        inner.set(&V::getTensorIOMode, +[](void* v, const char* name) {
            return of<Engine>(v).find(name).input ? nv::TensorIOMode::kINPUT : nv::TensorIOMode::kOUTPUT;
        });
        inner.set(&V::getTensorDataType, +[](void*, const char*) { return nv::DataType::kFLOAT; });
        inner.set(&V::getTensorShape, +[](void* v, const char* name) { return of<Engine>(v).find(name).dims; });
        inner.set(&V::createExecutionContext, +[](void* v, nv::ExecutionContextAllocationStrategy) -> nv::IExecutionContext* {
            return new Context(of<Engine>(v).tensors);
        });
        mImpl = inner.as<V>();
    }
    const Tensor& find(const char* name) const {
        for (const Tensor& tensor : tensors)
            if (tensor.name == name) return tensor;
        unexpected();
    }
    std::vector<Tensor> tensors;
    Inner inner;
};

const char kMagic[] = "a plan of the stand-in\n";

// "name i|o sizes", a line a tensor, after the magic and the options.
Engine* read(const std::string& plan) {
    if (plan.compare(0, sizeof kMagic - 1, kMagic) != 0) return nullptr;
    std::vector<Tensor> tensors;
    size_t at = plan.find('\n', sizeof kMagic - 1) + 1;
    while (at < plan.size()) {
        size_t end = plan.find('\n', at);
        char name[200], way;
        long d[4];
        if (sscanf(plan.substr(at, end - at).c_str(), "%199s %c %ld %ld %ld %ld", name, &way, d, d + 1, d + 2, d + 3) != 6) return nullptr;
        nv::Dims dims{};
        dims.nbDims = 4;
        for (int i = 0; i < 4; ++i) dims.d[i] = d[i];
        tensors.push_back({name, way == 'i', dims});
        at = end + 1;
    }
    return new Engine(tensors);
}

struct Runtime : nv::IRuntime {
    explicit Runtime(nv::ILogger* logger) : logger(logger), inner(this) {
        using V = nv::apiv::VRuntime;
        using Deserialize = nv::ICudaEngine* (V::*)(const void*, size_t);
        inner.set(static_cast<Deserialize>(&V::deserializeCudaEngine), +[](void* v, const void* plan, size_t len) -> nv::ICudaEngine* {
            Engine* engine = read(std::string(static_cast<const char*>(plan), len));
            if (engine == nullptr) of<Runtime>(v).logger->log(nv::ILogger::Severity::kERROR, "the magic tag does not match");
            return engine;
        });
        inner.set(&V::getNbDLACores, +[](void*) { return static_cast<int32_t>(number("STANDIN_DLA", 0)); });
        inner.set(&V::setDLACore, +[](void* v, int32_t core) {
            std::string words = "the runtime's DLA core is " + std::to_string(core);
            of<Runtime>(v).logger->log(nv::ILogger::Severity::kINFO, words.c_str());
        });
        mImpl = inner.as<V>();
    }
    nv::ILogger* logger;
    Inner inner;
};

// ---- the builder ----

struct Network : nv::INetworkDefinition {
    std::vector<Tensor> tensors;
};

struct Config : nv::IBuilderConfig {
    Config() : inner(this) {
        using V = nv::apiv::VBuilderConfig;
        inner.set(&V::setMemoryPoolLimit, +[](void* v, nv::MemoryPoolType, size_t bytes) { of<Config>(v).note("pool", static_cast<int>(bytes >> 20)); });
        inner.set(&V::setFlag, +[](void* v, nv::BuilderFlag flag) { of<Config>(v).note("flag", static_cast<int>(flag)); });
        inner.set(&V::setDLACore, +[](void* v, int32_t core) { of<Config>(v).note("dla", core); });
        inner.set(&V::setDefaultDeviceType, +[](void* v, nv::DeviceType type) { of<Config>(v).note("device", static_cast<int>(type)); });
        inner.set(&V::setProgressMonitor, +[](void* v, nv::IProgressMonitor* monitor) { of<Config>(v).monitor = monitor; });
        mImpl = inner.as<V>();
    }
    void note(const char* what, int value) { options += std::string(what) + "=" + std::to_string(value) + " "; }
    std::string options;
    nv::IProgressMonitor* monitor = nullptr;
    Inner inner;
};

struct Plan : nv::IHostMemory {
    explicit Plan(std::string text) : text(std::move(text)), inner(this) {
        using V = nv::apiv::VHostMemory;
        inner.set(&V::data, +[](void* v) -> void* { return of<Plan>(v).text.data(); });
        inner.set(&V::size, +[](void* v) { return of<Plan>(v).text.size(); });
        mImpl = inner.as<V>();
    }
    std::string text;
    Inner inner;
};

// Each of three steps has three of its own within, as TensorRT's have.
bool steps(nv::IProgressMonitor* monitor) {
    auto pause = std::chrono::milliseconds(number("STANDIN_STEP_MS", 0));
    if (monitor == nullptr) return true;
    monitor->phaseStart("Building the engine", nullptr, 3);
    for (int32_t step = 0; step < 3; ++step) {
        monitor->phaseStart("Timing", "Building the engine", 30);
        for (int32_t within = 0; within < 30; ++within) {
            std::this_thread::sleep_for(pause);
            if (!monitor->stepComplete("Timing", within)) return false;
        }
        monitor->phaseFinish("Timing");
        if (!monitor->stepComplete("Building the engine", step)) return false;
    }
    monitor->phaseFinish("Building the engine");
    return true;
}

struct Builder : nv::IBuilder {
    Builder() : inner(this) {
        using V = nv::apiv::VBuilder;
        inner.set(&V::createNetworkV2, +[](void*, nv::NetworkDefinitionCreationFlags) -> nv::INetworkDefinition* { return new Network(); });
        inner.set(&V::createBuilderConfig, +[](void*) -> nv::IBuilderConfig* { return new Config(); });
        inner.set(&V::buildSerializedNetwork, +[](void*, nv::INetworkDefinition& network, nv::IBuilderConfig& config) -> nv::IHostMemory* {
            Config& wanted = static_cast<Config&>(config);
            if (!steps(wanted.monitor)) return nullptr;
            std::string plan = kMagic + wanted.options + "\n";
            for (const Tensor& tensor : static_cast<Network&>(network).tensors) {
                plan += tensor.name + (tensor.input ? " i" : " o");
                for (int i = 0; i < 4; ++i) plan += " " + std::to_string(tensor.dims.d[i]);
                plan += "\n";
            }
            return new Plan(plan);
        });
        mImpl = inner.as<V>();
    }
    Inner inner;
};

// ---- the parser ----

struct Bytes {
    const uint8_t* at;
    const uint8_t* end;
    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; at < end && shift < 64; shift += 7) {
            value |= static_cast<uint64_t>(*at & 0x7f) << shift;
            if ((*at++ & 0x80) == 0) break;
        }
        return value;
    }
    // Calls `field(number, value, bytes)` for each field of a protobuf message; false where it is none.
    template <class Field> bool fields(Field field) {
        while (at < end) {
            uint64_t key = varint(), value = 0;
            Bytes inside{at, at};
            if ((key & 7) == 0) {
                value = varint();
            } else if ((key & 7) == 2) {
                uint64_t len = varint();
                if (len > static_cast<uint64_t>(end - at)) return false;
                inside = {at, at + len};
                at += len;
            } else if ((key & 7) == 5 && end - at >= 4) {
                at += 4;
            } else if ((key & 7) == 1 && end - at >= 8) {
                at += 8;
            } else {
                return false;
            }
            field(key >> 3, value, inside);
        }
        return true;
    }
};

Tensor tensorOf(Bytes info, bool input) {
    Tensor tensor{"", input, {}};
    info.fields([&](uint64_t field, uint64_t, Bytes inside) {
        if (field == 1) tensor.name.assign(inside.at, inside.end);
        if (field == 2) inside.fields([&](uint64_t, uint64_t, Bytes type) {
            type.fields([&](uint64_t field, uint64_t, Bytes shape) {
                if (field == 2) shape.fields([&](uint64_t, uint64_t, Bytes dim) {
                    dim.fields([&](uint64_t field, uint64_t value, Bytes) {
                        if (field == 1 && tensor.dims.nbDims < 4) tensor.dims.d[tensor.dims.nbDims++] = static_cast<int64_t>(value);
                    });
                });
            });
        });
    });
    return tensor;
}

struct Refusal : nvonnxparser::IParserError {
    nvonnxparser::ErrorCode code() const noexcept override { return nvonnxparser::ErrorCode::kMODEL_DESERIALIZE_FAILED; }
    char const* desc() const noexcept override { return "this is no ONNX file"; }
    char const* file() const noexcept override { return ""; }
    int line() const noexcept override { return 0; }
    char const* func() const noexcept override { return ""; }
    int node() const noexcept override { return -1; }
    char const* nodeName() const noexcept override { return ""; }
    char const* nodeOperator() const noexcept override { return ""; }
    char const* const* localFunctionStack() const noexcept override { return nullptr; }
    int32_t localFunctionStackSize() const noexcept override { return 0; }
};

// The shim deletes it through a slot that no pointer to a method can name: slots that are not set do nothing, and the end of the process frees it.
struct Parser {
    Inner inner{this};
    Network* network;
    static void* nothing() { return nullptr; }
    explicit Parser(void* network) : network(static_cast<Network*>(static_cast<nv::INetworkDefinition*>(network))) {
        for (void*& slot : inner.slots) slot = reinterpret_cast<void*>(nothing);
        using V = nvonnxparser::IParser;
        inner.set(&V::parse, +[](void* v, const void* onnx, size_t len, const char*) -> bool {
            auto bytes = static_cast<const uint8_t*>(onnx);
            Network& network = *of<Parser>(v).network;
            bool whole = Bytes{bytes, bytes + len}.fields([&](uint64_t field, uint64_t, Bytes graph) {
                if (field == 7) graph.fields([&](uint64_t field, uint64_t, Bytes info) {
                    if (field == 11 || field == 12) network.tensors.push_back(tensorOf(info, field == 11));
                });
            });
            return whole && !network.tensors.empty();
        });
        inner.set(&V::getNbErrors, +[](void*) { return 1; });
        inner.set(&V::getError, +[](void*, int) -> const nvonnxparser::IParserError* {
            static Refusal refusal;
            return &refusal;
        });
    }
};

} // namespace

extern "C" {
// As 8.6.1 says it, and as those after it do.
int32_t getInferLibVersion() { return NV_TENSORRT_MAJOR == 8 ? 8601 : NV_TENSORRT_VERSION; }
void* createInferRuntime_INTERNAL(void* logger, int32_t) { return static_cast<nv::IRuntime*>(new Runtime(static_cast<nv::ILogger*>(logger))); }
void* createInferBuilder_INTERNAL(void*, int32_t) { return static_cast<nv::IBuilder*>(new Builder()); }
void* createNvOnnxParser_INTERNAL(void* network, void*, int) {
    static std::vector<std::unique_ptr<Parser>> all;
    all.push_back(std::make_unique<Parser>(network));
    return all.back()->inner.as<void>();
}
}
