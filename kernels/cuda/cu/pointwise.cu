// Activations and their derivative rules, one element at a time.
//
// Arrays are (R, S, M); inputs are operands.
// Grid: x over the M elements of a row, y over the R S rows, with strided loops in both.
//
//     activation   y = f(slope x + shift)                   y (R, S, M), which may be x; slope and shift (R, S, C) of the
//                                                           C innermost elements, not read if their flag is 0
//     slope        out = f'(x) v                            out (R, S, M); y, v may be shared
//     curve        out = f'(x) dgy + f''(x) dx gy           out (R, S, M); y, dy = f'(x) dx, gy, dgy may be shared;
//                                                           a term whose flag is 0 is zero, its array is not read
#include "activations.cuh"
#include "operand.cuh"

template <class F>
__device__ inline void values(
    Operand x, Operand slope, int sloped, Operand shift, int shifted, Index models, Index samples, Index size,
    Index channels, real *y
) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index row = blockIdx.y; row < models * samples; row += gridDim.y) {
        const real *x_row = x.row(row, samples), *slope_row = slope.row(row, samples);
        const real *shift_row = shift.row(row, samples);
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < size; i += stride) {
            real value = x_row[i];
            if (sloped || shifted) {
                const Index c = i % channels;
                if (sloped) value *= slope_row[c];
                if (shifted) value += shift_row[c];
            }
            y[row * size + i] = F::value(value);
        }
    }
}

template <class F>
__device__ inline void slopes(Operand y, Operand v, Index models, Index samples, Index size, real *out) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index row = blockIdx.y; row < models * samples; row += gridDim.y) {
        const real *y_row = y.row(row, samples), *v_row = v.row(row, samples);
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < size; i += stride)
            out[row * size + i] = F::slope(y_row[i]) * v_row[i];
    }
}

template <class F>
__device__ inline void curves(
    Operand y, Operand dy, int has_dy, Operand gy, Operand dgy, int has_dgy, Index models, Index samples, Index size,
    real *out
) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index row = blockIdx.y; row < models * samples; row += gridDim.y) {
        const real *y_row = y.row(row, samples), *dy_row = dy.row(row, samples);
        const real *gy_row = gy.row(row, samples), *dgy_row = dgy.row(row, samples);
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < size; i += stride) {
            real total = 0;
            if (has_dgy) total += F::slope(y_row[i]) * dgy_row[i];
            if (has_dy) total += F::curve(y_row[i]) * dy_row[i] * gy_row[i];
            out[row * size + i] = total;
        }
    }
}

#define ACTIVATION(f, F, CODE)                                                                                       \
    KERNEL f##_value(                                                                                                \
        const real *x, Index x_model, Index x_sample, INPUT(slope), int sloped, INPUT(shift), int shifted,           \
        Index models, Index samples, Index size, Index channels, real *y                                             \
    ) {                                                                                                              \
        values<F>(OPERAND(x), OPERAND(slope), sloped, OPERAND(shift), shifted, models, samples, size, channels, y);  \
    }                                                                                                                \
    KERNEL f##_slope(INPUT(y), INPUT(v), Index models, Index samples, Index size, real *__restrict__ out) {          \
        slopes<F>(OPERAND(y), OPERAND(v), models, samples, size, out);                                               \
    }                                                                                                                \
    KERNEL f##_curve(                                                                                                \
        INPUT(y), INPUT(dy), int has_dy, INPUT(gy), INPUT(dgy), int has_dgy, Index models, Index samples,            \
        Index size, real *__restrict__ out                                                                           \
    ) {                                                                                                              \
        curves<F>(OPERAND(y), OPERAND(dy), has_dy, OPERAND(gy), OPERAND(dgy), has_dgy, models, samples, size, out);  \
    }

ACTIVATIONS(ACTIVATION)
