// Random words, uniforms and standard normals, each a function of (seed, stream, step, index) alone.
//
//     out[r, i] = the number of index first + i in the stream of seeds[r]        seeds (R,), out (R, count)
//
// The step is step + rate ticks[0]: ticks (1,) is the number of replays of a recorded launch.
//
// A thread computes the four numbers of one Philox block. Grid: x over the blocks that hold the indices
// first .. first + count, y over models, with strided loops in both.
#include "philox.cuh"

template <class Kind>
__device__ inline void draw(
    const wide *seeds, word stream, word step, Index first, Index count, Index models, typename Kind::number *out
) {
    const Index start = first / 4, blocks = (first + count + 3) / 4 - start;
    for (Index r = blockIdx.y; r < models; r += gridDim.y)
        for (Index j = blockIdx.x * (Index)blockDim.x + threadIdx.x; j < blocks; j += (Index)gridDim.x * blockDim.x) {
            typename Kind::number numbers[4];
            Kind::of(philox(seeds[r], stream, step, start + j), numbers);
            const Index place = 4 * (start + j) - first;  // negative where `first` lies inside the block
#pragma unroll
            for (int i = 0; i < 4; ++i)
                if (place + i >= 0 && place + i < count) out[r * count + place + i] = numbers[i];
        }
}

#define DRAW(name, Kind)                                                                                             \
    KERNEL name(                                                                                                     \
        const wide *__restrict__ seeds, word stream, const word *__restrict__ ticks, word rate, word step,           \
        Index first, Index count, Index models, Kind::number *__restrict__ out                                       \
    ) {                                                                                                              \
        draw<Kind>(seeds, stream, step + rate * ticks[0], first, count, models, out);                                \
    }

DRAW(words, AsWords)
DRAW(uniform, AsUniforms)
DRAW(normal, AsNormals)
