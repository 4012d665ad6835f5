// Activations and their derivative rules, one element at a time.
//
// Arrays are (R, S, M); a Step holds the strides of an input between models and between samples, 0 if it is shared.
// Grid: x over the M elements of a row, y over the R S rows, with strided loops in both.
//
//     activation   y = f(slope x + shift)                   y (R, S, M), which may be x; slope and shift (R, S, C) of the
//                                                           C innermost elements, not read if their flag is 0
//     slope        out = f'(x) v                            out (R, S, M); y, v may be shared
//     curve        out = f'(x) dgy + f''(x) dx gy           out (R, S, M); y, dy = f'(x) dx, gy, dgy may be shared;
//                                                           a term whose flag is 0 is zero, its array is not read
#include "activations.cuh"

struct Step {
    Index model, sample;
    __device__ Index at(Index row, Index samples) const { return row / samples * model + row % samples * sample; }
};

template <class F>
__device__ inline void values(
    const real *x, Step x_step, const real *slope, Step slope_step, int sloped, const real *shift, Step shift_step,
    int shifted, Index models, Index samples, Index size, Index channels, real *y
) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index row = blockIdx.y; row < models * samples; row += gridDim.y) {
        const real *x_row = x + x_step.at(row, samples), *slope_row = slope + slope_step.at(row, samples);
        const real *shift_row = shift + shift_step.at(row, samples);
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
__device__ inline void slopes(
    const real *y, Step y_step, const real *v, Step v_step, Index models, Index samples, Index size, real *out
) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index row = blockIdx.y; row < models * samples; row += gridDim.y) {
        const real *y_row = y + y_step.at(row, samples), *v_row = v + v_step.at(row, samples);
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < size; i += stride)
            out[row * size + i] = F::slope(y_row[i]) * v_row[i];
    }
}

template <class F>
__device__ inline void curves(
    const real *y, Step y_step, const real *dy, Step dy_step, int moves, const real *gy, Step gy_step, const real *dgy,
    Step dgy_step, int turns, Index models, Index samples, Index size, real *out
) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index row = blockIdx.y; row < models * samples; row += gridDim.y) {
        const real *y_row = y + y_step.at(row, samples), *dy_row = dy + dy_step.at(row, samples);
        const real *gy_row = gy + gy_step.at(row, samples), *dgy_row = dgy + dgy_step.at(row, samples);
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < size; i += stride) {
            real total = 0;
            if (turns) total += F::slope(y_row[i]) * dgy_row[i];
            if (moves) total += F::curve(y_row[i]) * dy_row[i] * gy_row[i];
            out[row * size + i] = total;
        }
    }
}

#define ACTIVATION(f, F, CODE)                                                                                       \
    KERNEL f##_value(                                                                                                \
        const real *x, Index x_model, Index x_sample, const real *__restrict__ slope, Index slope_model,             \
        Index slope_sample, int sloped, const real *__restrict__ shift, Index shift_model, Index shift_sample,       \
        int shifted, Index models, Index samples, Index size, Index channels, real *y                                \
    ) {                                                                                                              \
        values<F>(                                                                                                   \
            x, Step{x_model, x_sample}, slope, Step{slope_model, slope_sample}, sloped, shift,                       \
            Step{shift_model, shift_sample}, shifted, models, samples, size, channels, y                             \
        );                                                                                                           \
    }                                                                                                                \
    KERNEL f##_slope(                                                                                                \
        const real *__restrict__ y, Index y_model, Index y_sample, const real *__restrict__ v, Index v_model,        \
        Index v_sample, Index models, Index samples, Index size, real *__restrict__ out                              \
    ) {                                                                                                              \
        slopes<F>(y, Step{y_model, y_sample}, v, Step{v_model, v_sample}, models, samples, size, out);               \
    }                                                                                                                \
    KERNEL f##_curve(                                                                                                \
        const real *__restrict__ y, Index y_model, Index y_sample, const real *__restrict__ dy, Index dy_model,      \
        Index dy_sample, int moves, const real *__restrict__ gy, Index gy_model, Index gy_sample,                    \
        const real *__restrict__ dgy, Index dgy_model, Index dgy_sample, int turns, Index models, Index samples,     \
        Index size, real *__restrict__ out                                                                           \
    ) {                                                                                                              \
        curves<F>(                                                                                                   \
            y, Step{y_model, y_sample}, dy, Step{dy_model, dy_sample}, moves, gy, Step{gy_model, gy_sample}, dgy,    \
            Step{dgy_model, dgy_sample}, turns, models, samples, size, out                                           \
        );                                                                                                           \
    }

ACTIVATIONS(ACTIVATION)
