// Batch-norm kernels: combinations of images with coefficients per channel, and channel sums fused with the slope of an
// activation.
//
// Inputs are operands (R, S, M, C) and (R, S, C).
#include "activations.cuh"
#include "operand.cuh"

//     out[r, s, m, c] (+)= a[r, s, c] u[r, s, m, c] + b[r, s, c] v[r, s, m, c] + shift[r, s, c]
//
// out (R, S, M, C) contiguous, which may be u. Without `second`, b and v are not read; without `shifted`, shift is not.
// Grid: x over the M C elements of a row, y over the R S rows, with strided loops in both.
KERNEL combine(
    const real *u, Index u_model, Index u_sample, INPUT(a), INPUT(v), INPUT(b), INPUT(shift), int second, int shifted,
    int accumulate, Index models, Index samples, Index size, Index channels, real *out
) {
    const Index step = (Index)gridDim.x * blockDim.x;
    for (Index row = blockIdx.y; row < models * samples; row += gridDim.y) {
        const real *u_row = OPERAND(u).row(row, samples), *a_row = OPERAND(a).row(row, samples);
        const real *v_row = OPERAND(v).row(row, samples), *b_row = OPERAND(b).row(row, samples);
        const real *shift_row = OPERAND(shift).row(row, samples);
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < size; i += step) {
            const Index c = i % channels;
            real total = a_row[c] * u_row[i];
            if (second) total += b_row[c] * v_row[i];
            if (shifted) total += shift_row[c];
            out[row * size + i] = accumulate ? out[row * size + i] + total : total;
        }
    }
}

//     u = f'(a) gy from y = f(a);     sums[0] = sum u,     sums[1] = sum u (x - centre)     over the rows m of a chunk
//
// The sums of a chunk are computed as by sum_rows (linear.cu): a block takes `chunk` rows in a tile of `columns`
// channels (a power of two, at most 32); thread t sums every (threads / columns)-th row of its channel t mod columns,
// and the first threads add those sums in order. u (R, S, M, C) is not written if `kept` is 0. In sums
// (2, R S, chunks, C), the second part is not written without `crossed`, and then x and centre are not read. Grid: x
// over chunks, y over tiles of channels, z over the R S rows with a strided loop.
template <class F>
__device__ inline void sums_of(
    Operand y, Operand gy, Operand x, Operand centre, int crossed, Index models, Index samples, Index rows,
    Index channels, Index chunk, int columns, real *u, int kept, real *sums, real *totals, real *crosses
) {
    const int column = threadIdx.x % columns, lane = threadIdx.x / columns, lanes = blockDim.x / columns;
    const Index c = (Index)blockIdx.y * columns + column, chunks = gridDim.x;
    const Index first = blockIdx.x * chunk, last = first + chunk < rows ? first + chunk : rows;
    for (Index row = blockIdx.z; row < models * samples; row += gridDim.z) {
        const real *y_row = y.row(row, samples), *gy_row = gy.row(row, samples);
        const real *x_row = x.row(row, samples), *centre_row = centre.row(row, samples);
        real total = 0, cross = 0;
        if (c < channels) {
            const real middle = crossed ? centre_row[c] : 0;
#pragma unroll 1
            for (Index m = first + lane; m < last; m += lanes) {
                const Index i = m * channels + c;
                const real value = F::slope(y_row[i]) * gy_row[i];
                if (kept) u[row * rows * channels + i] = value;
                total += value;
                if (crossed) cross += value * (x_row[i] - middle);
            }
        }
        totals[threadIdx.x] = total;
        crosses[threadIdx.x] = cross;
        __syncthreads();
        if (lane == 0 && c < channels) {
            total = cross = 0;
            for (int i = 0; i < lanes; ++i) {
                total += totals[i * columns + column];
                cross += crosses[i * columns + column];
            }
            const Index place = (row * chunks + blockIdx.x) * channels + c;
            sums[place] = total;
            if (crossed) sums[models * samples * chunks * channels + place] = cross;
        }
        __syncthreads();
    }
}

// The identity in place of an activation.
struct None {
    __device__ static real slope(real) { return 1; }
};

#define SUMS(f, F, CODE)                                                                                             \
    KERNEL f##_sums(                                                                                                 \
        INPUT(y), INPUT(gy), INPUT(x), INPUT(centre), int crossed, Index models, Index samples, Index rows,          \
        Index channels, Index chunk, int columns, real *__restrict__ u, int kept, real *__restrict__ sums            \
    ) {                                                                                                              \
        SHARED(real, totals, MAX_THREADS);                                                                           \
        SHARED(real, crosses, MAX_THREADS);                                                                          \
        sums_of<F>(                                                                                                  \
            OPERAND(y), OPERAND(gy), OPERAND(x), OPERAND(centre), crossed, models, samples, rows, channels, chunk,   \
            columns, u, kept, sums, totals, crosses                                                                  \
        );                                                                                                           \
    }

SUMS(no, None, NO_ACTIVATION)
ACTIVATIONS(SUMS)
