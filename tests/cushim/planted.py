"""Kernels with one fault each: whoever checks kernels must find it."""

from __future__ import annotations

#: A sum over the block whose threads read what others may not have written yet.
RACE = """
#define SHARED_NUMBERS 64
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    SHARED(float, numbers, SHARED_NUMBERS);
    numbers[threadIdx.x] = x[threadIdx.x];
    out[threadIdx.x] = numbers[(threadIdx.x + 1) % blockDim.x];
}
"""
#: The same with its barrier.
ORDERED = RACE.replace("    out[", "    __syncthreads();\n    out[")
#: Two blocks write to one place.
COLLISION = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    if (threadIdx.x == 0) out[0] = x[blockIdx.x];
}
"""
#: A write behind the last element.
OVERRUN = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    out[threadIdx.x + 1] = x[threadIdx.x];
}
"""
#: A read behind shared memory.
OVERREAD = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    SHARED(float, numbers, 64);
    numbers[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = numbers[threadIdx.x + 1];
}
"""
#: A barrier that half of the threads pass by.
DIVERGENCE = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    if (threadIdx.x < 32) __syncthreads();
    out[threadIdx.x] = x[threadIdx.x];
}
"""
#: Two barriers, each for half of the threads.
TWO_BARRIERS = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    out[threadIdx.x] = x[threadIdx.x];
}
"""
#: An exchange that half of the lanes pass by.
LONELY_LANES = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    float v = x[threadIdx.x];
    if (threadIdx.x % 2) v = __shfl_xor_sync(0xffffffffu, v, 1);
    out[threadIdx.x] = v;
}
"""
#: Shared memory that nobody wrote.
UNWRITTEN = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    SHARED(float, numbers, 64);
    if (threadIdx.x) numbers[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = numbers[threadIdx.x];
}
"""

#: What a sanitizer is shown.
WATCHED = {"race": RACE, "collision": COLLISION, "overrun": OVERRUN, "overread": OVERREAD, "nothing": ORDERED}
