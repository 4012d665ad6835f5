// Sums over the threads of a warp or a block, in an order that the launch geometry alone decides.
#include "real.cuh"

// The sum of v over the `width` neighbouring lanes that a thread belongs to (a power of two, at most 32). All
// lanes of the warp take part, and all get their group's sum: a butterfly, so that they agree to the last bit.
__device__ inline real sum_of_lanes(real v, int width) {
    for (int distance = width / 2; distance > 0; distance /= 2) v += __shfl_xor_sync(ALL_LANES, v, distance);
    return v;
}

// The sum of v over a block of whole warps, known to all its threads. `partial` is shared and holds one number
// a warp; it may be written again as soon as this returns.
__device__ inline real sum_of_block(real v, real *partial) {
    v = sum_of_lanes(v, WARP);
    if (threadIdx.x % WARP == 0) partial[threadIdx.x / WARP] = v;
    __syncthreads();
    real total = 0;
    for (int warp = 0; warp < blockDim.x / WARP; ++warp) total += partial[warp];
    __syncthreads();
    return total;
}

// The sum of v over a team: `width` lanes of a warp, or the whole block where `width` is more than a warp.
__device__ inline real sum_of_team(real v, int width, real *partial) {
    return width <= WARP ? sum_of_lanes(v, width) : sum_of_block(v, partial);
}
