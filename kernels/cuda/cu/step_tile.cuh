// Evaluate the encoder, posterior samples and scores on a tile of data in shared memory.
//
// A tile has `count` data n of a minibatch from `low` on, of at most MOST<S> = ROWS / S; row s MOST<S> + n of the decoder
// is sample s of datum n. Products process GROUPS<MOST<S>> groups of 4 rows in the encoder, GROUPS<S * MOST<S>> in the
// decoder, whatever `count` is: rows without a datum hold finite numbers, and their cotangents are zero.
#include "philox.cuh"
#include "step_gather.cuh"

template <int S>
constexpr int MOST = ROWS / S;
template <int rows>
constexpr int GROUPS = (rows + 3) / 4;
// Rows of a tile in the encoder and in the decoder, with those that fill the last group.
template <int S>
constexpr int DATUM_ROWS = 4 * GROUPS<MOST<S>>;
template <int S>
constexpr int SAMPLE_ROWS = 4 * GROUPS<S * MOST<S>>;

// Return whether a row of the decoder belongs to a datum of the tile.
template <int S>
__device__ inline bool is_filled(int row, int count) {
    return row < S * MOST<S> && row % MOST<S> < count;
}

// Evaluate both networks, and propagate cotangents back; see step_products.cuh.
template <int S>
__device__ inline void forward_encoder(const Workspace &w) {
    forward<Encoder, GROUPS<MOST<S>>>(w.encoder);
}
template <int S>
__device__ inline void forward_decoder(const Workspace &w) {
    forward<Decoder, GROUPS<S * MOST<S>>>(w.decoder);
}
template <int S, bool WITH_G, bool WANT_X>
__device__ inline real *backward_encoder(const Workspace &w, real *cotangent, real *spare) {
    return backward<Encoder, GROUPS<MOST<S>>, WITH_G, WANT_X>(w.encoder, cotangent, spare, w.g);
}
template <int S, bool WITH_G, bool WANT_X>
__device__ inline real *backward_decoder(const Workspace &w, real *cotangent, real *spare) {
    return backward<Decoder, GROUPS<S * MOST<S>>, WITH_G, WANT_X>(w.decoder, cotangent, spare, w.g);
}

// Load rows of x (N, D) and evaluate the encoder: mu is its output, and sd = S(rho) is stored separately.
template <int S>
__device__ inline void encode(const Workspace &w, const real *x, int low, int count) {
    constexpr int rows = DATUM_ROWS<S>;
    real *const to = w.encoder.input<0>();
    EACH(item, rows * DATA) {
        const int n = item / DATA, d = item % DATA;
        to[d * STRIDE + n] = n < count ? x[(Index)(low + n) * DATA + d] : (real)0;
    }
    __syncthreads();
    forward_encoder<S>(w);
    const real *const rho = w.encoder.result() + LATENT * STRIDE;
    EACH(item, rows * LATENT) {
        const int place = item / rows * STRIDE + item % rows;
        w.sd[place] = value_of<SCALE>(rho[place]);
    }
    __syncthreads();
}

// Write z = mu + sd eps to the decoder's input. eps is the normal at the flat index of (s, n, k) in (S, N, Z): a thread
// computes the four of one Philox block and stores those of this tile. Rows without a datum become zero.
template <int S>
__device__ inline void sample(
    const Workspace &w, wide seed, word stream, word step, int low, int count, int batch
) {
    real *const z = w.decoder.input<0>();
    const real *const mu = w.encoder.result();
    const int numbers = count * LATENT;
    constexpr int blocks = MOST<S> * LATENT / 4 + 2;
    EACH(item, S * blocks) {
        const int s = item / blocks;
        const Index first = ((Index)s * batch + low) * LATENT, block = first / 4 + item % blocks;
        if (4 * block >= first + numbers) continue;
        real normals[4];
        AsNormals::of(philox(seed, stream, step, block), normals);
        const int before = (int)(4 * block - first);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int at = before + i;
            if (at < 0 || at >= numbers) continue;
            const int n = at / LATENT, k = at % LATENT, row = s * MOST<S> + n;
            w.eps[k * STRIDE + row] = normals[i];
            z[k * STRIDE + row] = mu[k * STRIDE + n] + w.sd[k * STRIDE + n] * normals[i];
        }
    }
    constexpr int rows = SAMPLE_ROWS<S>;
    if (rows > S * MOST<S> || count < MOST<S>)
        EACH(item, rows * LATENT) {
            const int place = item / rows * STRIDE + item % rows;
            if (!is_filled<S>(item % rows, count)) w.eps[place] = z[place] = 0;
        }
    __syncthreads();
}

// Compute s^q of every sample, (D, S MOST): a backward sweep of the encoder from the score
// (eps / sd, (eps^2 - 1) S' / sd).
template <int S>
__device__ inline void scores(const Workspace &w, int count) {
    constexpr int rows = DATUM_ROWS<S>;
#pragma unroll 1
    for (int s = 0; s < S; ++s) {
        EACH(item, rows * LATENT) {
            const int k = item / rows, n = item % rows, place = k * STRIDE + n;
            const real e = n < count ? w.eps[k * STRIDE + s * MOST<S> + n] : (real)0, sd = w.sd[place];
            w.cotangent[place] = e / sd;
            w.cotangent[LATENT * STRIDE + place] = n < count ? (e * e - 1) / sd * slope_of<SCALE>(sd) : (real)0;
        }
        __syncthreads();
        const real *const score = backward_encoder<S, false, true>(w, w.cotangent, w.spare);
        EACH(item, MOST<S> * DATA) {
            const int d = item / MOST<S>, n = item % MOST<S>;
            w.s_q[d * STRIDE + s * MOST<S> + n] = score[d * STRIDE + n];
        }
        __syncthreads();
    }
}

// Compute a thread's share of the sum over data of KL[q || N(0, I)].
template <int S>
__device__ inline real kl_divergence(const Workspace &w, int count) {
    constexpr int rows = DATUM_ROWS<S>;
    const real *const mu = w.encoder.result();
    real sum = 0;
    EACH(item, rows * LATENT) {
        const int place = item / rows * STRIDE + item % rows;
        const real m = mu[place], sd = w.sd[place];
        if (item % rows < count) sum += (real)0.5 * (m * m + sd * sd - 1) - log(sd);
    }
    return sum;
}

// Multiply the cotangent of g by the slope of the output's activation, and set it to zero in rows without a datum.
template <int S>
__device__ inline void output_vjp(const Workspace &w, int count) {
    constexpr int rows = SAMPLE_ROWS<S>;
    const real *const g = w.decoder.result();
    EACH(item, rows * DATA) {
        const int row = item % rows, place = item / rows * STRIDE + row;
        if (!is_filled<S>(row, count))
            w.cotangent[place] = 0;
        else if (Decoder::OUTPUT != NO_ACTIVATION)
            w.cotangent[place] *= slope_of<Decoder::OUTPUT>(g[place]);
    }
    __syncthreads();
}
