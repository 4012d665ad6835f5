// Biases of linear layers, and the sums over rows that are their gradients.
#include "real.cuh"

//     y[r, m, o] += b[r, o]        y (R, M, O) contiguous; b_model is the stride of b between models, 0 if shared
//
// Grid: x over the M O elements of a model, y over models, with strided loops in both. A thread computes its first
// column with a division and updates it by additions.
KERNEL add_bias(
    real *__restrict__ y, const real *__restrict__ b, Index b_model, Index models, Index size, Index width
) {
    const Index first = blockIdx.x * (Index)blockDim.x + threadIdx.x, stride = (Index)gridDim.x * blockDim.x;
    const Index first_column = first % width, column_step = stride % width;
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        Index o = first_column;
        for (Index i = first; i < size; i += stride) {
            y[r * size + i] += b[r * b_model + o];
            o += column_step;
            if (o >= width) o -= width;
        }
    }
}

//     out[r, c, o] (+)= sum of gy[r, m, o] over the rows m of chunk c        gy (R, M, O) contiguous
//
// A block sums one chunk of `chunk` rows in a tile of `columns` (a power of two, at most 32) columns: thread t sums
// every (threads / columns)-th row of its column t mod columns, and the first threads add those sums in order. Applied
// again to its own result until one chunk is left, it sums any number of rows in an order that depends on the shape
// alone, without atomics. Grid: x over chunks, y over tiles of columns, z over models with a strided loop. out_model is
// the stride of `out` between models.
KERNEL sum_rows(
    const real *__restrict__ gy, Index models, Index rows, Index width, Index chunk, int columns, int accumulate,
    real *__restrict__ out, Index out_model
) {
    SHARED(real, sums, MAX_THREADS);
    const int column = threadIdx.x % columns, lane = threadIdx.x / columns, lanes = blockDim.x / columns;
    const Index o = (Index)blockIdx.y * columns + column;
    const Index first = blockIdx.x * chunk, last = first + chunk < rows ? first + chunk : rows;
    for (Index r = blockIdx.z; r < models; r += gridDim.z) {
        real sum = 0;
        if (o < width)
            for (Index m = first + lane; m < last; m += lanes) sum += gy[(r * rows + m) * width + o];
        sums[threadIdx.x] = sum;
        __syncthreads();
        if (lane == 0 && o < width) {
            real total = 0;
            for (int i = 0; i < lanes; ++i) total += sums[i * columns + column];
            real *place = out + r * out_model + blockIdx.x * width + o;
            *place = accumulate ? *place + total : total;
        }
        __syncthreads();
    }
}
