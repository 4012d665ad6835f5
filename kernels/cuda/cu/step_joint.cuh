// Both gradients of the joint Fisher divergence (the Fisher autoencoder) over a range of a minibatch.
//
//     L = |d|^2 / 2 + tau^2 |e|^2 / 2 - tau d_x + |s^q|^2 / 2,  means over data and samples
//
// with e = g - x, b = -tau J' e, d = z - eps/s - b, and s^q the score of q in the data. Each network has one plain and
// one tangent sweep: the decoder's along dz = d, the encoder's along dx = s^q. See objectives/joint_fisher.py.
#include "step_gradients.cuh"

// Compute the residuals of both gradients: write d to the tangent of z, and add a thread's share of three sums.
__device__ inline void joint_residuals(
    const Workspace &w, const Minibatch &m, real tau, int samples, int low, int count, Sums *sums
) {
    const int rows = samples * count, stride = w.stride;
    const real *const g = w.decoder.result(stride), *const difference = w.decoder_tangent.input(0, stride);
    encode(w, m.x, low, count);
    sample(w, m.seed, m.stream, m.step, samples, low, count, m.batch);
    forward(w.decoder, rows, stride);
    EACH(item, rows * w.d_x) {
        const int row = item % rows, d = item / rows * stride;
        const real e = g[d + row] - w.encoder.input(0, stride)[d + row % count];
        sums->cross += e * e;
        w.cotangent[d + row] = -tau * e;
    }
    __syncthreads();
    output_vjp(w, rows);
    const real *const b = backward(w.decoder, w.cotangent, w.spare, nullptr, true, rows, stride);
    score_difference(w, b, count, rows);
    EACH(item, rows * w.d_z) {
        const int place = item / rows * stride + item % rows;
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

__device__ inline real sign_at(const Workspace &w, const Minibatch &m, Index place) {
    const Words words = philox(m.seed, (word)w.plan[PROBE_STREAM], m.step, place / 4);
    const int lane = (int)(place % 4);
    const word bits = lane == 0 ? words.lane[0] : lane == 1 ? words.lane[1] : lane == 2 ? words.lane[2] : words.lane[3];
    return bits >> 31 ? (real)-1 : (real)1;
}

__device__ inline Direction direction(const Workspace &w, const Minibatch &m, int s, int low, int n, int count, int k) {
    if (w.plan[BY_PROBE]) {
        const Index first = ((Index)s * m.batch + low + n) * 2 * w.d_z + k;
        return Direction{sign_at(w, m, first), (real)1.41421356237309504880 * sign_at(w, m, first + w.d_z)};
    }
    const real e = w.eps[k * w.stride + s * count + n];
    return Direction{e, e * e - 1};
}

// Compute the encoder's cotangent (u / s, w S' / s), and its tangent along the tangent y of the features, which it
// overwrites; both times `share`. If `fixed`, z does not follow phi, so that eps = (z - mu)/s depends on the features.
__device__ inline void score_cotangent(
    const Workspace &w, const Minibatch &m, int s, int low, int count, bool fixed, real share
) {
    const int rows = padded(count), rho = w.d_z * w.stride, scale = w.plan[SCALE];
    real *const y = w.encoder_tangent.result(w.stride);
    EACH(item, rows * w.d_z) {
        const int k = item / rows, n = item % rows, place = k * w.stride + n;
        real a_mu = 0, a_rho = 0, to_mu = 0, to_rho = 0;
        if (n < count) {
            const Direction at = direction(w, m, s, low, n, count, k);
            const real inverse = 1 / w.sd[place], ds = slope_of(scale, w.sd[place]);
            const real slope = ds * inverse, curve = curve_of(scale, w.sd[place]) * slope;
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

// Compute a thread's share of the sum of |s^q|^2 over the samples; if want_gradient, add the gradient of half its mean
// to w.g.
__device__ inline real score_norm(
    const Workspace &w, const Minibatch &m, int samples, int low, int count, bool want_gradient
) {
    const int rows = padded(count), stride = w.stride;
    const bool fixed = !w.plan[BY_PROBE] && !w.plan[FOLLOWS];
    real sum = 0;
    for (int s = 0; s < samples; ++s) {
        EACH(item, rows * w.d_z) {
            const int k = item / rows, n = item % rows, place = k * stride + n;
            const Direction at = n < count ? direction(w, m, s, low, n, count, k) : Direction{0, 0};
            w.cotangent[place] = at.u / w.sd[place];
            w.cotangent[w.d_z * stride + place] = at.w / w.sd[place] * slope_of(w.plan[SCALE], w.sd[place]);
        }
        __syncthreads();
        const real *const score = backward(w.encoder, w.cotangent, w.spare, nullptr, true, count, stride);
        real *const tangent = w.encoder_tangent.input(0, stride);
        EACH(item, rows * w.d_x) {
            const int place = item / rows * stride + item % rows;
            tangent[place] = score[place];
            sum += score[place] * score[place];
        }
        __syncthreads();
        if (!want_gradient) continue;
        forward_along(w.encoder, w.encoder_tangent, count, stride);
        score_cotangent(w, m, s, low, count, fixed, (real)1 / ((real)m.batch * (real)samples));
        backward_along(w.encoder, w.encoder_tangent, w.cotangent, w.spare, w.g, false, count, stride);
    }
    return sum;
}

// Compute the gradient in phi: with c = d - H d - tau b,  gmu = mean c,  gs = mean (c + d / s^2) eps; or with z held
// fixed, gmu = mean d / s^2,  gs = mean 2 d eps / s^2; and add the gradient of the score norm.
__device__ inline Sums joint_inference_gradient(const Workspace &w, const Minibatch &m, real tau, real *partial) {
    const int samples = w.plan[INFERENCE_SAMPLES], stride = w.stride, most = data_per_tile(w, samples);
    const bool follows = w.plan[FOLLOWS];
    const real share = (real)1 / ((real)m.batch * (real)samples);
    const real *const z = w.decoder.input(0, stride), *const difference = w.decoder_tangent.input(0, stride);
    Sums sums = {0, 0, 0, 0};
    for (int low = m.low; low < m.high; low += most) {
        const int count = m.high - low < most ? m.high - low : most, rows = samples * count, all = padded(count);
        joint_residuals(w, m, tau, samples, low, count, &sums);
        const real *const hessian_d = follows ? hessian_product(w, tau, count, rows) : w.spare;
        real *const features = hessian_d == w.cotangent ? w.spare : w.cotangent;
        EACH(item, all * w.d_z) {
            const int n = item % all, k = item / all * stride;
            const real sd = w.sd[k + n], information = 1 / (sd * sd);
            real gmu = 0, gs = 0;
            if (n < count)
                for (int row = n; row < rows; row += count) {
                    const real e = w.eps[k + row], d = difference[k + row], b = z[k + row] - e / sd - d;
                    const real to_mu = follows ? d - hessian_d[k + row] - tau * b : d * information;
                    gmu += to_mu;
                    gs += (to_mu + d * information) * e;
                }
            features[k + n] = share * gmu;
            features[w.d_z * stride + k + n] = share * gs * slope_of(w.plan[SCALE], sd);
        }
        __syncthreads();
        backward(w.encoder, features, features == w.cotangent ? w.spare : w.cotangent, w.g, false, count, stride);
        sums.divergence += score_norm(w, m, samples, low, count, true);
    }
    return sums_of_block(sums, partial);
}

// Compute the gradient in theta: the tangent of the sweep from c e, c = tau / (N S), is the gradient of -d.b. It is
// linear in the cotangent's tangent, to which tau c e is added, so that it includes the gradient of M1.
__device__ inline Sums joint_learning_gradient(const Workspace &w, const Minibatch &m, real tau, real *partial) {
    const int samples = w.plan[LEARNING_SAMPLES], most = data_per_tile(w, samples);
    const real c = tau / ((real)m.batch * (real)samples);
    Sums sums = {0, 0, 0, 0};
    for (int low = m.low; low < m.high; low += most) {
        const int count = m.high - low < most ? m.high - low : most;
        joint_residuals(w, m, tau, samples, low, count, &sums);
        tangents_along_difference(w, c, tau * c, w.g, false, count, samples * count);
        sums.divergence += score_norm(w, m, samples, low, count, false);
    }
    return sums_of_block(sums, partial);
}

// Compute the gradient in phi or in theta, of the joint Fisher divergence or of another objective.
__device__ inline Sums gradient_in_phi(const Workspace &w, const Minibatch &m, real log_sd, real *partial) {
    return JOINT ? joint_inference_gradient(w, m, precision(log_sd), partial)
                 : inference_gradient(w, m, precision(log_sd), partial);
}

__device__ inline Sums gradient_in_theta(
    const Workspace &w, const Minibatch &m, real log_sd, bool want_gradient, real *partial
) {
    return JOINT ? joint_learning_gradient(w, m, precision(log_sd), partial)
                 : learning_gradient(w, m, log_sd, want_gradient, partial);
}
