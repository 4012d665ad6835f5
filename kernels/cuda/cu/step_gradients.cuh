// The gradients of both updates over a range of a minibatch, tile by tile: they are added to w.g, and the sums of the
// loss are returned.
//
// A range is the data of one block: the whole minibatch, or a part of it. Losses are means over all `batch` data.
#include "step_tangents.cuh"

struct Minibatch {
    const real *x;  // (N, D)
    int batch, low, high;
    wide seed;
    word stream, step;
};

// Sums over a range: |e|^2 or |d|^2, and KL; or a, h and KL; or, for the joint divergence, |d|^2, |e|^2, |s^q|^2, d.b.
struct Sums {
    real square, cross, divergence, aligned;
};
constexpr int SUMS = ALIGNED + 1;

__device__ inline Sums sums_of_block(Sums s, real *partial) {
    s.square = sum_of_block(s.square, partial);
    s.cross = sum_of_block(s.cross, partial);
    s.divergence = sum_of_block(s.divergence, partial);
    if (JOINT) s.aligned = sum_of_block(s.aligned, partial);
    return s;
}

// Compute the gradient of the inference objective in phi.
//
//     KL      tau mean |e|^2 / 2 + KL[q || p]:  gmu = sum gz + mu / N,  gs = sum gz eps + (s - 1/s) / N
//     FISHER  weight mean |d|^2 / 2, z held fixed, d = z - eps/s - b:  gmu = mean d / s^2,  gs = mean 2 d eps / s^2
//             z following phi, c = d - H d:  gmu = mean c,  gs = mean (c + d / s^2) eps
template <int S>
__device__ inline Sums inference_gradient(const Workspace &w, const Minibatch &m, real tau, real *partial) {
    constexpr int most = MOST<S>, rows = SAMPLE_ROWS<S>, all = DATUM_ROWS<S>;
    constexpr bool kl = !SECOND_ORDER && INFERENCE_LOSS == KL_LOSS;
    const real per_datum = (real)1 / (real)m.batch, per_row = per_datum / (real)S;
    const real weight = kl ? tau * per_row : -tau, share = kl ? (real)1 : w.number(INFERENCE_WEIGHT) * per_row;
    const real *const mu = w.encoder.result(), *const g = w.decoder.result();
    const real *const z = w.decoder.input<0>(), *const difference = w.decoder_tangent.input<0>();
    Sums sums = {0, 0, 0, 0};
#pragma unroll 1
    for (int low = m.low; low < m.high; low += most) {
        const int count = m.high - low < most ? m.high - low : most;
        encode<S>(w, m.x, low, count);
        sample<S>(w, m.seed, m.stream, m.step, low, count, m.batch);
        forward_decoder<S>(w);
        EACH(item, rows * DATA) {
            const int row = item % rows, d = item / rows, place = d * STRIDE + row;
            const bool filled = is_filled<S>(row, count);
            const real e = filled ? g[place] - w.encoder.input<0>()[d * STRIDE + row % most] : (real)0;
            if (kl) sums.square += e * e;
            w.cotangent[place] =
                filled && Decoder::OUTPUT != NO_ACTIVATION ? weight * e * slope_of<Decoder::OUTPUT>(g[place]) : weight * e;
        }
        __syncthreads();
        const real *gz = backward_decoder<S, false, true>(w, w.cotangent, w.spare);
        if constexpr (SECOND_ORDER) {
            score_difference<S>(w, gz, count);
            gz = hessian_product<S>(w, tau, count);
        }
        real *const features = gz == w.cotangent ? w.spare : w.cotangent;
        if (kl) sums.divergence += kl_divergence<S>(w, count);
        EACH(item, all * LATENT) {
            const int n = item % all, k = item / all * STRIDE;
            const real sd = w.sd[k + n], information = 1 / (sd * sd);
            real gmu = 0, gs = 0;
            if (n < count) {
#pragma unroll(S < 4 ? S : 1)
                for (int row = n; row < S * most; row += most) {
                    const real e = w.eps[k + row], gz_row = gz[k + row];
                    const real d = kl ? (real)0 : SECOND_ORDER ? difference[k + row] : z[k + row] - e / sd - gz_row;
                    const real to_mu = kl ? gz_row : SECOND_ORDER ? d - gz_row : d * information;
                    if (!kl) sums.square += d * d;
                    gmu += to_mu;
                    gs += (to_mu + d * information) * e;
                }
                gmu *= share;
                gs *= share;
                if (kl) {
                    gmu += per_datum * mu[k + n];
                    gs += per_datum * (sd - 1 / sd);
                }
                gs *= slope_of<SCALE>(sd);
            }
            features[k + n] = gmu;
            features[LATENT * STRIDE + k + n] = gs;
        }
        __syncthreads();
        backward_encoder<S, true, false>(w, features, features == w.cotangent ? w.spare : w.cotangent);
    }
    return sums_of_block(sums, partial);
}

struct Form {
    real c_each, c_mean, d_each, d_mean;
};

__device__ inline Form form_at(const Workspace &w, PlanNumber first) {
    return Form{w.numbers[first], w.numbers[first + 1], w.numbers[first + 2], w.numbers[first + 3]};
}

// Compute a and h of a form and, if wanted, the gradient of w_square a/2 + w_cross h in theta; see terms.cu.
template <int S>
__device__ inline Sums quadratic_gradient(
    const Workspace &w, const Minibatch &m, const Form &f, real w_square, real w_cross, bool want_gradient,
    real *partial
) {
    constexpr int most = MOST<S>;
    const real per_sample = (real)1 / (real)S, per_row = per_sample / (real)m.batch;
    const real *const g = w.decoder.result();
    Sums sums = {0, 0, 0, 0};
#pragma unroll 1
    for (int low = m.low; low < m.high; low += most) {
        const int count = m.high - low < most ? m.high - low : most;
        encode<S>(w, m.x, low, count);
        sample<S>(w, m.seed, m.stream, m.step, low, count, m.batch);
        if (CROSSES) scores<S>(w, count);
        sums.divergence += kl_divergence<S>(w, count);
        forward_decoder<S>(w);
        EACH(item, most * DATA) {
            const int n = item % most, d = item / most * STRIDE;
            if (n >= count) continue;
            const real x = w.encoder.input<0>()[d + n];
            real mean = 0, square = 0, q_mean = 0, cross = 0;
#pragma unroll(S < 4 ? S : 1)
            for (int row = n; row < S * most; row += most) {
                const real e = g[d + row] - x, q = CROSSES ? w.s_q[d + row] : (real)0;
                mean += e;
                square += e * e;
                q_mean += q;
                cross += q * e;
            }
            mean *= per_sample;
            q_mean *= per_sample;
            sums.square += f.c_each * per_sample * square + f.c_mean * mean * mean;
            sums.cross += f.d_each * per_sample * cross + f.d_mean * q_mean * mean;
#pragma unroll(S < 4 ? S : 1)
            for (int row = n; row < S * most; row += most) {
                real v = w_square * per_row * (f.c_each * (g[d + row] - x) + f.c_mean * mean);
                if (CROSSES) v += w_cross * per_row * (f.d_each * w.s_q[d + row] + f.d_mean * q_mean);
                w.cotangent[d + row] = v;
            }
        }
        __syncthreads();
        if (!want_gradient) continue;
        output_vjp<S>(w, count);
        backward_decoder<S, true, false>(w, w.cotangent, w.spare);
    }
    return sums_of_block(sums, partial);
}

__device__ inline real precision(real log_sd) { return exp(-2 * log_sd); }

// Compute the learning objective at this gamma; or, if no gradient is wanted, the sums that give the optimal gamma.
template <int S>
__device__ inline Sums learning_gradient(
    const Workspace &w, const Minibatch &m, real log_sd, bool want_gradient, real *partial
) {
    const real tau = precision(log_sd);
    constexpr bool elbo = LEARNING_LOSS == ELBO_LOSS;
    return quadratic_gradient<S>(
        w, m, form_at(w, want_gradient ? C_EACH : GAMMA_C_EACH), elbo ? tau : tau * tau, elbo ? (real)0 : tau,
        want_gradient, partial
    );
}
