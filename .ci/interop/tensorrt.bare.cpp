// The bare loop that tensorrt.sh sets the shim beside: copy in, enqueueV3, copy out, wait, and nothing else.
// FOLDER ENGINE FRAMES COPIES: libraries, a file that holds a plan, how often, and whether the caller's numbers go into the pinned buffer
// as well. Prints the median in microseconds.
#include "NvInfer.h"
#include "cuda.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace nv = nvinfer1;

struct Quiet : nv::ILogger {
    void log(Severity, const char*) noexcept override {}
};
struct Tensor {
    bool input;
    size_t count;
    CUdeviceptr device;
    float* host;
    std::vector<float> own;
};

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    std::string folder = argv[1];
    std::ifstream file(argv[2], std::ios::binary);
    std::string all((std::istreambuf_iterator<char>(file)), {});
    size_t begin = all.find("a plan of the stand-in");
    void* infer = dlopen((folder + "/libnvinfer.so." + std::to_string(NV_TENSORRT_MAJOR)).c_str(), RTLD_NOW);
    void* driver = dlopen("libcuda.so.1", RTLD_NOW);
    Cuda cuda;
    if (infer == nullptr || driver == nullptr || begin == std::string::npos || cuda.open(driver) != nullptr || cuda.Init(0)) return 1;
    Quiet logger;
    auto create = reinterpret_cast<void* (*)(void*, int)>(dlsym(infer, "createInferRuntime_INTERNAL"));
    auto runtime = static_cast<nv::IRuntime*>(create(&logger, NV_TENSORRT_VERSION));
    nv::ICudaEngine* engine = runtime->deserializeCudaEngine(all.data() + begin, all.size() - begin);
    nv::IExecutionContext* context = engine->createExecutionContext();
    CUstream stream;
    cuda.StreamCreate(&stream, 1);
    std::vector<Tensor> tensors;
    for (int i = 0; i < engine->getNbIOTensors(); ++i) {
        const char* name = engine->getIOTensorName(i);
        Tensor tensor{engine->getTensorIOMode(name) == nv::TensorIOMode::kINPUT, 1, 0, nullptr, {}};
        nv::Dims dims = engine->getTensorShape(name);
        for (int d = 0; d < dims.nbDims; ++d) tensor.count *= static_cast<size_t>(dims.d[d]);
        cuda.MemAlloc(&tensor.device, tensor.count * sizeof(float));
        cuda.MemHostAlloc(reinterpret_cast<void**>(&tensor.host), tensor.count * sizeof(float), 0);
        // Written once, so that no page is the kernel's one page of zeros.
        std::fill_n(tensor.host, tensor.count, 0.5F);
        tensor.own.assign(tensor.count, 0.5F);
        context->setTensorAddress(name, reinterpret_cast<void*>(tensor.device));
        tensors.push_back(std::move(tensor));
    }
    size_t frames = static_cast<size_t>(atol(argv[3]));
    bool copies = argv[4][0] == '1';
    std::vector<double> times;
    for (size_t frame = 0; frame < frames; ++frame) {
        auto began = std::chrono::steady_clock::now();
        for (Tensor& one : tensors) {
            if (!one.input) continue;
            if (copies) memcpy(one.host, one.own.data(), one.count * sizeof(float));
            cuda.MemcpyHtoDAsync(one.device, one.host, one.count * sizeof(float), stream);
        }
        context->enqueueV3(reinterpret_cast<cudaStream_t>(stream));
        for (Tensor& one : tensors)
            if (!one.input) cuda.MemcpyDtoHAsync(one.host, one.device, one.count * sizeof(float), stream);
        cuda.StreamSynchronize(stream);
        times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began).count());
    }
    std::nth_element(times.begin(), times.begin() + frames / 2, times.end());
    printf("%.2f\n", times[frames / 2]);
    return 0;
}
