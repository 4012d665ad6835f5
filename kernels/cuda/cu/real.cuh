// Definitions used by every file: index and number types, and arithmetic that rounds after each operation.
//
// `real` is float or double: a typedef that is put before the joined sources. An `Index` counts elements of arrays and
// may exceed 2^31.

#define MAX_THREADS 256
// A kernel runs in blocks of up to MAX_THREADS threads. The bound of one block per multiprocessor lets the compiler use
// more registers instead of spilling them.
#define KERNEL extern "C" __global__ void __launch_bounds__(MAX_THREADS, 1)

#define WARP 32
#define ALL_LANES 0xffffffffu

// Shared memory of a block: a macro, because it is defined differently when the sources are compiled without a GPU.
#ifndef SHARED
#define SHARED(type, name, count) __shared__ type name[count]
#endif

typedef long long Index;
typedef unsigned int word;
typedef unsigned long long wide;

// A compiler may contract a * b + c to one fused operation, which rounds once. These functions are never contracted:
// expressions of them equal NumPy's results to the last bit.
__device__ inline float times(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double times(double a, double b) { return __dmul_rn(a, b); }
__device__ inline float plus(float a, float b) { return __fadd_rn(a, b); }
__device__ inline double plus(double a, double b) { return __dadd_rn(a, b); }
__device__ inline float over(float a, float b) { return __fdiv_rn(a, b); }
__device__ inline double over(double a, double b) { return __ddiv_rn(a, b); }
__device__ inline float root(float a) { return __fsqrt_rn(a); }
__device__ inline double root(double a) { return __dsqrt_rn(a); }

// Return whether x is neither infinite nor NaN; by a comparison, because x - x may be optimised away.
__device__ inline bool is_finite(float x) { return fabsf(x) <= 3.402823466e+38f; }
__device__ inline bool is_finite(double x) { return fabs(x) <= 1.7976931348623157e+308; }
