// The Fisher divergence between q(z|x) and the posterior, and its gradient with z held fixed.
//
// With z_s = mu + sd eps_s and b_s = J' (x - g) / gamma of one datum, means over the S posterior samples:
//
//     d_s  = mu + sd eps_s - eps_s / sd - b_s             (R, S, N, Z)
//     loss = mean |d_s|^2 / 2                             (R, N)
//     gmu  = mean d_s / sd^2                              (R, 1, N, Z)
//     gs   = mean 2 d_s eps_s / sd^2                      (R, 1, N, Z)
//
// from mu, sd (R, 1, N, Z) and eps, b (R, S, N, Z). A team of threads shares one datum: `team` lanes of a warp (a power
// of two), or the whole block if `team` is its size; a thread processes every team-th latent dimension with all its
// samples. Grid: x over groups of threads / team data, y over models with a strided loop.
#include "sums.cuh"

KERNEL posterior_fisher(
    const real *__restrict__ mu, const real *__restrict__ sd, const real *__restrict__ eps, const real *__restrict__ b,
    Index models, Index samples, Index batch, Index width, int team, real *__restrict__ d, real *__restrict__ loss,
    real *__restrict__ gmu, real *__restrict__ gs
) {
    SHARED(real, partial, MAX_THREADS / WARP);
    const int lane = threadIdx.x % team;
    const Index n = (Index)blockIdx.x * (blockDim.x / team) + threadIdx.x / team;
    const Index datum = batch * width;
    const real per_sample = (real)1 / (real)samples;
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        real square = 0;
        for (Index k = lane; n < batch && k < width; k += team) {
            const Index moment = r * datum + n * width + k, place = r * samples * datum + n * width + k;
            const real mu_k = mu[moment], sd_k = sd[moment], precise = 1 / sd_k;
            real d_sum = 0, d_dot_eps = 0;
            for (Index s = 0; s < samples; ++s) {
                const real e = eps[place + s * datum];
                const real d_s = mu_k + sd_k * e - e * precise - b[place + s * datum];
                d[place + s * datum] = d_s;
                square += d_s * d_s;
                d_sum += d_s;
                d_dot_eps += d_s * e;
            }
            const real information = per_sample * precise * precise;
            gmu[moment] = information * d_sum;
            gs[moment] = 2 * information * d_dot_eps;
        }
        square = sum_of_team(square, team, partial);
        if (lane == 0 && n < batch) loss[r * batch + n] = (real)0.5 * per_sample * square;
    }
}
