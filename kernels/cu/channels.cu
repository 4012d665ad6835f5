// Combinations of images with one number a channel: what a normalisation is beside its sums.
#include "real.cuh"

struct Operand {
    Index model, sample;
    __device__ Index at(Index row, Index samples) const { return row / samples * model + row % samples * sample; }
};

//     out[r, s, m, c] = a[r, s, c] u[r, s, m, c] + b[r, s, c] v[r, s, m, c] + shift[r, s, c]
//
// out (R, S, M, C) contiguous; each input moves by its own steps from model to model and from sample to sample, 0 where
// it is shared. Without `second` b and v are unread, without `shifted` shift is. Grid: x over the M C elements of a row,
// y over the R S rows; both stride on.
KERNEL combine(
    const real *__restrict__ u, Index u_model, Index u_sample, const real *__restrict__ a, Index a_model, Index a_sample,
    const real *__restrict__ v, Index v_model, Index v_sample, const real *__restrict__ b, Index b_model, Index b_sample,
    const real *__restrict__ shift, Index shift_model, Index shift_sample, int second, int shifted, Index models,
    Index samples, Index size, Index channels, real *__restrict__ out
) {
    const Index step = (Index)gridDim.x * blockDim.x;
    for (Index row = blockIdx.y; row < models * samples; row += gridDim.y) {
        const real *u_row = u + Operand{u_model, u_sample}.at(row, samples);
        const real *a_row = a + Operand{a_model, a_sample}.at(row, samples);
        const real *v_row = v + Operand{v_model, v_sample}.at(row, samples);
        const real *b_row = b + Operand{b_model, b_sample}.at(row, samples);
        const real *shift_row = shift + Operand{shift_model, shift_sample}.at(row, samples);
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < size; i += step) {
            const Index c = i % channels;
            real total = a_row[c] * u_row[i];
            if (second) total += b_row[c] * v_row[i];
            if (shifted) total += shift_row[c];
            out[row * size + i] = total;
        }
    }
}
