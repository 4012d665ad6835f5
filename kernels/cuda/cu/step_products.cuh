// The three matrix products of a perceptron on a tile of rows in shared memory, blocked in registers.
//
//     forward    y[o] = f(b[o] + sum over i of w[o, i] x[i])      a thread: 4 outputs of 4 rows; b not for tangents
//     backward   gx[i] = f'(x[i]) sum over o of gy[o] w[o, i]     a thread: 4 inputs of 4 rows
//     gather     gw[o, i] += sum over rows of gy[o] x[i]          a thread: 4 outputs by 4 inputs, some of the rows
//
// A warp's threads process neighbouring rows of the same outputs: rows are loaded in fours without a bank conflict,
// weights in fours that all threads share. The order of sums depends on the shapes and the block's size alone. Rows are
// padded to groups of 4; padding rows hold finite numbers, and zeros in cotangents.
#include "step_plan.cuh"

struct alignas(16) Four {
    real at[4];
};

__device__ inline Four four(const real *p) { return *reinterpret_cast<const Four *>(p); }

__device__ inline void forward_layer(
    const Layer &l, const real *p, const real *x, real *y, int groups, int stride, int f, bool biased
) {
    const int tiles = (l.out + 3) / 4;
    for (int item = threadIdx.x; item < groups * tiles; item += blockDim.x) {
        const int row = item % groups * 4, o = item / groups * 4;
        int w[4];
        real sum[4][4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            // Outputs past the last are computed as copies of it and not stored.
            const int out = o + j < l.out ? o + j : l.out - 1;
            w[j] = l.w + out * l.in_padded;
#pragma unroll
            for (int k = 0; k < 4; ++k) sum[j][k] = biased ? p[l.b + out] : (real)0;
        }
        int i = 0;
#pragma unroll 1
        for (; i + 4 <= l.in; i += 4) {
            Four w4[4];
#pragma unroll
            for (int j = 0; j < 4; ++j) w4[j] = four(p + w[j] + i);
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                const Four x4 = four(x + (i + c) * stride + row);
#pragma unroll
                for (int j = 0; j < 4; ++j)
#pragma unroll
                    for (int k = 0; k < 4; ++k) sum[j][k] += w4[j].at[c] * x4.at[k];
            }
        }
#pragma unroll 1
        for (; i < l.in; ++i) {
            const Four x4 = four(x + i * stride + row);
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int k = 0; k < 4; ++k) sum[j][k] += p[w[j] + i] * x4.at[k];
        }
#pragma unroll
        for (int j = 0; j < 4; ++j)
            if (o + j < l.out) {
                real *to = y + (o + j) * stride + row;
#pragma unroll
                for (int k = 0; k < 4; ++k) to[k] = f == RELU ? Relu::value(sum[j][k]) : sum[j][k];
            }
        if (f == RELU || f == NO_ACTIVATION) continue;
#pragma unroll 1  // not unrolled: less code, and no registers besides those of the sums
        for (int e = 0; e < 16; ++e)
            if (o + e / 4 < l.out) {
                real *to = y + (o + e / 4) * stride + row + e % 4;
                *to = value_of(f, *to);
            }
    }
    __syncthreads();
}

__device__ inline void backward_layer(
    const Layer &l, const real *p, const real *x, const real *gy, real *gx, int groups, int stride, int f
) {
    const int tiles = l.in_padded / 4;
    for (int item = threadIdx.x; item < groups * tiles; item += blockDim.x) {
        const int row = item % groups * 4, i = item / groups * 4;
        const real *w = p + l.w + i;
        real sum[4][4] = {};
#pragma unroll 2
        for (int o = 0; o < l.out; ++o) {
            const Four w4 = four(w + o * l.in_padded), gy4 = four(gy + o * stride + row);
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int k = 0; k < 4; ++k) sum[j][k] += w4.at[j] * gy4.at[k];
        }
#pragma unroll
        for (int j = 0; j < 4; ++j)
            if (i + j < l.in) {
                const int to = (i + j) * stride + row;
#pragma unroll
                for (int k = 0; k < 4; ++k) gx[to + k] = f == RELU ? sum[j][k] * Relu::slope(x[to + k]) : sum[j][k];
            }
        if (f == RELU || f == NO_ACTIVATION) continue;
#pragma unroll 1
        for (int e = 0; e < 16; ++e)
            if (i + e / 4 < l.in) {
                const int to = (i + e / 4) * stride + row + e % 4;
                gx[to] *= slope_of(f, x[to]);
            }
    }
    __syncthreads();
}

__device__ inline void gather_layer(
    const Layer &l, const real *x, const real *gy, real *g, int groups, int stride, bool biased
) {
    const int outs = (l.out + 3) / 4, tiles = outs * (l.in_padded / 4);
    int share = 1;  // neighbouring threads that share a tile, each with some of the rows
    while (share < 8 && 2 * share * tiles <= blockDim.x) share *= 2;
    const int part = threadIdx.x % share;
    for (int base = 0; base < tiles; base += blockDim.x / share) {
        const int tile = base + threadIdx.x / share;
        const int o = tile % outs * 4, i = tile / outs * 4;
        real sum[4][4] = {}, bias[4] = {};
        int x_row[4], gy_row[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            x_row[j] = (i + j < l.in ? i + j : 0) * stride;
            gy_row[j] = (o + j < l.out ? o + j : 0) * stride;
        }
#pragma unroll 1
        for (int group = part; group < groups && tile < tiles; group += share) {
            Four gy4[4];
#pragma unroll
            for (int j = 0; j < 4; ++j) gy4[j] = four(gy + gy_row[j] + 4 * group);
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                const Four x4 = four(x + x_row[c] + 4 * group);
#pragma unroll
                for (int j = 0; j < 4; ++j)
#pragma unroll
                    for (int k = 0; k < 4; ++k) sum[j][c] += gy4[j].at[k] * x4.at[k];
            }
            if (biased && i == 0)
#pragma unroll
                for (int j = 0; j < 4; ++j) bias[j] += (gy4[j].at[0] + gy4[j].at[1]) + (gy4[j].at[2] + gy4[j].at[3]);
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
#pragma unroll
            for (int c = 0; c < 4; ++c) sum[j][c] = sum_of_lanes(sum[j][c], share);
            bias[j] = sum_of_lanes(bias[j], share);
        }
        if (part == 0 && tile < tiles)
#pragma unroll
            for (int j = 0; j < 4; ++j)
                if (o + j < l.out) {
#pragma unroll
                    for (int c = 0; c < 4; ++c)
                        if (i + c < l.in) g[l.w + (o + j) * l.in_padded + i + c] += sum[j][c];
                    if (biased && i == 0) g[l.b + o + j] += bias[j];
                }
    }
    __syncthreads();
}

__device__ inline void forward(const Net &net, int rows, int stride) {
    for (int l = 0; l < net.layers; ++l) {
        const int f = l + 1 < net.layers ? net.activation : net.output;
        forward_layer(
            net.layer(l), net.p, net.input(l, stride), net.input(l + 1, stride), (rows + 3) / 4, stride, f, true
        );
    }
}

// Propagate the cotangent, taken before the output's activation, back through the network; return the buffer
// of the input's cotangent, if that is wanted. If g is given, add the gradients of the parameters to it.
__device__ inline real *backward(
    const Net &net, real *cotangent, real *spare, real *g, bool want_x, int rows, int stride
) {
    for (int l = net.layers - 1; l >= 0; --l) {
        const Layer layer = net.layer(l);
        const real *x = net.input(l, stride);
        if (g) gather_layer(layer, x, cotangent, g, (rows + 3) / 4, stride, true);
        if (l > 0 || want_x) {
            backward_layer(
                layer, net.p, x, cotangent, spare, (rows + 3) / 4, stride, l > 0 ? net.activation : NO_ACTIVATION
            );
            real *const swapped = cotangent;
            cotangent = spare;
            spare = swapped;
        }
    }
    return cotangent;
}
