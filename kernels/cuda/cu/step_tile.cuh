// Evaluate the encoder, posterior samples and scores on a tile of data in shared memory.
//
// A tile has `here` data n of a minibatch from `low` on; row s `here` + n of the decoder is sample s of datum n. Rows
// that pad the last group of 4 hold zeros, and their cotangents are zero.
#include "philox.cuh"
#include "step_products.cuh"

// Loop over items 0 .. count, divided among the threads of a block.
#define EACH(item, count) for (int item = threadIdx.x; item < (count); item += blockDim.x)

__device__ inline int filled(int rows) { return (rows + 3) / 4 * 4; }

// Load rows of x (N, D) and evaluate the encoder: mu is its output, and sd = S(rho) is stored separately.
__device__ inline void encode(const Work &w, const real *x, int low, int here) {
    const int rows = filled(here);
    real *const to = w.encoder.input(0, w.stride);
    EACH(item, rows * w.d_x) {
        const int n = item / w.d_x, d = item % w.d_x;
        to[d * w.stride + n] = n < here ? x[(Index)(low + n) * w.d_x + d] : (real)0;
    }
    __syncthreads();
    forward(w.encoder, here, w.stride);
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
    const Work &w, wide seed, word stream, word step, int samples, int low, int here, int batch
) {
    real *const z = w.decoder.input(0, w.stride);
    const real *const mu = w.encoder.result(w.stride);
    const int count = here * w.d_z, blocks = count / 4 + 2;
    EACH(item, samples * blocks) {
        const int s = item / blocks;
        const Index first = ((Index)s * batch + low) * w.d_z, block = first / 4 + item % blocks;
        if (4 * block >= first + count) continue;
        real normals[4];
        AsNormals::of(philox(seed, stream, step, block), normals);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const Index at = 4 * block + i - first;
            if (at < 0 || at >= count) continue;
            const int n = (int)at / w.d_z, k = (int)at % w.d_z, row = s * here + n;
            w.eps[k * w.stride + row] = normals[i];
            z[k * w.stride + row] = mu[k * w.stride + n] + w.sd[k * w.stride + n] * normals[i];
        }
    }
    const int rows = samples * here, more = filled(rows) - rows;
    EACH(item, more * w.d_z) {
        const int place = item / more * w.stride + rows + item % more;
        w.eps[place] = z[place] = 0;
    }
    __syncthreads();
}

// Compute s^q of every sample, (D, S here): a backward sweep of the encoder from the score
// (eps / sd, (eps^2 - 1) S' / sd).
__device__ inline void scores(const Work &w, int samples, int here) {
    const int rows = filled(here);
    for (int s = 0; s < samples; ++s) {
        EACH(item, rows * w.d_z) {
            const int k = item / rows, n = item % rows, place = k * w.stride + n;
            const real e = n < here ? w.eps[k * w.stride + s * here + n] : (real)0, sd = w.sd[place];
            w.here[place] = e / sd;
            w.here[w.d_z * w.stride + place] = n < here ? (e * e - 1) / sd * slope_of(w.plan[SCALE], sd) : (real)0;
        }
        __syncthreads();
        const real *const score = backward(w.encoder, w.here, w.there, nullptr, true, here, w.stride);
        EACH(item, here * w.d_x) {
            const int d = item / here, n = item % here;
            w.s_q[d * w.stride + s * here + n] = score[d * w.stride + n];
        }
        __syncthreads();
    }
}

// Compute a thread's share of the sum over data of KL[q || N(0, I)].
__device__ inline real divergence(const Work &w, int here) {
    const real *const mu = w.encoder.result(w.stride);
    real sum = 0;
    EACH(item, here * w.d_z) {
        const int place = item / here * w.stride + item % here;
        const real m = mu[place], sd = w.sd[place];
        sum += (real)0.5 * (m * m + sd * sd - 1) - log(sd);
    }
    return sum;
}

// Set the cotangents of the padding rows of g to zero, and multiply the others by the slope of the output's activation.
__device__ inline void close_output(const Work &w, int rows) {
    const int all = filled(rows);
    const real *const g = w.decoder.result(w.stride);
    EACH(item, all * w.d_x) {
        const int row = item % all, place = item / all * w.stride + row;
        if (row >= rows)
            w.here[place] = 0;
        else if (w.decoder.output != NO_ACTIVATION)
            w.here[place] *= slope_of(w.decoder.output, g[place]);
    }
    __syncthreads();
}
