// The optimisers on flat parameters (R, P), in place for models with active (R,); every operation rounds as the
// reference's does.
#include "real.cuh"

//     t[r] += active[r];   correction_i[r] = 1 - beta_i^t[r]        t, correction_i (R,)
//
// Grid: x over models. The corrections are computed in double precision and then rounded to `real`.
KERNEL adam_advance(
    Index *__restrict__ t, const bool *__restrict__ active, double beta1, double beta2, Index models,
    real *__restrict__ correction1, real *__restrict__ correction2
) {
    const Index r = blockIdx.x * (Index)blockDim.x + threadIdx.x;
    if (r >= models) return;
    const Index steps = t[r] + (active[r] ? 1 : 0);
    t[r] = steps;
    correction1[r] = (real)(1 - pow(beta1, (double)steps));
    correction2[r] = (real)(1 - pow(beta2, (double)steps));
}

//     m += (1 - beta1) (g - m);   v += (1 - beta2) (g^2 - v)
//     p -= lr (m / correction1) / (sqrt(v / correction2) + eps)        p, g, m, v (R, P); lr, correction_i (R,)
//
// Denormal moments stay, unlike in the sets of the CPU: a GPU computes with them at its full speed.
//
// rate_i is 1 - beta_i. Grid: x over the P parameters of a model, y over models, with strided loops in both.
// Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
KERNEL adam(
    real *__restrict__ p, const real *__restrict__ g, real *__restrict__ m, real *__restrict__ v,
    const real *__restrict__ lr, const real *__restrict__ correction1, const real *__restrict__ correction2,
    real rate1, real rate2, real eps, const bool *__restrict__ active, Index models, Index size
) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        if (!active[r]) continue;
#pragma unroll 1
        for (Index j = blockIdx.x * (Index)blockDim.x + threadIdx.x; j < size; j += stride) {
            const Index i = r * size + j;
            const real g_i = g[i];
            const real m_i = plus(m[i], times(rate1, plus(g_i, -m[i])));
            const real v_i = plus(v[i], times(rate2, plus(times(g_i, g_i), -v[i])));
            const real numerator = times(lr[r], over(m_i, correction1[r]));
            m[i] = m_i;
            v[i] = v_i;
            p[i] = plus(p[i], -over(numerator, plus(root(over(v_i, correction2[r])), eps)));
        }
    }
}

//     t[r] += active[r];   p -= lr g        p, g (R, P); t, lr (R,)
//
// Grid as for adam; the first thread of a model's row increments t.
KERNEL sgd(
    real *__restrict__ p, const real *__restrict__ g, Index *__restrict__ t, const real *__restrict__ lr,
    const bool *__restrict__ active, Index models, Index size
) {
    const Index first = blockIdx.x * (Index)blockDim.x + threadIdx.x, stride = (Index)gridDim.x * blockDim.x;
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        if (!active[r]) continue;
        if (first == 0) t[r] += 1;
        for (Index j = first; j < size; j += stride) {
            const Index i = r * size + j;
            p[i] = plus(p[i], -times(lr[r], g[i]));
        }
    }
}

//     bad[r] is set to 1 if an entry of g[r] is infinite or NaN        g (R, P), bad (R,) zero before
//
// Grid as for adam. A block that finds such an entry sets the flag once; all blocks write the same value, so that their
// order does not matter.
KERNEL find_infinite(const real *__restrict__ g, Index models, Index size, int *__restrict__ bad) {
    const Index stride = (Index)gridDim.x * blockDim.x;
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        int found = 0;
#pragma unroll 1
        for (Index j = blockIdx.x * (Index)blockDim.x + threadIdx.x; j < size; j += stride)
            found |= !is_finite(g[r * size + j]);
        if (__syncthreads_or(found) && threadIdx.x == 0) atomicExch(&bad[r], 1);
    }
}
