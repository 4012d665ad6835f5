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
constexpr int SUMS = 4;

__device__ inline Sums sums_of_block(Sums s, real *partial) {
    s.square = sum_of_block(s.square, partial);
    s.cross = sum_of_block(s.cross, partial);
    s.divergence = sum_of_block(s.divergence, partial);
    if (JOINT) s.aligned = sum_of_block(s.aligned, partial);
    return s;
}

__device__ inline int data_of_a_tile(const Work &w, int samples) { return w.plan[ROWS] / samples; }

// Compute the gradient of the inference objective in phi.
//
//     KL      tau mean |e|^2 / 2 + KL[q || p]:  gmu = sum gz + mu / N,  gs = sum gz eps + (s - 1/s) / N
//     FISHER  weight mean |d|^2 / 2, z held fixed, d = z - eps/s - b:  gmu = mean d / s^2,  gs = mean 2 d eps / s^2
//             z following phi, c = d - H d:  gmu = mean c,  gs = mean (c + d / s^2) eps
__device__ inline Sums infer(const Work &w, const Minibatch &m, real tau, real *partial) {
    const int samples = w.plan[INFERENCE_SAMPLES], stride = w.stride;
    const bool kl = !SECOND_ORDER && w.plan[INFERENCE_LOSS] == KL_LOSS;
    const real per_datum = (real)1 / (real)m.batch, per_row = per_datum / (real)samples;
    const real weight = kl ? tau * per_row : -tau, share = kl ? (real)1 : w.number(INFERENCE_WEIGHT) * per_row;
    const real *const mu = w.encoder.result(stride), *const g = w.decoder.result(stride);
    const real *const z = w.decoder.input(0, stride), *const gap = w.along.input(0, stride);
    Sums sums = {0, 0, 0, 0};
    const int most = data_of_a_tile(w, samples);
    for (int low = m.low; low < m.high; low += most) {
        const int here = m.high - low < most ? m.high - low : most, rows = samples * here, all = filled(here);
        encode(w, m.x, low, here);
        sample(w, m.seed, m.stream, m.step, samples, low, here, m.batch);
        forward(w.decoder, rows, stride);
        EACH(item, rows * w.d_x) {
            const int row = item % rows, d = item / rows, place = d * stride + row;
            const real e = g[place] - m.x[(Index)(low + row % here) * w.d_x + d];
            if (kl) sums.square += e * e;
            w.here[place] = weight * e;
        }
        __syncthreads();
        close_output(w, rows);
        const real *pulled = backward(w.decoder, w.here, w.there, nullptr, true, rows, stride);
        if (SECOND_ORDER) {
            gaps(w, pulled, here, rows);
            pulled = curvature(w, tau, here, rows);
        }
        real *const features = pulled == w.here ? w.there : w.here;
        if (kl) sums.divergence += divergence(w, here);
        EACH(item, all * w.d_z) {
            const int n = item % all, k = item / all * stride;
            const real sd = w.sd[k + n], information = 1 / (sd * sd);
            real gmu = 0, gs = 0;
            if (n < here) {
                for (int row = n; row < rows; row += here) {
                    const real e = w.eps[k + row], back = pulled[k + row];
                    const real d = kl ? (real)0 : SECOND_ORDER ? gap[k + row] : z[k + row] - e / sd - back;
                    const real to_mu = kl ? back : SECOND_ORDER ? d - back : d * information;
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
        backward(w.encoder, features, features == w.here ? w.there : w.here, w.g, false, here, stride);
    }
    return sums_of_block(sums, partial);
}

struct Form {
    real c_each, c_mean, d_each, d_mean;
};

__device__ inline Form form_at(const Work &w, Number first) {
    return Form{w.numbers[first], w.numbers[first + 1], w.numbers[first + 2], w.numbers[first + 3]};
}

// Compute a and h of a form and, if wanted, the gradient of w_square a/2 + w_cross h in theta; see terms.cu.
__device__ inline Sums learn(
    const Work &w, const Minibatch &m, const Form &f, real w_square, real w_cross, bool wanted, real *partial
) {
    const int samples = w.plan[LEARNING_SAMPLES], crosses = w.plan[CROSSES], stride = w.stride;
    const real per_sample = (real)1 / (real)samples, per_row = per_sample / (real)m.batch;
    const real *const g = w.decoder.result(stride);
    Sums sums = {0, 0, 0, 0};
    const int most = data_of_a_tile(w, samples);
    for (int low = m.low; low < m.high; low += most) {
        const int here = m.high - low < most ? m.high - low : most, rows = samples * here;
        encode(w, m.x, low, here);
        sample(w, m.seed, m.stream, m.step, samples, low, here, m.batch);
        if (crosses) scores(w, samples, here);
        sums.divergence += divergence(w, here);
        forward(w.decoder, rows, stride);
        EACH(item, here * w.d_x) {
            const int n = item % here, d = item / here * stride;
            const real x = m.x[(Index)(low + n) * w.d_x + item / here];
            real mean = 0, square = 0, q_mean = 0, cross = 0;
            for (int row = n; row < rows; row += here) {
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
            for (int row = n; row < rows; row += here) {
                real v = w_square * per_row * (f.c_each * (g[d + row] - x) + f.c_mean * mean);
                if (crosses) v += w_cross * per_row * (f.d_each * w.s_q[d + row] + f.d_mean * q_mean);
                w.here[d + row] = v;
            }
        }
        __syncthreads();
        if (!wanted) continue;
        close_output(w, rows);
        backward(w.decoder, w.here, w.there, w.g, false, rows, stride);
    }
    return sums_of_block(sums, partial);
}

__device__ inline real precision(real log_sd) { return exp(-2 * log_sd); }

// Compute the learning objective at this gamma; or, if no gradient is wanted, the sums that give the optimal gamma.
__device__ inline Sums learn_at(const Work &w, const Minibatch &m, real log_sd, bool wanted, real *partial) {
    const real tau = precision(log_sd);
    const bool elbo = w.plan[LEARNING_LOSS] == ELBO_LOSS;
    return learn(w, m, form_at(w, wanted ? C_EACH : GAMMA_C_EACH), elbo ? tau : tau * tau, elbo ? (real)0 : tau, wanted, partial);
}
