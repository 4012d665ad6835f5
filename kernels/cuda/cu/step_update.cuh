// Finish an update: compute the loss terms, flag diverged models, choose gamma and step the optimiser.
//
// Every thread evaluates the terms from the same numbers; one thread writes the results.
#include "step_parameters.cuh"

// The arrays of a run that a step reads and writes; (R, P) and (R,).
struct Vector {
    real *p, *m, *v;
    Index *t;
    const real *lr;
};

struct Flags {
    bool *active;
    Index *cause, *diverged_at, *kept, *floored;
    word now;  // steps done
};

// Kernel parameters that give the step; see random.cu.
#define STEP_NOW const word *__restrict__ ticks, word rate, word step

// Kernel parameters of the state: phi, theta and moments (R, P), counters, learning rates and flags (R,), and the terms
// of both losses, phi_terms (2, R) and theta_terms (3, R), of the joint divergence (4, R).
#define STEP_STATE                                                                                                   \
    real *__restrict__ phi, real *__restrict__ phi_m, real *__restrict__ phi_v, Index *__restrict__ phi_t,           \
        const real *__restrict__ phi_lr, real *__restrict__ theta, real *__restrict__ theta_m,                       \
        real *__restrict__ theta_v, Index *__restrict__ theta_t, const real *__restrict__ theta_lr,                  \
        bool *__restrict__ active, Index *__restrict__ cause, Index *__restrict__ diverged_at,                       \
        Index *__restrict__ kept, Index *__restrict__ floored, Index models, real *__restrict__ phi_terms,           \
        real *__restrict__ theta_terms
#define ENCODER_VECTOR (Vector{phi, phi_m, phi_v, phi_t, phi_lr})
#define DECODER_VECTOR (Vector{theta, theta_m, theta_v, theta_t, theta_lr})

__device__ inline bool all_finite(const real *g, int count, real slope) {
    int bad = !is_finite(slope);
    EACH(i, count) bad |= !is_finite(g[i]);
    return !__syncthreads_or(bad);
}

struct Optimiser {
    int adam;
    real rate1, rate2, eps, correction1, correction2, lr;

    // Compute the step of one parameter, which is to be subtracted; every operation rounds as the reference's does.
    __device__ real step(real g, real *m, real *v) const {
        if (!adam) return times(lr, g);
        *m = plus(*m, times(rate1, plus(g, -*m)));
        *v = plus(*v, times(rate2, plus(times(g, g), -*v)));
        return over(times(lr, over(*m, correction1)), plus(root(over(*v, correction2)), eps));
    }
};

// Pointers to moments, for those in shared memory packed like the parameters; null if there are none.
struct Moments {
    real *m, *v;
};

// Load the moments to shared memory before the first update; `store_encoder` stores them and the parameters after the
// last.
__device__ inline void load_moments(const Workspace &w, const Vector &phi, Index r) {
    const Index first = r * Encoder::SIZE;
    each_parameter<Encoder, OneBlock>([&](int flat, int packed) {
        w.m[packed] = phi.m[first + flat];
        w.v[packed] = phi.v[first + flat];
    });
}

__device__ inline void store_encoder(const Workspace &w, const Vector &phi, Index r) {
    const Index first = r * Encoder::SIZE;
    each_parameter<Encoder, OneBlock>([&](int flat, int packed) {
        phi.p[first + flat] = w.encoder.p[packed];
        phi.m[first + flat] = w.m[packed];
        phi.v[first + flat] = w.v[packed];
    });
}

// Make the optimiser for the update of that number, counted from 1. Not inlined: the powers in double precision
// would take registers from the whole step, which has one update in hundreds of passes.
__device__ __noinline__ Optimiser optimiser_at(int adam, const double *betas, real eps, Index update, real lr) {
    return Optimiser{adam, (real)(1 - betas[0]), (real)(1 - betas[1]), eps,
                     (real)(1 - pow(betas[0], (double)update)), (real)(1 - pow(betas[1], (double)update)), lr};
}

// Return the moments of a model in global memory; plain gradient descent has none and does not use the pointers.
__device__ inline Moments moments_of(const Vector &vector, int adam, Index first) {
    return adam ? Moments{vector.m + first, vector.v + first} : Moments{vector.p + first, vector.p + first};
}

// Step log sqrt(gamma), at index `log_sd` of the flat vector, by its slope; called by one thread.
__device__ inline void update_log_sd(
    const Optimiser &optimiser, real *p, const Moments &moments, int log_sd, real slope
) {
    p[log_sd] = plus(p[log_sd], -optimiser.step(slope, moments.m + log_sd, moments.v + log_sd));
}

// Step the parameters of a model that has not diverged: the packed copy, and those in global memory unless the moments
// are `resident` in shared memory, in which case `store_encoder` stores all of them later. `slope` is the derivative in
// log sqrt(gamma), which is not trained if `log_sd` is negative. Called by all threads of a block.
template <class N>
__device__ inline void update_parameters(
    const Net<N> &net, const real *g, const Moments &resident, const Vector &vector, Index r,
    const double *betas, real eps, int log_sd, real slope, bool active
) {
    if (active) {
        const Optimiser optimiser = optimiser_at(N::ADAM, betas, eps, vector.t[r] + 1, vector.lr[r]);
        real *const p = vector.p + r * N::SIZE;
        const Moments moments = moments_of(vector, N::ADAM, r * N::SIZE);
        if (resident.m)
            each_parameter<N, OneBlock>([&](int, int packed) {
                net.p[packed] =
                    plus(net.p[packed], -optimiser.step(g[packed], resident.m + packed, resident.v + packed));
            });
        else
            each_parameter<N, OneBlock>([&](int flat, int packed) {
                net.p[packed] = p[flat] = plus(p[flat], -optimiser.step(g[packed], moments.m + flat, moments.v + flat));
            });
        if (log_sd >= 0 && threadIdx.x == 0) update_log_sd(optimiser, p, moments, log_sd, slope);
    }
    __syncthreads();
    if (active && threadIdx.x == 0) vector.t[r] += 1;
    __syncthreads();
}

// Compute the negative Gaussian log-likelihood from the mean of |e|^2.
__device__ inline real reconstruction(real square, real log_sd, int d_x) {
    return (real)0.5 * precision(log_sd) * square + (real)d_x * (log_sd + (real)0.91893853320467274178);
}

// The terms of a loss. The bits of `written` mark the terms that are reported, those of `counted` its summands.
constexpr int MOST_TERMS = 4;
struct Terms {
    real term[MOST_TERMS];
    int written, counted;
};

__device__ inline Terms terms_of_joint(const Workspace &w, const Sums &sums, real share, real tau) {
    const real half = (real)0.5 * share;
    return Terms{
        {half * sums.square, half * tau * tau * sums.cross, -tau * (real)DATA, half * sums.divergence}, 15, 15
    };
}

// Find the first of the terms, in their order, and the gradient that is not finite. Return its index among the causes
// plus 1, or 0 if all are finite; `first` is the index of the first term's cause.
__device__ inline int first_nonfinite(const Terms &found, bool finite, int first) {
    real loss = 0;
    int cause = 0, next = first;
#pragma unroll
    for (int i = 0; i < MOST_TERMS; ++i) {
        if (!(found.counted >> i & 1)) continue;
        loss += found.term[i];
        ++next;
        if (!cause && !is_finite(found.term[i])) cause = next;
    }
    return !cause && !(finite && is_finite(loss)) ? next + 1 : cause;
}

// Write the terms (MOST_TERMS or fewer, R), and flag a diverged model with its cause and step; called by one thread of
// a model.
__device__ inline void write_terms_and_flags(
    const Terms &found, int cause, bool active, const Flags &f, Index r, Index models, real *terms
) {
#pragma unroll
    for (int i = 0; i < MOST_TERMS; ++i)
        if (found.written >> i & 1) terms[i * models + r] = found.term[i];
    if (!active || !cause) return;
    f.active[r] = false;
    f.cause[r] = cause;
    f.diverged_at[r] = (Index)f.now + 1;
}

// Compute the terms of the inference objective, (2, R) or (4, R).
__device__ inline Terms inference_terms(const Workspace &w, const Sums &sums, Index batch, real log_sd) {
    const real share = (real)1 / ((real)batch * (real)INFERENCE_SAMPLES);
    if (JOINT) return terms_of_joint(w, sums, share, precision(log_sd));
    if (INFERENCE_LOSS == KL_LOSS)
        return Terms{{reconstruction(sums.square * share, log_sd, DATA), sums.divergence / (real)batch, 0, 0}, 3, 3};
    return Terms{{(real)0.5 * w.number(INFERENCE_WEIGHT) * sums.square * share, 0, 0, 0}, 1, 1};
}

// Finish an update of phi: write the terms, flag a diverged model, step the optimiser. Called by all threads of the
// block.
__device__ inline void finish_inference(
    const Workspace &w, const Sums &sums, Index batch, real log_sd, bool resident, const Vector &phi,
    const Flags &flags, const double *betas, Index r, Index models, real *terms
) {
    const bool active = flags.active[r], finite = all_finite(w.g, Encoder::PACKED, 0);
    const Terms found = inference_terms(w, sums, batch, log_sd);
    const int cause = first_nonfinite(found, finite, 0);
    if (threadIdx.x == 0) write_terms_and_flags(found, cause, active, flags, r, models, terms);
    const Moments moments = {resident ? w.m : nullptr, w.v};
    update_parameters(
        w.encoder, w.g, moments, phi, r, betas, w.number(ENCODER_EPS), -1, 0, active && !cause
    );
}

struct Gamma {
    real log_sd;
    int kept, floored;
};

// Choose gamma = a / b if the loss has a minimum, but not below the floor; see objectives/gamma.py.
__device__ inline Gamma optimal_gamma(const Workspace &w, const Sums &sums, Index batch, real log_sd) {
    const real a = sums.square / (real)batch, h = sums.cross / (real)batch;
    const real b = LEARNING_LOSS == ELBO_LOSS ? (real)DATA : (real)DATA - h, floor = w.number(GAMMA_FLOOR);
    if (!(b > 0)) return Gamma{log_sd, 1, 0};
    const real gamma = a / b;
    return Gamma{(real)0.5 * log(gamma < floor ? floor : gamma), 0, gamma < floor};
}

// The terms of the learning objective, (3, R) or (4, R), the index of its first cause, and the derivative in
// log sqrt(gamma).
struct LearningResult {
    Terms terms;
    int first;
    real slope;
};

__device__ inline LearningResult learning_terms(const Workspace &w, const Sums &sums, Index batch, real log_sd) {
    const bool elbo = LEARNING_LOSS == ELBO_LOSS, learns = GAMMA == LEARN_GAMMA;
    const real share = (real)1 / ((real)batch * (real)LEARNING_SAMPLES);
    const real a = sums.square / (real)batch, h = sums.cross / (real)batch, tau = precision(log_sd), d_x = DATA;
    if (JOINT) {
        const real slope = 2 * share * (sums.aligned - tau * tau * sums.cross) + 2 * tau * d_x;
        return LearningResult{terms_of_joint(w, sums, share, tau), 5, learns ? slope : (real)0};
    }
    const int first = INFERENCE_LOSS == KL_LOSS ? 3 : 2;
    if (elbo) {
        const Terms terms = {{reconstruction(a, log_sd, DATA), sums.divergence / (real)batch, 0, 0}, 3, 3};
        return LearningResult{terms, first, learns ? d_x - tau * a : (real)0};
    }
    const Terms terms = {{(real)0.5 * tau * tau * a, tau * h, -tau * d_x, 0}, 7, CROSSES ? 7 : 5};
    return LearningResult{terms, first, learns ? -2 * tau * (tau * a + h - d_x) : (real)0};
}

// Store the optimal gamma of a model that has not diverged; called by one thread.
__device__ inline void store_gamma(
    const Workspace &w, const Gamma &gamma, const Vector &theta, const Flags &flags, Index r
) {
    if (GAMMA != OPTIMAL_GAMMA) return;
    theta.p[r * Decoder::SIZE + LOG_SD] = gamma.log_sd;
    flags.kept[r] += gamma.kept;
    flags.floored[r] += gamma.floored;
}

// Finish an update of theta: write the terms, flag a diverged model, store gamma, step the optimiser. Called by all
// threads of a block.
__device__ inline void finish_learning(
    const Workspace &w, const Sums &sums, Index batch, const Gamma &gamma, const Vector &theta, const Flags &flags,
    const double *betas, Index r, Index models, real *terms
) {
    const LearningResult found = learning_terms(w, sums, batch, gamma.log_sd);
    const bool active = flags.active[r], finite = all_finite(w.g, Decoder::PACKED, found.slope);
    const int cause = first_nonfinite(found.terms, finite, found.first);
    if (threadIdx.x == 0) {
        write_terms_and_flags(found.terms, cause, active, flags, r, models, terms);
        if (active && !cause) store_gamma(w, gamma, theta, flags, r);
    }
    update_parameters(
        w.decoder, w.g, Moments{nullptr, nullptr}, theta, r, betas + 2, w.number(DECODER_EPS),
        LOG_SD, found.slope, active && !cause
    );
}
