// Implement modules, functions and launches, with the checks that a card does before it starts a kernel.
#include "state.hpp"

#include "kernel.hpp"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>

namespace on_cpu {

constexpr unsigned MOST_THREADS = 1024, MOST_DEPTH = 64, MOST_ROWS = 65535, MOST_BLOCKS = 2147483647;
// The limits are on the sum of static and dynamic memory. The static part is not known here and taken as 2 KB.
constexpr int SHARED_STATIC = 2 << 10;
constexpr int SHARED_UNASKED = (48 << 10) - SHARED_STATIC, SHARED_MOST = (227 << 10) - SHARED_STATIC;
constexpr int SHARED_OF_PROCESSOR = 228 << 10;
constexpr int THREADS_OF_PROCESSOR = 2048, BLOCKS_OF_PROCESSOR = 32, SHARED_OF_SYSTEM = 1 << 10;
// The prefix of a library's path, which is passed where a card would be given machine code.
constexpr char MARK[] = "cuda_on_cpu:";

struct Function {
    std::string name;
    const Kernel *kernel;
    bool loaded = true;
    int dynamic_bytes = SHARED_UNASKED;
    int carveout = -1;
};

struct Module {
    void *library;
    std::map<std::string, std::unique_ptr<Function>> functions;
};

// Both enumerations have the same numbers.
static CUresult as_driver(cudaError_t error) { return static_cast<CUresult>(error); }

static unsigned schedule() {
    static const char *const seed = std::getenv("CUDA_ON_CPU_SEED");
    return seed ? unsigned(std::atoi(seed)) : 0;
}

static CUresult check_launch(const Function &function, const unsigned *grid, const unsigned *block, unsigned bytes) {
    const char *const name = function.name.c_str();
    const unsigned long long threads = 1ull * block[0] * block[1] * block[2];
    if (!function.loaded) {
        refuse(cudaErrorInvalidResourceHandle, "%s belongs to a module that was unloaded", name);
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (!grid[0] || !grid[1] || !grid[2] || grid[0] > MOST_BLOCKS || grid[1] > MOST_ROWS || grid[2] > MOST_ROWS) {
        refuse(cudaErrorInvalidValue, "%s: a grid of %u x %u x %u", name, grid[0], grid[1], grid[2]);
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (!threads || threads > MOST_THREADS || block[0] > MOST_THREADS || block[1] > MOST_THREADS ||
        block[2] > MOST_DEPTH) {
        refuse(cudaErrorInvalidValue, "%s: a block of %u x %u x %u", name, block[0], block[1], block[2]);
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (threads > unsigned(function.kernel->most_threads)) {
        refuse(cudaErrorLaunchOutOfResources, "%s: %llu threads, and its launch bounds say %d", name, threads,
               function.kernel->most_threads);
        return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    }
    if (bytes > unsigned(function.dynamic_bytes)) {
        refuse(cudaErrorInvalidValue, "%s: %u bytes of dynamic shared memory, and its attribute says %d", name, bytes,
               function.dynamic_bytes);
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

struct Launch {
    const Function *function;
    unsigned grid[3], block[3], dynamic_bytes;
    std::vector<std::vector<char>> arguments;  // copies of the values at the call

    cudaError_t run() {
        std::vector<void *> pointers;
        for (std::vector<char> &argument : arguments) pointers.push_back(argument.data());
        const Kernel &kernel = *function->kernel;
        const char *message = kernel.launch(grid, block, pointers.data(), dynamic_bytes, schedule());
        if (!*message) return cudaSuccess;
        return refuse(cudaErrorLaunchFailure, "%s: %s", function->name.c_str(), message);
    }
};

}  // namespace on_cpu

using namespace on_cpu;

ENTRY CUresult cuModuleLoadData(CUmodule *handle, const void *image) {
    Inside inside(door);
    counts.loads++;
    counts.loads_in_capture += any_capture();
    if (unsafe_prohibited()) {
        invalidate_captures();
        return as_driver(refuse(cudaErrorStreamCaptureUnsupported, "a module is loaded while a stream is captured"));
    }
    const char *const text = static_cast<const char *>(image);
    if (std::strncmp(text, MARK, sizeof MARK - 1)) {
        refuse(cudaErrorInvalidKernelImage, "what was loaded as a module is none of this driver's");
        return CUDA_ERROR_INVALID_IMAGE;
    }
    void *const library = dlopen(text + sizeof MARK - 1, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        refuse(cudaErrorInvalidKernelImage, "%s", dlerror());
        return CUDA_ERROR_INVALID_IMAGE;
    }
    *handle = reinterpret_cast<CUmodule>(new Module{library, {}});
    return CUDA_SUCCESS;
}

ENTRY CUresult cuModuleUnload(CUmodule handle) {
    Inside inside(door);
    finish_everything();
    for (auto &named : reinterpret_cast<Module *>(handle)->functions) named.second->loaded = false;
    return CUDA_SUCCESS;
}

ENTRY CUresult cuModuleGetFunction(CUfunction *handle, CUmodule module_handle, const char *name) {
    Inside inside(door);
    Module *const module = reinterpret_cast<Module *>(module_handle);
    std::unique_ptr<Function> &function = module->functions[name];
    if (!function) {
        const void *const kernel = dlsym(module->library, (std::string("cuda_on_cpu_") + name).c_str());
        if (!kernel) {
            module->functions.erase(name);
            return CUDA_ERROR_NOT_FOUND;
        }
        function = std::make_unique<Function>();
        function->name = name;
        function->kernel = static_cast<const Kernel *>(kernel);
    }
    *handle = reinterpret_cast<CUfunction>(function.get());
    return CUDA_SUCCESS;
}

ENTRY CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction handle) {
    const Function *const function = reinterpret_cast<Function *>(handle);
    switch (attribute) {
        case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = function->kernel->most_threads; break;
        case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = function->dynamic_bytes; break;
        case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: *value = function->carveout; break;
        case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 64; break;
        case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
        case CU_FUNC_ATTRIBUTE_PTX_VERSION: *value = 90; break;
        default: *value = 0;
    }
    return CUDA_SUCCESS;
}

ENTRY CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
    Inside inside(door);
    Function *const function = reinterpret_cast<Function *>(handle);
    const char *const name = function->name.c_str();
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES && value >= 0 && value <= SHARED_MOST) {
        function->dynamic_bytes = value;
        return CUDA_SUCCESS;
    }
    if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT && value >= -1 && value <= 100) {
        function->carveout = value;
        return CUDA_SUCCESS;
    }
    refuse(cudaErrorInvalidValue, "%s: attribute %d cannot be set to %d", name, int(attribute), value);
    return CUDA_ERROR_INVALID_VALUE;
}

ENTRY CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction, int threads, size_t dynamic_bytes) {
    const int by_threads = THREADS_OF_PROCESSOR / threads;
    const int by_memory = SHARED_OF_PROCESSOR / (int(dynamic_bytes) + SHARED_OF_SYSTEM);
    *blocks = std::min(std::min(by_threads, by_memory), BLOCKS_OF_PROCESSOR);
    return CUDA_SUCCESS;
}

ENTRY CUresult cuOccupancyMaxPotentialBlockSize(
    int *grid, int *block, CUfunction handle, CUoccupancyB2DSize, size_t, int limit
) {
    *block = reinterpret_cast<Function *>(handle)->kernel->most_threads;
    if (limit > 0) *block = std::min(*block, limit);
    *grid = 132 * (THREADS_OF_PROCESSOR / *block);
    return CUDA_SUCCESS;
}

ENTRY CUresult cuLaunchKernel(
    CUfunction handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
    unsigned block_z, unsigned dynamic_bytes, CUstream stream, void **arguments, void **extra
) {
    Inside inside(door);
    const Function &function = *reinterpret_cast<Function *>(handle);
    auto launch = std::make_shared<Launch>(
        Launch{&function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, dynamic_bytes, {}}
    );
    const CUresult wrong = check_launch(function, launch->grid, launch->block, dynamic_bytes);
    if (wrong) return wrong;
    const Kernel &kernel = *function.kernel;
    if (extra || (kernel.arguments && !arguments)) {
        refuse(cudaErrorInvalidValue, "%s takes %d arguments", function.name.c_str(), kernel.arguments);
        return CUDA_ERROR_INVALID_VALUE;
    }
    for (int i = 0; i < kernel.arguments; ++i) {
        const char *const argument = static_cast<char *>(arguments[i]);
        launch->arguments.emplace_back(argument, argument + kernel.sizes[i]);
    }
    counts.launches++;
    return as_driver(submit(reinterpret_cast<cudaStream_t>(stream), function.name, [launch] { return launch->run(); }));
}

// Return the declaration of a kernel's arguments for the tests: one letter and the size in bytes for each.
ENTRY const char *cuda_on_cpu_signature(CUfunction handle) {
    return reinterpret_cast<Function *>(handle)->kernel->signature();
}
