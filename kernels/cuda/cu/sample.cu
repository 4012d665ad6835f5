// Samples of the posterior, with noise that is generated in registers and not stored.
//
//     z[r, s, n, k] = mu[r, n, k] + sd[r, n, k] eps[r, s, n, k]      mu, sd (R, 1, N, Z), z (R, S, N, Z)
//
// eps is the normal of index first + i in the stream of seeds[r], where i is the flat index of (s, n, k); it can be
// recomputed where it is needed again. The step is that of random.cu. A thread computes the four normals of one Philox
// block. Grid: x over Philox blocks, y over models, with strided loops in both. `moments` is N Z, `count` is S N Z.
#include "philox.cuh"

KERNEL sample(
    const real *__restrict__ mu, const real *__restrict__ sd, const wide *__restrict__ seeds, word stream,
    const word *__restrict__ ticks, word rate, word step, Index first, Index moments, Index count, Index models,
    real *__restrict__ z
) {
    const word now = step + rate * ticks[0];
    const Index start = first / 4, blocks = (first + count + 3) / 4 - start;
    for (Index r = blockIdx.y; r < models; r += gridDim.y)
        for (Index j = blockIdx.x * (Index)blockDim.x + threadIdx.x; j < blocks; j += (Index)gridDim.x * blockDim.x) {
            real eps[4];
            AsNormals::of(philox(seeds[r], stream, now, start + j), eps);
            const Index place = 4 * (start + j) - first;
#pragma unroll
            for (int i = 0; i < 4; ++i)
                if (place + i >= 0 && place + i < count) {
                    const Index m = r * moments + (place + i) % moments;
                    z[r * count + place + i] = mu[m] + sd[m] * eps[i];
                }
        }
}
