// The product of the gradient of a layer's weights, and the passes of all products through a network.
#include "step_products.cuh"

// A thread's outputs are tile, tile + OUTS, ..., so that neighbouring threads read neighbouring features. The gradient of
// the biases is that of the weights of one more input, which is 1.
template <class L, int G, bool BIASED>
__device__ inline void gather_layer(const real *x, const real *gy, real *g) {
    constexpr int INPUTS = L::IN + BIASED;
    constexpr int OUTS = (L::OUT + 3) / 4, INS = (INPUTS + 3) / 4, LOW_O = OUTS > 1 ? 2 : 1, LOW_I = INS > 1 ? 2 : 1;
    constexpr int HIGH_O = (OUTS + LOW_O - 1) / LOW_O, HIGH_I = (INS + LOW_I - 1) / LOW_I;
    constexpr int TILES = LOW_O * HIGH_O * LOW_I * HIGH_I, STEP = LOW_O * LOW_I;
    constexpr int SHARE = power_up_to(THREADS / TILES, 8);  // threads of a tile, each with some of the rows
    constexpr int STEPS = (G + SHARE - 1) / SHARE;
    // A thread's groups are in runs of RUN, so that the lanes of a tile read different banks.
    constexpr int WANTED = SHARE < 4 ? 8 / SHARE : 2, RUN = G % (WANTED * SHARE) == 0 ? WANTED : 1;
    for (int base = 0; base < TILES * SHARE; base += THREADS) {
        const int item = base + threadIdx.x, part = item / STEP % SHARE, rest = item / (STEP * SHARE);
        const int o = item % LOW_O + rest % HIGH_O * LOW_O, i = item / LOW_O % LOW_I + rest / HIGH_O * LOW_I;
        const bool inside = item < TILES * SHARE && o < OUTS && i < INS;
        real sum[16] = {};
        int x_row[4], gy_row[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            x_row[j] = (i + j * INS < L::IN ? i + j * INS : 0) * STRIDE;
            gy_row[j] = (o + j * OUTS < L::OUT ? o + j * OUTS : 0) * STRIDE;
        }
        if (inside) {
#pragma unroll 1
            for (int first = 0; first < STEPS; first += RUN) {
#pragma unroll 2
                for (int step = 0; step < RUN; ++step) {
                    const int group = step + RUN * part + SHARE * first;
                    if (G % SHARE && group >= G) continue;
                    Four gy4[4];
#pragma unroll
                    for (int j = 0; j < 4; ++j) gy4[j] = four(gy + gy_row[j] + 4 * group);
#pragma unroll
                    for (int c = 0; c < 4; ++c) {
                        if (INPUTS <= c * INS) continue;
                        const bool is_one = BIASED && c == L::IN / INS && i == L::IN % INS;
                        Four x4 = four(x + x_row[c] + 4 * group);
#pragma unroll
                        for (int k = 0; k < 4; ++k) x4.at[k] = is_one ? (real)1 : x4.at[k];
#pragma unroll
                        for (int j = 0; j < 4; ++j)
#pragma unroll
                            for (int k = 0; k < 4; ++k) sum[4 * j + c] += gy4[j].at[k] * x4.at[k];
                    }
                }
            }
        }
        scatter_sums<16, SHARE, STEP>(sum, part);
#pragma unroll
        for (int n = 0; n < 16 / SHARE; ++n) {
            const int place = part * (16 / SHARE) + n, to_o = o + place / 4 * OUTS, to_i = i + place % 4 * INS;
            if (!inside || to_o >= L::OUT || to_i >= INPUTS) continue;
            g[to_i < L::IN ? L::W + to_o * L::IN_PADDED + to_i : L::B + to_o] += sum[n];
        }
    }
    __syncthreads();
}

// Evaluate a network on G groups of rows.
template <class N, int G, int l = 0>
__device__ inline void forward(const Net<N> &net) {
    constexpr int F = l + 1 < N::LAYERS ? N::ACTIVATION : N::OUTPUT;
    forward_layer<Layer<N, l>, G, F, true>(net.p, net.template input<l>(), net.template input<l + 1>());
    if constexpr (l + 1 < N::LAYERS) forward<N, G, l + 1>(net);
}

// Propagate the cotangent, taken before the output's activation, back through the network; return the buffer
// of the input's cotangent, if that is wanted. If WITH_G, add the gradients of the parameters to g.
template <class N, int G, bool WITH_G, bool WANT_X, int l = N::LAYERS - 1>
__device__ inline real *backward(const Net<N> &net, real *cotangent, real *spare, real *g) {
    constexpr int F = l > 0 ? N::ACTIVATION : NO_ACTIVATION;
    const real *const x = net.template input<l>();
    if constexpr (WITH_G) gather_layer<Layer<N, l>, G, true>(x, cotangent, g);
    if constexpr (l > 0 || WANT_X)
        backward_layer<Layer<N, l>, G, F>(net.p, x, cotangent, spare);
    if constexpr (l > 0)
        return backward<N, G, WITH_G, WANT_X, l - 1>(net, spare, cotangent, g);
    else
        return WANT_X ? spare : cotangent;
}
