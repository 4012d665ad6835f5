"""Kernels with one fault each, which every checker of kernels must detect."""

from __future__ import annotations

#: A sum over the block whose threads read values that other threads may not have written yet.
RACE = """
#define SHARED_NUMBERS 64
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    SHARED(float, numbers, SHARED_NUMBERS);
    numbers[threadIdx.x] = x[threadIdx.x];
    out[threadIdx.x] = numbers[(threadIdx.x + 1) % blockDim.x];
}
"""
#: The same sum with its barrier.
ORDERED = RACE.replace("    out[", "    __syncthreads();\n    out[")
#: Two blocks write to one element.
COLLISION = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    if (threadIdx.x == 0) out[0] = x[blockIdx.x];
}
"""
#: A write past the last element.
OVERRUN = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    out[threadIdx.x + 1] = x[threadIdx.x];
}
"""
#: A read past the end of shared memory.
OVERREAD = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    SHARED(float, numbers, 64);
    numbers[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = numbers[threadIdx.x + 1];
}
"""
#: A barrier that half of the threads do not reach.
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
#: An exchange that half of the lanes do not reach.
LONELY_LANES = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    float v = x[threadIdx.x];
    if (threadIdx.x % 2) v = __shfl_xor_sync(0xffffffffu, v, 1);
    out[threadIdx.x] = v;
}
"""
#: A read of shared memory that no thread wrote.
UNWRITTEN = """
extern "C" __global__ void __launch_bounds__(64) faulty(const float *x, float *out) {
    SHARED(float, numbers, 64);
    if (threadIdx.x) numbers[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = numbers[threadIdx.x];
}
"""

#: Faults that a sanitizer must detect.
WATCHED = {"race": RACE, "collision": COLLISION, "overrun": OVERRUN, "overread": OVERREAD, "nothing": ORDERED}
