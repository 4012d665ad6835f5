// Both gradients of the joint Fisher divergence (the Fisher autoencoder) over a range of a minibatch.
//
//     L = |d|^2 / 2 + tau^2 |e|^2 / 2 - tau d_x + |s^q|^2 / 2,  means over data and samples
//
// with e = g - x, b = -tau J' e, d = z - eps/s - b, and s^q the score of q in the data. Each network has one plain and
// one tangent sweep: the decoder's along dz = d, the encoder's along dx = s^q. See objectives/joint_fisher.py.
#include "step_gradients.cuh"

// Compute the residuals of both gradients: write d to the tangent of z, and add a thread's share of three sums.
template <int S>
__device__ inline void joint_residuals(
    const Workspace &w, const Minibatch &m, real tau, int low, int count, Sums *sums
) {
    constexpr int rows = SAMPLE_ROWS<S>;
    const real *const g = w.decoder.result(), *const difference = w.decoder_tangent.input<0>();
    encode<S>(w, m.x, low, count);
    sample<S>(w, m.seed, m.stream, m.step, low, count, m.batch);
    forward_decoder<S>(w);
    EACH(item, rows * DATA) {
        const int row = item % rows, d = item / rows * STRIDE;
        const real e = is_filled<S>(row, count) ? g[d + row] - w.encoder.input<0>()[d + row % MOST<S>] : (real)0;
        sums->cross += e * e;
        w.cotangent[d + row] = -tau * e;
    }
    __syncthreads();
    output_vjp<S>(w, count);
    const real *const b = backward_decoder<S, false, true>(w, w.cotangent, w.spare);
    score_difference<S>(w, b, count);
    EACH(item, rows * LATENT) {
        const int place = item / rows * STRIDE + item % rows;  // the difference is zero in rows without a datum
        sums->square += difference[place] * difference[place];
        sums->aligned += difference[place] * b[place];
    }
    __syncthreads();
}

// The direction (u, w) of the cotangent of the features (u / s, w S' / s): of the sample, (eps, eps^2 - 1), or of a
// probe, two signs, the second times sqrt(2), at the flat indices of (S, N, 2 Z) in a separate stream.
struct Direction {
    real u, w;
};

__device__ inline real sign_at(const Minibatch &m, Index place) {
    const Words words = philox(m.seed, (word)PROBE_STREAM, m.step, place / 4);
    const int lane = (int)(place % 4);
    const word bits = lane == 0 ? words.lane[0] : lane == 1 ? words.lane[1] : lane == 2 ? words.lane[2] : words.lane[3];
    return bits >> 31 ? (real)-1 : (real)1;
}

template <int S>
__device__ inline Direction direction(const Workspace &w, const Minibatch &m, int s, int low, int n, int k) {
    if (BY_PROBE) {
        const Index first = ((Index)s * m.batch + low + n) * 2 * LATENT + k;
        return Direction{sign_at(m, first), (real)1.41421356237309504880 * sign_at(m, first + LATENT)};
    }
    const real e = w.eps[k * STRIDE + s * MOST<S> + n];
    return Direction{e, e * e - 1};
}

// Compute the encoder's cotangent (u / s, w S' / s), and its tangent along the tangent y of the features, which it
// overwrites; both times `share`. If `fixed`, z does not follow phi, so that eps = (z - mu)/s depends on the features.
template <int S>
__device__ inline void score_cotangent(
    const Workspace &w, const Minibatch &m, int s, int low, int count, bool fixed, real share
) {
    constexpr int rows = DATUM_ROWS<S>, rho = LATENT * STRIDE;
    real *const y = w.encoder_tangent.result();
    EACH(item, rows * LATENT) {
        const int k = item / rows, n = item % rows, place = k * STRIDE + n;
        real a_mu = 0, a_rho = 0, to_mu = 0, to_rho = 0;
        if (n < count) {
            const Direction at = direction<S>(w, m, s, low, n, k);
            const real inverse = 1 / w.sd[place], ds = slope_of<SCALE>(w.sd[place]);
            const real slope = ds * inverse, curve = curve_of<SCALE>(w.sd[place]) * slope;
            const real y_mu = y[place] * inverse, y_rho = y[rho + place];
            a_mu = at.u * inverse;
            a_rho = at.w * slope;
            if (fixed) {
                to_mu = -(y_mu + 2 * at.u * slope * y_rho) * inverse;
                to_rho = y_rho * ((1 - 3 * at.u * at.u) * slope * slope + at.w * curve) - 2 * at.u * slope * y_mu;
            } else {
                to_rho = y_rho * at.w * (curve - slope * slope) - y_mu * at.u * slope;
            }
        }
        w.cotangent[place] = share * a_mu;
        w.cotangent[rho + place] = share * a_rho;
        y[place] = share * to_mu;
        y[rho + place] = share * to_rho;
    }
    __syncthreads();
}

// Compute a thread's share of the sum of |s^q|^2 over the samples; if WANT_GRADIENT, add the gradient of half its mean
// to w.g.
template <int S, bool WANT_GRADIENT>
__device__ inline real score_norm(const Workspace &w, const Minibatch &m, int low, int count) {
    constexpr int rows = DATUM_ROWS<S>;
    constexpr bool fixed = !BY_PROBE && !FOLLOWS;
    real sum = 0;
#pragma unroll 1
    for (int s = 0; s < S; ++s) {
        EACH(item, rows * LATENT) {
            const int k = item / rows, n = item % rows, place = k * STRIDE + n;
            const Direction at = n < count ? direction<S>(w, m, s, low, n, k) : Direction{0, 0};
            const real slope = n < count ? slope_of<SCALE>(w.sd[place]) : (real)0;
            w.cotangent[place] = at.u / w.sd[place];
            w.cotangent[LATENT * STRIDE + place] = at.w / w.sd[place] * slope;
        }
        __syncthreads();
        const real *const score = backward_encoder<S, false, true>(w, w.cotangent, w.spare);
        real *const tangent = w.encoder_tangent.input<0>();
        EACH(item, rows * DATA) {
            const int place = item / rows * STRIDE + item % rows;
            tangent[place] = score[place];
            sum += score[place] * score[place];
        }
        __syncthreads();
        if constexpr (WANT_GRADIENT) {
            forward_along<Encoder, rows / 4>(w.encoder, w.encoder_tangent);
            score_cotangent<S>(w, m, s, low, count, fixed, (real)1 / ((real)m.batch * (real)S));
            backward_along<Encoder, rows / 4, true, false>(
                w.encoder, w.encoder_tangent, w.cotangent, w.spare, w.g
            );
        }
    }
    return sum;
}

// Compute the gradient in phi: with c = d - H d - tau b,  gmu = mean c,  gs = mean (c + d / s^2) eps; or with z held
// fixed, gmu = mean d / s^2,  gs = mean 2 d eps / s^2; and add the gradient of the score norm.
template <int S>
__device__ inline Sums joint_inference_gradient(const Workspace &w, const Minibatch &m, real tau, real *partial) {
    constexpr int most = MOST<S>, all = DATUM_ROWS<S>;
    const real share = (real)1 / ((real)m.batch * (real)S);
    const real *const z = w.decoder.input<0>(), *const difference = w.decoder_tangent.input<0>();
    Sums sums = {0, 0, 0, 0};
#pragma unroll 1
    for (int low = m.low; low < m.high; low += most) {
        const int count = m.high - low < most ? m.high - low : most;
        joint_residuals<S>(w, m, tau, low, count, &sums);
        const real *hessian_d = w.spare;
        if constexpr (FOLLOWS) hessian_d = hessian_product<S>(w, tau, count);
        real *const features = hessian_d == w.cotangent ? w.spare : w.cotangent;
        EACH(item, all * LATENT) {
            const int n = item % all, k = item / all * STRIDE;
            const real sd = w.sd[k + n], information = 1 / (sd * sd);
            real gmu = 0, gs = 0;
            if (n < count) {
#pragma unroll(S < 4 ? S : 1)
                for (int row = n; row < S * most; row += most) {
                    const real e = w.eps[k + row], d = difference[k + row], b = z[k + row] - e / sd - d;
                    const real to_mu = FOLLOWS ? d - hessian_d[k + row] - tau * b : d * information;
                    gmu += to_mu;
                    gs += (to_mu + d * information) * e;
                }
                gmu *= share;
                gs *= share * slope_of<SCALE>(sd);
            }
            features[k + n] = gmu;
            features[LATENT * STRIDE + k + n] = gs;
        }
        __syncthreads();
        backward_encoder<S, true, false>(w, features, features == w.cotangent ? w.spare : w.cotangent);
        sums.divergence += score_norm<S, true>(w, m, low, count);
    }
    return sums_of_block(sums, partial);
}

// Compute the gradient in theta: the tangent of the sweep from c e, c = tau / (N S), is the gradient of -d.b. It is
// linear in the cotangent's tangent, to which tau c e is added, so that it includes the gradient of M1.
template <int S>
__device__ inline Sums joint_learning_gradient(const Workspace &w, const Minibatch &m, real tau, real *partial) {
    constexpr int most = MOST<S>;
    const real c = tau / ((real)m.batch * (real)S);
    Sums sums = {0, 0, 0, 0};
#pragma unroll 1
    for (int low = m.low; low < m.high; low += most) {
        const int count = m.high - low < most ? m.high - low : most;
        joint_residuals<S>(w, m, tau, low, count, &sums);
        tangents_along_difference<S, true, false>(w, c, tau * c, count);
        sums.divergence += score_norm<S, false>(w, m, low, count);
    }
    return sums_of_block(sums, partial);
}

// Compute the gradient in phi or in theta, of the joint Fisher divergence or of another objective. Templates, so that
// only one kind is compiled.
template <bool IS_JOINT = JOINT, int S = INFERENCE_SAMPLES>
__device__ inline Sums gradient_in_phi(const Workspace &w, const Minibatch &m, real log_sd, real *partial) {
    if constexpr (IS_JOINT)
        return joint_inference_gradient<S>(w, m, precision(log_sd), partial);
    else
        return inference_gradient<S>(w, m, precision(log_sd), partial);
}

template <bool IS_JOINT = JOINT, int S = LEARNING_SAMPLES>
__device__ inline Sums gradient_in_theta(
    const Workspace &w, const Minibatch &m, real log_sd, bool want_gradient, real *partial
) {
    if constexpr (IS_JOINT)
        return joint_learning_gradient<S>(w, m, precision(log_sd), partial);
    else
        return learning_gradient<S>(w, m, log_sd, want_gradient, partial);
}
