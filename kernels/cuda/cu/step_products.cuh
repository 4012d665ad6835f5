// The three matrix products of a perceptron on a tile of rows in shared memory, blocked in registers.
//
//     forward    y[o] = f(b[o] + sum over i of w[o, i] x[i])      a thread: 4 outputs of 4 rows; b not for tangents
//     backward   gx[i] = f'(x[i]) sum over o of gy[o] w[o, i]     a thread: 4 inputs of 4 rows
//     gather     gw[o, i] += sum over rows of gy[o] x[i]          a thread: 4 outputs by 4 inputs, some of the rows
//
// Shapes are template arguments, so that every trip count is a constant. G groups of 4 rows are processed; their
// padding rows hold finite numbers, and zeros in cotangents. Shared memory is accessed in fours of numbers, by a
// mapping of lanes for which the banks do not conflict; it is modelled by `vsmnp/bench/predict`. Where a layer has few
// outputs, neighbouring threads share the sum over its inputs. The order of sums depends on the shapes and on THREADS
// alone.
#include "step_plan.cuh"

struct alignas(16) Four {
    real at[4];
};

__device__ inline Four four(const real *p) { return *reinterpret_cast<const Four *>(p); }
__device__ inline void put(real *p, const Four &v) { *reinterpret_cast<Four *>(p) = v; }

// Whether an activation is short enough for its code to be repeated for every number of a thread; otherwise the sums are
// stored first, and a loop over features applies it.
template <int F>
constexpr bool IS_SHORT = F == RELU || F == NO_ACTIVATION;

// Return the largest power of two up to `most` that is not more than n.
__device__ constexpr int power_up_to(int n, int most) { return most > 1 && most > n ? power_up_to(n, most / 2) : most; }

// The group of rows and the tile of features of an item. The lanes of a warp take 8 groups of 4 tiles; those that differ
// in the lowest bit have the same rows, and those that differ in the second bit the same features.
template <int G>
struct Place {
    static constexpr int LOW = G < 8 ? G : 8, HIGH = (G + LOW - 1) / LOW;
    int group, tile;

    __device__ explicit Place(int item) {
        const int rest = item / (2 * LOW);
        group = item / 2 % LOW + rest / 2 % HIGH * LOW;
        tile = rest / 2 / HIGH * 4 + item % 2 + rest % 2 * 2;
    }
    __device__ static constexpr int items(int tiles) { return (tiles + 3) / 4 * 4 * LOW * HIGH; }
};

// Sum N values over WAYS lanes whose numbers differ in the bits from STEP on. Lane `part` of the WAYS receives the sums
// of values part N / WAYS and following in the first places.
template <int N, int WAYS, int STEP>
__device__ inline void scatter_sums(real *v, int part) {
    if constexpr (WAYS > 1) {
        static_assert(N % WAYS == 0, "every lane receives the same number of sums");
        const bool upper = part & WAYS / 2;
#pragma unroll
        for (int n = 0; n < N / 2; ++n) {
            const real given = upper ? v[n] : v[n + N / 2], kept = upper ? v[n + N / 2] : v[n];
            v[n] = kept + __shfl_xor_sync(ALL_LANES, given, STEP * (WAYS / 2));
        }
        scatter_sums<N / 2, WAYS / 2, STEP>(v, part);
    }
}

// The forward product of a layer with few outputs: WAYS threads share the sum over inputs of O outputs of 4 rows.
template <class L, int G, int F, bool BIASED, int WAYS>
__device__ inline void forward_narrow(const real *p, const real *x, real *y) {
    constexpr int O = L::OUT < 3 ? 2 : 4;
    for (int base = 0; base < G * WAYS; base += THREADS) {
        const int item = base + threadIdx.x, part = item % WAYS;
        const bool inside = item < G * WAYS;
        const int row = inside ? item / WAYS * 4 : 0;
        real sum[O * 4] = {};
#pragma unroll
        for (int first = 0; first < L::IN; first += WAYS) {
            const int i = first + part;
            if (L::IN % WAYS && i >= L::IN) continue;
            const Four x4 = four(x + i * STRIDE + row);
#pragma unroll
            for (int j = 0; j < L::OUT; ++j) {
                const real w = p[L::W + j * L::IN_PADDED + i];
#pragma unroll
                for (int k = 0; k < 4; ++k) sum[4 * j + k] += w * x4.at[k];
            }
        }
        scatter_sums<O * 4, WAYS, 1>(sum, part);
#pragma unroll
        for (int n = 0; n < O * 4 / WAYS; ++n) {
            const int place = part * (O * 4 / WAYS) + n, o = place / 4;
            if (inside && o < L::OUT)
                y[o * STRIDE + row + place % 4] = value_of<F>(BIASED ? sum[n] + p[L::B + o] : sum[n]);
        }
    }
    __syncthreads();
}

template <class L, int G, int F, bool BIASED>
__device__ inline void forward_wide(const real *p, const real *x, real *y) {
    constexpr int TILES = (L::OUT + 3) / 4, ITEMS = Place<G>::items(TILES);
    EACH(item, ITEMS) {
        const Place<G> place(item);
        if (place.group >= G || place.tile >= TILES) continue;
        const int row = place.group * 4, o = place.tile * 4;
        int w[4];
        real sum[4][4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            // Outputs past the last are computed as copies of it and not stored.
            const int out = L::OUT % 4 == 0 || o + j < L::OUT ? o + j : L::OUT - 1;
            w[j] = L::W + out * L::IN_PADDED;
#pragma unroll
            for (int k = 0; k < 4; ++k) sum[j][k] = BIASED ? p[L::B + out] : (real)0;
        }
#pragma unroll 2
        for (int i = 0; i < L::IN / 4 * 4; i += 4) {
            Four w4[4];
#pragma unroll
            for (int j = 0; j < 4; ++j) w4[j] = four(p + w[j] + i);
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                const Four x4 = four(x + (i + c) * STRIDE + row);
#pragma unroll
                for (int j = 0; j < 4; ++j)
#pragma unroll
                    for (int k = 0; k < 4; ++k) sum[j][k] += w4[j].at[c] * x4.at[k];
            }
        }
        if constexpr (L::IN % 4 != 0) {
            constexpr int i = L::IN / 4 * 4;
            Four w4[4];
#pragma unroll
            for (int j = 0; j < 4; ++j) w4[j] = four(p + w[j] + i);
#pragma unroll
            for (int c = 0; c < L::IN % 4; ++c) {
                const Four x4 = four(x + (i + c) * STRIDE + row);
#pragma unroll
                for (int j = 0; j < 4; ++j)
#pragma unroll
                    for (int k = 0; k < 4; ++k) sum[j][k] += w4[j].at[c] * x4.at[k];
            }
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            Four y4;
#pragma unroll
            for (int k = 0; k < 4; ++k) y4.at[k] = IS_SHORT<F> ? value_of<F>(sum[j][k]) : sum[j][k];
            if (L::OUT % 4 == 0 || o + j < L::OUT) put(y + (o + j) * STRIDE + row, y4);
        }
        if constexpr (!IS_SHORT<F>) {
#pragma unroll 1
            for (int j = 0; j < 4 && o + j < L::OUT; ++j) {
                Four y4 = four(y + (o + j) * STRIDE + row);
#pragma unroll
                for (int k = 0; k < 4; ++k) y4.at[k] = value_of<F>(y4.at[k]);
                put(y + (o + j) * STRIDE + row, y4);
            }
        }
    }
    __syncthreads();
}

template <class L, int G, int F, bool BIASED>
__device__ inline void forward_layer(const real *p, const real *x, real *y) {
    constexpr int WAYS = L::OUT <= 4 && L::IN >= 8 ? power_up_to(THREADS / G, 8) : 1;
    if constexpr (WAYS > 1)
        forward_narrow<L, G, F, BIASED, WAYS>(p, x, y);
    else
        forward_wide<L, G, F, BIASED>(p, x, y);
}

// The backward product of a layer with few inputs: WAYS threads share the sum over outputs for I inputs of 4 rows.
template <class L, int G, int F, int WAYS>
__device__ inline void backward_narrow(const real *p, const real *x, const real *gy, real *gx) {
    constexpr int I = L::IN < 3 ? 2 : 4;
    for (int base = 0; base < G * WAYS; base += THREADS) {
        const int item = base + threadIdx.x, part = item % WAYS;
        const bool inside = item < G * WAYS;
        const int row = inside ? item / WAYS * 4 : 0;
        real sum[I * 4] = {};
#pragma unroll
        for (int first = 0; first < L::OUT; first += WAYS) {
            const int o = first + part;
            if (L::OUT % WAYS && o >= L::OUT) continue;
            const Four w4 = four(p + L::W + o * L::IN_PADDED), gy4 = four(gy + o * STRIDE + row);
#pragma unroll
            for (int j = 0; j < L::IN; ++j)
#pragma unroll
                for (int k = 0; k < 4; ++k) sum[4 * j + k] += w4.at[j] * gy4.at[k];
        }
        scatter_sums<I * 4, WAYS, 1>(sum, part);
#pragma unroll
        for (int n = 0; n < I * 4 / WAYS; ++n) {
            const int place = part * (I * 4 / WAYS) + n, i = place / 4, to = i * STRIDE + row + place % 4;
            if (inside && i < L::IN) gx[to] = F == NO_ACTIVATION ? sum[n] : sum[n] * slope_of<F>(x[to]);
        }
    }
    __syncthreads();
}

template <class L, int G, int F>
__device__ inline void backward_wide(const real *p, const real *x, const real *gy, real *gx) {
    constexpr int TILES = (L::IN + 3) / 4, ITEMS = Place<G>::items(TILES);
    EACH(item, ITEMS) {
        const Place<G> place(item);
        if (place.group >= G || place.tile >= TILES) continue;
        const int row = place.group * 4, i = place.tile * 4;
        const real *const w = p + L::W + i;
        real sum[4][4] = {};
#pragma unroll(L::OUT > 8 ? 6 : L::OUT)
        for (int o = 0; o < L::OUT; ++o) {
            const Four w4 = four(w + o * L::IN_PADDED), gy4 = four(gy + o * STRIDE + row);
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int k = 0; k < 4; ++k) sum[j][k] += w4.at[j] * gy4.at[k];
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (L::IN % 4 && i + j >= L::IN) continue;
            const int to = (i + j) * STRIDE + row;
            Four gx4, x4 = {};
            if constexpr (F != NO_ACTIVATION && IS_SHORT<F>) x4 = four(x + to);
#pragma unroll
            for (int k = 0; k < 4; ++k) gx4.at[k] = IS_SHORT<F> ? sum[j][k] * slope_of<F>(x4.at[k]) : sum[j][k];
            put(gx + to, gx4);
        }
        if constexpr (!IS_SHORT<F>) {
#pragma unroll 1
            for (int j = 0; j < 4 && i + j < L::IN; ++j) {
                const int to = (i + j) * STRIDE + row;
                const Four x4 = four(x + to);
                Four gx4 = four(gx + to);
#pragma unroll
                for (int k = 0; k < 4; ++k) gx4.at[k] *= slope_of<F>(x4.at[k]);
                put(gx + to, gx4);
            }
        }
    }
    __syncthreads();
}

template <class L, int G, int F>
__device__ inline void backward_layer(const real *p, const real *x, const real *gy, real *gx) {
    constexpr int WAYS = L::IN <= 4 && L::OUT >= 8 ? power_up_to(THREADS / G, 8) : 1;
    if constexpr (WAYS > 1)
        backward_narrow<L, G, F, WAYS>(p, x, gy, gx);
    else
        backward_wide<L, G, F>(p, x, gy, gx);
}
