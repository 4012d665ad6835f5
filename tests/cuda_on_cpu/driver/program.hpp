// Define what a kernel's source needs to compile to a library of this machine: cushim.hpp, and CUDA's names that CuPy
// uses.
//
// A source with barriers or exchanges (WITH_BARRIERS) runs on cushim.hpp's coroutines; the threads of another one run
// one after the other. Static shared memory of the project's own kernels and all dynamic memory start as NaN in every
// block.
#pragma once
#include "../../cushim/cushim.hpp"
#include "kernel.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

namespace on_cpu {

// --- dynamic shared memory, of the size that the launch gives ---------------------------------------------

static size_t dynamic_bytes;

UNSEEN inline void *dynamic_memory(unsigned site, size_t wanted) {
    if (wanted > dynamic_bytes) cushim::fail("a kernel uses more dynamic shared memory than the launch gives");
    return cushim::shared(site, std::max(wanted, dynamic_bytes));
}

// --- launches ---------------------------------------------------------------------------------------

template <class... A>
const char *one_after_another(void (*kernel)(A...), const unsigned *grid, const unsigned *threads, void **arguments) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {threads[0], threads[1], threads[2]};
    for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
                for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x)
                            cushim::call(kernel, arguments, std::index_sequence_for<A...>{});
    return "";
}

template <class... A>
const char *run(
    void (*kernel)(A...), const unsigned *grid, const unsigned *block, void **arguments, unsigned bytes, unsigned seed
) {
    dynamic_bytes = bytes;
    if (!WITH_BARRIERS) return one_after_another(kernel, grid, block, arguments);
    return cushim::launch(kernel, grid, block, arguments, seed);
}

template <class T>
void describe(char *&end) {
    if constexpr (std::is_arithmetic_v<T> || std::is_pointer_v<T>)
        end = cushim::letters<T>(end);
    else
        end += std::sprintf(end, "s%d;", int(sizeof(T)));
}

template <class... A>
struct Arguments {
    static constexpr int count = sizeof...(A);
    static constexpr int sizes[count + 1] = {int(sizeof(A))..., 0};

    static const char *signature() {
        static char text[16 * count + 1];
        char *end = text;
        (describe<std::remove_cv_t<A>>(end), ...);
        return text;
    }
};

template <class... A>
constexpr Arguments<A...> arguments_of(void (*)(A...)) {
    return {};
}

}  // namespace on_cpu

#define ON_CPU_KERNEL(name, bounds)                                                                                  \
    static const char *on_cpu_run_##name(                                                                            \
        const unsigned *grid, const unsigned *block, void **arguments, unsigned bytes, unsigned seed                 \
    ) {                                                                                                              \
        return on_cpu::run(&name, grid, block, arguments, bytes, seed);                                              \
    }                                                                                                                \
    using on_cpu_of_##name = decltype(on_cpu::arguments_of(&name));                                                  \
    extern "C" {                                                                                                     \
    extern const on_cpu::Kernel cuda_on_cpu_##name;                                                                  \
    const on_cpu::Kernel cuda_on_cpu_##name = {                                                                      \
        on_cpu_run_##name, on_cpu_of_##name::signature, on_cpu_of_##name::count, on_cpu_of_##name::sizes, bounds};   \
    }

// --- names of the language that cushim.hpp does not define -------------------------------------------

#undef DYNAMIC
#define DYNAMIC(type, name, count)                                                                                   \
    type *const name = static_cast<type *>(on_cpu::dynamic_memory(__COUNTER__, sizeof(type) * (count)))

#define __host__
#define __forceinline__ inline
#define __restrict__

using std::abs, std::ceil, std::cos, std::floor, std::isfinite, std::isinf, std::isnan, std::sin;

template <class T>
inline T min(T a, T b) {
    return b < a ? b : a;
}

template <class T>
inline T max(T a, T b) {
    return a < b ? b : a;
}

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }

template <class To, class From>
inline To with_bits_of(From x) {
    static_assert(sizeof(To) == sizeof(From));
    To y;
    std::memcpy(&y, &x, sizeof y);
    return y;
}

inline float __int_as_float(int x) { return with_bits_of<float>(x); }
inline int __float_as_int(float x) { return with_bits_of<int>(x); }
inline double __longlong_as_double(long long x) { return with_bits_of<double>(x); }
inline long long __double_as_longlong(double x) { return with_bits_of<long long>(x); }

#define __syncwarp(...) ((void)cushim::exchange(__LINE__, 0, 0))
#define __shfl_xor_sync(mask, value, distance, ...) cushim::exchanged(__LINE__, mask, value, distance)
