// Samples of the posterior, with the noise made on the way and never stored.
//
//     z[r, s, n, k] = mu[r, n, k] + sd[r, n, k] eps[r, s, n, k]      mu, sd (R, 1, N, Z), z (R, S, N, Z)
//
// eps is the normal at place first + i of the stream of seeds[r], where i is the flat place of (s, n, k): whoever
// needs it again makes it again. The step is that of random.cu. A thread makes the four normals of one Philox block. Grid: x over Philox blocks,
// y over models; both stride on. `moments` is N Z, `count` is S N Z.
#include "philox.cuh"

KERNEL sample(
    const real *__restrict__ mu, const real *__restrict__ sd, const wide *__restrict__ seeds, word stream,
    const word *__restrict__ ticks, word rate, word step, Index first, Index moments, Index count, Index models, real *__restrict__ z
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
