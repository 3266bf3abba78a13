// An engine built from ONNX, and how far that is. A part of shim.cpp, compiled with it for each major version.
#pragma once
#include "opened.h"

#include "NvOnnxParser.h"
#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>
#include <type_traits>
#include <vector>

namespace {

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

} // namespace
