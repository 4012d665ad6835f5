// Gather a minibatch of the training data: rows in the order of an epoch.
//
//     out[n, d] = table[order[slot, place + n], d] / divisor      table (rows, D), order (slots, used), out (N, D)
//
// Minibatch i begins at place i N mod used of slot i N / used mod slots. i is index + rate ticks[0]: a launch that is
// replayed counts its replays in ticks (1,).
//
// Grid: x over the elements of out, with a strided loop.
#include "real.cuh"

template <class Number>
__device__ inline void gather(
    const Number *table, const int *order, Index slots, Index used, Index batch, Index width, Index index, real divisor,
    real *out
) {
    const Index first = index * batch;
    const int *const rows = order + first / used % slots * used + first % used;
    for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < batch * width; i += (Index)gridDim.x * blockDim.x)
        out[i] = over((real)table[rows[i / width] * width + i % width], divisor);
}

#define GATHER(name, Number)                                                                                         \
    KERNEL name(                                                                                                     \
        const Number *__restrict__ table, const int *__restrict__ order, Index slots, Index used, Index batch,       \
        Index width, const word *__restrict__ ticks, word rate, word index, real divisor, real *__restrict__ out     \
    ) {                                                                                                              \
        gather(table, order, slots, used, batch, width, index + rate * ticks[0], divisor, out);                      \
    }

GATHER(gather_numbers, real)
GATHER(gather_pixels, unsigned char)
