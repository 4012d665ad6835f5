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

__device__ inline int data_per_tile(const Workspace &w, int samples) { return w.plan[ROWS] / samples; }

// Compute the gradient of the inference objective in phi.
//
//     KL      tau mean |e|^2 / 2 + KL[q || p]:  gmu = sum gz + mu / N,  gs = sum gz eps + (s - 1/s) / N
//     FISHER  weight mean |d|^2 / 2, z held fixed, d = z - eps/s - b:  gmu = mean d / s^2,  gs = mean 2 d eps / s^2
//             z following phi, c = d - H d:  gmu = mean c,  gs = mean (c + d / s^2) eps
__device__ inline Sums inference_gradient(const Workspace &w, const Minibatch &m, real tau, real *partial) {
    const int samples = w.plan[INFERENCE_SAMPLES], stride = w.stride;
    const bool kl = !SECOND_ORDER && w.plan[INFERENCE_LOSS] == KL_LOSS;
    const real per_datum = (real)1 / (real)m.batch, per_row = per_datum / (real)samples;
    const real weight = kl ? tau * per_row : -tau, share = kl ? (real)1 : w.number(INFERENCE_WEIGHT) * per_row;
    const real *const mu = w.encoder.result(stride), *const g = w.decoder.result(stride);
    const real *const z = w.decoder.input(0, stride), *const difference = w.decoder_tangent.input(0, stride);
    Sums sums = {0, 0, 0, 0};
    const int most = data_per_tile(w, samples);
    for (int low = m.low; low < m.high; low += most) {
        const int count = m.high - low < most ? m.high - low : most, rows = samples * count, all = padded(count);
        encode(w, m.x, low, count);
        sample(w, m.seed, m.stream, m.step, samples, low, count, m.batch);
        forward(w.decoder, rows, stride);
        EACH(item, rows * w.d_x) {
            const int row = item % rows, d = item / rows, place = d * stride + row;
            const real e = g[place] - m.x[(Index)(low + row % count) * w.d_x + d];
            if (kl) sums.square += e * e;
            w.cotangent[place] = weight * e;
        }
        __syncthreads();
        output_vjp(w, rows);
        const real *gz = backward(w.decoder, w.cotangent, w.spare, nullptr, true, rows, stride);
        if (SECOND_ORDER) {
            score_difference(w, gz, count, rows);
            gz = hessian_product(w, tau, count, rows);
        }
        real *const features = gz == w.cotangent ? w.spare : w.cotangent;
        if (kl) sums.divergence += kl_divergence(w, count);
        EACH(item, all * w.d_z) {
            const int n = item % all, k = item / all * stride;
            const real sd = w.sd[k + n], information = 1 / (sd * sd);
            real gmu = 0, gs = 0;
            if (n < count) {
                for (int row = n; row < rows; row += count) {
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
            }
            features[k + n] = gmu;
            features[w.d_z * stride + k + n] = gs * slope_of(w.plan[SCALE], sd);
        }
        __syncthreads();
        backward(w.encoder, features, features == w.cotangent ? w.spare : w.cotangent, w.g, false, count, stride);
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
__device__ inline Sums quadratic_gradient(
    const Workspace &w, const Minibatch &m, const Form &f, real w_square, real w_cross, bool want_gradient,
    real *partial
) {
    const int samples = w.plan[LEARNING_SAMPLES], crosses = w.plan[CROSSES], stride = w.stride;
    const real per_sample = (real)1 / (real)samples, per_row = per_sample / (real)m.batch;
    const real *const g = w.decoder.result(stride);
    Sums sums = {0, 0, 0, 0};
    const int most = data_per_tile(w, samples);
    for (int low = m.low; low < m.high; low += most) {
        const int count = m.high - low < most ? m.high - low : most, rows = samples * count;
        encode(w, m.x, low, count);
        sample(w, m.seed, m.stream, m.step, samples, low, count, m.batch);
        if (crosses) scores(w, samples, count);
        sums.divergence += kl_divergence(w, count);
        forward(w.decoder, rows, stride);
        EACH(item, count * w.d_x) {
            const int n = item % count, d = item / count * stride;
            const real x = m.x[(Index)(low + n) * w.d_x + item / count];
            real mean = 0, square = 0, q_mean = 0, cross = 0;
            for (int row = n; row < rows; row += count) {
                const real e = g[d + row] - x, q = crosses ? w.s_q[d + row] : (real)0;
                mean += e;
                square += e * e;
                q_mean += q;
                cross += q * e;
            }
            mean *= per_sample;
            q_mean *= per_sample;
            sums.square += f.c_each * per_sample * square + f.c_mean * mean * mean;
            sums.cross += f.d_each * per_sample * cross + f.d_mean * q_mean * mean;
            for (int row = n; row < rows; row += count) {
                real v = w_square * per_row * (f.c_each * (g[d + row] - x) + f.c_mean * mean);
                if (crosses) v += w_cross * per_row * (f.d_each * w.s_q[d + row] + f.d_mean * q_mean);
                w.cotangent[d + row] = v;
            }
        }
        __syncthreads();
        if (!want_gradient) continue;
        output_vjp(w, rows);
        backward(w.decoder, w.cotangent, w.spare, w.g, false, rows, stride);
    }
    return sums_of_block(sums, partial);
}

__device__ inline real precision(real log_sd) { return exp(-2 * log_sd); }

// Compute the learning objective at this gamma; or, if no gradient is wanted, the sums that give the optimal gamma.
__device__ inline Sums learning_gradient(
    const Workspace &w, const Minibatch &m, real log_sd, bool want_gradient, real *partial
) {
    const real tau = precision(log_sd);
    const bool elbo = w.plan[LEARNING_LOSS] == ELBO_LOSS;
    return quadratic_gradient(
        w, m, form_at(w, want_gradient ? C_EACH : GAMMA_C_EACH), elbo ? tau : tau * tau, elbo ? (real)0 : tau,
        want_gradient, partial
    );
}
