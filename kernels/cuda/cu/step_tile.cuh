// Evaluate the encoder, posterior samples and scores on a tile of data in shared memory.
//
// A tile has `count` data n of a minibatch from `low` on; row s `count` + n of the decoder is sample s of datum n. Rows
// that pad the last group of 4 hold zeros, and their cotangents are zero.
#include "philox.cuh"
#include "step_products.cuh"

// Loop over items 0 .. count, divided among the threads of a block.
#define EACH(item, count) for (int item = threadIdx.x; item < (count); item += blockDim.x)

__device__ inline int padded(int rows) { return (rows + 3) / 4 * 4; }

// Load rows of x (N, D) and evaluate the encoder: mu is its output, and sd = S(rho) is stored separately.
__device__ inline void encode(const Workspace &w, const real *x, int low, int count) {
    const int rows = padded(count);
    real *const to = w.encoder.input(0, w.stride);
    EACH(item, rows * w.d_x) {
        const int n = item / w.d_x, d = item % w.d_x;
        to[d * w.stride + n] = n < count ? x[(Index)(low + n) * w.d_x + d] : (real)0;
    }
    __syncthreads();
    forward(w.encoder, count, w.stride);
    const real *const rho = w.encoder.result(w.stride) + w.d_z * w.stride;
    EACH(item, rows * w.d_z) {
        const int place = item / rows * w.stride + item % rows;
        w.sd[place] = value_of(w.plan[SCALE], rho[place]);
    }
    __syncthreads();
}

// Write z = mu + sd eps to the decoder's input. eps is the normal at the flat index of (s, n, k) in (S, N, Z): a thread
// computes the four of one Philox block and stores those of this tile.
__device__ inline void sample(
    const Workspace &w, wide seed, word stream, word step, int samples, int low, int count, int batch
) {
    real *const z = w.decoder.input(0, w.stride);
    const real *const mu = w.encoder.result(w.stride);
    const int numbers = count * w.d_z, blocks = numbers / 4 + 2;
    EACH(item, samples * blocks) {
        const int s = item / blocks;
        const Index first = ((Index)s * batch + low) * w.d_z, block = first / 4 + item % blocks;
        if (4 * block >= first + numbers) continue;
        real normals[4];
        AsNormals::of(philox(seed, stream, step, block), normals);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const Index at = 4 * block + i - first;
            if (at < 0 || at >= numbers) continue;
            const int n = (int)at / w.d_z, k = (int)at % w.d_z, row = s * count + n;
            w.eps[k * w.stride + row] = normals[i];
            z[k * w.stride + row] = mu[k * w.stride + n] + w.sd[k * w.stride + n] * normals[i];
        }
    }
    const int rows = samples * count, more = padded(rows) - rows;
    EACH(item, more * w.d_z) {
        const int place = item / more * w.stride + rows + item % more;
        w.eps[place] = z[place] = 0;
    }
    __syncthreads();
}

// Compute s^q of every sample, (D, S count): a backward sweep of the encoder from the score
// (eps / sd, (eps^2 - 1) S' / sd).
__device__ inline void scores(const Workspace &w, int samples, int count) {
    const int rows = padded(count);
    for (int s = 0; s < samples; ++s) {
        EACH(item, rows * w.d_z) {
            const int k = item / rows, n = item % rows, place = k * w.stride + n;
            const real e = n < count ? w.eps[k * w.stride + s * count + n] : (real)0, sd = w.sd[place];
            w.cotangent[place] = e / sd;
            w.cotangent[w.d_z * w.stride + place] =
                n < count ? (e * e - 1) / sd * slope_of(w.plan[SCALE], sd) : (real)0;
        }
        __syncthreads();
        const real *const score = backward(w.encoder, w.cotangent, w.spare, nullptr, true, count, w.stride);
        EACH(item, count * w.d_x) {
            const int d = item / count, n = item % count;
            w.s_q[d * w.stride + s * count + n] = score[d * w.stride + n];
        }
        __syncthreads();
    }
}

// Compute a thread's share of the sum over data of KL[q || N(0, I)].
__device__ inline real kl_divergence(const Workspace &w, int count) {
    const real *const mu = w.encoder.result(w.stride);
    real sum = 0;
    EACH(item, count * w.d_z) {
        const int place = item / count * w.stride + item % count;
        const real m = mu[place], sd = w.sd[place];
        sum += (real)0.5 * (m * m + sd * sd - 1) - log(sd);
    }
    return sum;
}

// Multiply the cotangent of g by the slope of the output's activation, and set it to zero in the padding rows.
__device__ inline void output_vjp(const Workspace &w, int rows) {
    const int all = padded(rows);
    const real *const g = w.decoder.result(w.stride);
    EACH(item, all * w.d_x) {
        const int row = item % all, place = item / all * w.stride + row;
        if (row >= rows)
            w.cotangent[place] = 0;
        else if (w.decoder.output != NO_ACTIVATION)
            w.cotangent[place] *= slope_of(w.decoder.output, g[place]);
    }
    __syncthreads();
}
