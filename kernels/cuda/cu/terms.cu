// The Gaussian likelihood's quadratic forms and their gradient, in one pass over the data.
//
// With e_s = g_s - x and q_s of one datum, and bars for means over the S posterior samples,
//
//     a     = c_each mean |e_s|^2 + c_mean |e_bar|^2                                          (R, N)
//     h     = d_each mean q_s . e_s + d_mean q_bar . e_bar                                    (R, N)
//     v_s   = (w_square (c_each e_s + c_mean e_bar) + w_cross (d_each q_s + d_mean q_bar)) / S   (R, S, N, D)
//
// from x (R|1, 1, N, D), g and q (R, S, N, D) and weights (R,); x_model is the stride of x between models. If `crosses`
// is 0, q is not read and h is zero. If `wanted` is 0, v is not written.
//
// A team of threads shares one datum: `team` lanes of a warp (a power of two), or the whole block if `team` is its
// size. A thread processes every team-th dimension with all its S samples, so that means over S stay in its registers.
// Grid: x over groups of threads / team data, y over models with a strided loop.
#include "sums.cuh"

struct Forms {
    const real *x, *g, *q;
    int crosses, wanted;
    real c_each, c_mean, d_each, d_mean;
    const real *w_square, *w_cross;
    Index models, samples, batch, width, x_model;
    int team;
    real *a, *h, *v;
};

// KEPT is the largest S whose residuals and scores stay in registers for the gradient. KEPT = 0 takes any S: residuals
// and scores are read twice, the second time from the cache.
template <int KEPT>
__device__ inline void residual_forms(const Forms &f, real *partial) {
    const int lane = threadIdx.x % f.team;
    const Index n = (Index)blockIdx.x * (blockDim.x / f.team) + threadIdx.x / f.team;
    const Index datum = f.batch * f.width;
    const real per_sample = (real)1 / (real)f.samples;
    const Index samples = KEPT ? KEPT : f.samples;
    for (Index r = blockIdx.y; r < f.models; r += gridDim.y) {
        const real w_square = f.w_square[r] * per_sample, w_cross = f.w_cross[r] * per_sample;
        real square = 0, cross = 0;
        for (Index d = lane; n < f.batch && d < f.width; d += f.team) {
            const Index place = r * f.samples * datum + n * f.width + d;
            const real x = f.x[r * f.x_model + n * f.width + d];
            real e_kept[KEPT ? KEPT : 1], q_kept[KEPT ? KEPT : 1];
            real e_mean = 0, e_square = 0, q_mean = 0, q_dot_e = 0;
#pragma unroll(KEPT ? KEPT : 4)
            for (Index s = 0; s < samples; ++s)
                if (s < f.samples) {
                    const real e = f.g[place + s * datum] - x, q = f.crosses ? f.q[place + s * datum] : (real)0;
                    e_mean += e;
                    e_square += e * e;
                    q_mean += q;
                    q_dot_e += q * e;
                    if (KEPT) e_kept[s] = e;
                    if (KEPT) q_kept[s] = q;
                }
            e_mean *= per_sample;
            q_mean *= per_sample;
            square += f.c_each * per_sample * e_square + f.c_mean * e_mean * e_mean;
            if (f.crosses) cross += f.d_each * per_sample * q_dot_e + f.d_mean * q_mean * e_mean;
            if (f.wanted) {
#pragma unroll(KEPT ? KEPT : 4)
                for (Index s = 0; s < samples; ++s)
                    if (s < f.samples) {
                        const real e = KEPT ? e_kept[s] : f.g[place + s * datum] - x;
                        real v = w_square * (f.c_each * e + f.c_mean * e_mean);
                        if (f.crosses) {
                            const real q = KEPT ? q_kept[s] : f.q[place + s * datum];
                            v += w_cross * (f.d_each * q + f.d_mean * q_mean);
                        }
                        f.v[place + s * datum] = v;
                    }
            }
        }
        square = sum_of_team(square, f.team, partial);
        cross = sum_of_team(cross, f.team, partial);
        if (lane == 0 && n < f.batch) {
            f.a[r * f.batch + n] = square;
            f.h[r * f.batch + n] = cross;
        }
    }
}

#define RESIDUAL_FORMS(name, kept)                                                                                   \
    KERNEL name(                                                                                                     \
        const real *__restrict__ x, Index x_model, const real *__restrict__ g, const real *__restrict__ q,           \
        int crosses, int wanted, real c_each, real c_mean, real d_each, real d_mean,                                 \
        const real *__restrict__ w_square, const real *__restrict__ w_cross, Index models, Index samples,            \
        Index batch, Index width, int team, real *__restrict__ a, real *__restrict__ h, real *__restrict__ v         \
    ) {                                                                                                              \
        SHARED(real, partial, MAX_THREADS / WARP);                                                                   \
        residual_forms<kept>(                                                                                        \
            Forms{x, g, q, crosses, wanted, c_each, c_mean, d_each, d_mean, w_square, w_cross, models, samples,      \
                  batch, width, x_model, team, a, h, v},                                                             \
            partial                                                                                                  \
        );                                                                                                           \
    }

RESIDUAL_FORMS(residual_forms_of_one, 1)
RESIDUAL_FORMS(residual_forms_of_few, 8)
RESIDUAL_FORMS(residual_forms_of_any, 0)
