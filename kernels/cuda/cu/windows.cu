// Gather the windows of images as the rows of a matrix, and the adjoint: a convolution is this and a matrix product.
//
// Images are x (R, N, H, W, C), rows are (R, N, H', W', size, size, C), both contiguous within a model; x_model is the
// stride of x between models, 0 if shared. The window of output (h, w) has the pixels (h stride - pad + u,
// w stride - pad + v), which are zero outside the image. Grid: x over the elements written, y over models, with strided
// loops in both.
#include "real.cuh"


//     rows[n, h, w, u, v, c] = x[n, h stride - pad + u, w stride - pad + v, c]
KERNEL gather_windows(
    const real *__restrict__ x, Index x_model, Index models, Index images, int size, int stride, int pad, int height,
    int width, int channels, int down, int right, real *__restrict__ rows
) {
    const Index step = (Index)gridDim.x * blockDim.x, run = (Index)size * channels;
    const Index count = images * down * right * size * run;
    for (Index r = blockIdx.y; r < models; r += gridDim.y)
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < count; i += step) {
            Index rest = i / run;
            const int along = (int)(i - rest * run), v = along / channels, c = along - v * channels;
            const int u = (int)(rest % size);
            rest /= size;
            const int w = (int)(rest % right);
            rest /= right;
            const int h = (int)(rest % down);
            const Index n = rest / down;
            const int row = h * stride - pad + u, column = w * stride - pad + v;
            const bool inside = row >= 0 && row < height && column >= 0 && column < width;
            rows[r * count + i] =
                inside ? x[r * x_model + ((n * height + row) * width + column) * channels + c] : real(0);
        }
}

//     x[n, row, column, c] = sum of rows over all windows that contain the pixel, in the order of (u, v)
KERNEL scatter_windows(
    const real *__restrict__ rows, Index models, Index images, int size, int stride, int pad, int height, int width,
    int channels, int down, int right, real *__restrict__ x, Index x_model
) {
    const Index step = (Index)gridDim.x * blockDim.x;
    const Index count = images * height * width * channels, windows = images * down * right;
    for (Index r = blockIdx.y; r < models; r += gridDim.y)
#pragma unroll 1
        for (Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < count; i += step) {
            Index rest = i / channels;
            const int c = (int)(i - rest * channels), column = (int)(rest % width);
            rest /= width;
            const int row = (int)(rest % height);
            const Index n = rest / height;
            real sum = 0;
            for (int u = 0; u < size; ++u) {
                const int below = row + pad - u, h = below / stride;
                if (below < 0 || below - h * stride || h >= down) continue;
                for (int v = 0; v < size; ++v) {
                    const int after = column + pad - v, w = after / stride;
                    if (after < 0 || after - w * stride || w >= right) continue;
                    const Index window = r * windows + (n * down + h) * right + w;
                    sum += rows[((window * size + u) * size + v) * channels + c];
                }
            }
            x[r * x_model + i] = sum;
        }
}
