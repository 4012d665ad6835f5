// Sums over the threads of a warp or a block, in an order that depends on the launch geometry alone.
#include "real.cuh"

// Sum v over the group of `width` neighbouring lanes of a thread (a power of two, at most 32). All lanes of the warp
// must take part, and all receive their group's sum: by a butterfly, so that they agree to the last bit.
__device__ inline real sum_of_lanes(real v, int width) {
    for (int distance = width / 2; distance > 0; distance /= 2) v += __shfl_xor_sync(ALL_LANES, v, distance);
    return v;
}

// Sum v over a block of whole warps; all its threads receive the sum. `partial` is shared memory of one number per
// warp, which may be overwritten as soon as this function returns.
__device__ inline real sum_of_block(real v, real *partial) {
    v = sum_of_lanes(v, WARP);
    if (threadIdx.x % WARP == 0) partial[threadIdx.x / WARP] = v;
    __syncthreads();
    real total = 0;
    for (int warp = 0; warp < blockDim.x / WARP; ++warp) total += partial[warp];
    __syncthreads();
    return total;
}

// Sum v over a team: `width` lanes of a warp, or the whole block if `width` is more than a warp.
__device__ inline real sum_of_team(real v, int width, real *partial) {
    return width <= WARP ? sum_of_lanes(v, width) : sum_of_block(v, partial);
}
