// What follows a gradient: the terms of its loss, who dies of it, where gamma goes, and the optimiser.
#include "step_joint.cuh"

// The arrays of a run that a step reads and writes; (R, P) and (R,).
struct Vector {
    real *p, *m, *v;
    Index *t;
    const real *lr;
};

struct Flags {
    bool *alive;
    Index *cause, *died_at, *kept, *floored;
    word now;  // steps done
};

// As a kernel's parameters: the step, which is that of random.cu.
#define STEP_NOW const word *__restrict__ ticks, word rate, word step

// As a kernel's parameters: phi, theta and moments (R, P), counters, step sizes and flags (R,), and the terms of both
// losses, inferred (2, R) and learned (3, R), of the joint divergence (4, R).
#define STEP_STATE                                                                                                   \
    real *__restrict__ phi, real *__restrict__ phi_m, real *__restrict__ phi_v, Index *__restrict__ phi_t,           \
        const real *__restrict__ phi_lr, real *__restrict__ theta, real *__restrict__ theta_m,                       \
        real *__restrict__ theta_v, Index *__restrict__ theta_t, const real *__restrict__ theta_lr,                  \
        bool *__restrict__ alive, Index *__restrict__ cause, Index *__restrict__ died_at, Index *__restrict__ kept,  \
        Index *__restrict__ floored, Index models, real *__restrict__ inferred, real *__restrict__ learned
#define ENCODER_VECTOR (Vector{phi, phi_m, phi_v, phi_t, phi_lr})
#define DECODER_VECTOR (Vector{theta, theta_m, theta_v, theta_t, theta_lr})

// Parameters out of the flat vector of a model, with the padding of their rows.
__device__ inline void pack(const Net &net, const real *flat) {
    for (int l = 0; l < net.layers; ++l) {
        const Layer layer = net.layer(l);
        EACH(item, layer.out * layer.in_padded) {
            const int o = item / layer.in_padded, i = item % layer.in_padded;
            net.p[layer.w + item] = i < layer.in ? flat[layer.w_flat + o * layer.in + i] : (real)0;
        }
        EACH(o, layer.out) net.p[layer.b + o] = flat[layer.b_flat + o];
    }
    __syncthreads();
}

// Note what broke first, and when: one thread of a block.
__device__ inline void mark(const Flags &f, Index r, bool fine, int place) {
    if (!f.alive[r] || fine) return;
    f.alive[r] = false;
    f.cause[r] = place + 1;
    f.died_at[r] = (Index)f.now + 1;
}

__device__ inline bool all_finite(const real *g, int count, real slope) {
    int bad = !is_finite(slope);
    EACH(i, count) bad |= !is_finite(g[i]);
    return !__syncthreads_or(bad);
}

struct Optimiser {
    int adam;
    real rate1, rate2, eps, correction1, correction2, lr;

    // The way to go for one parameter; every operation rounds as the reference's does.
    __device__ real way(real g, real *m, real *v) const {
        if (!adam) return times(lr, g);
        *m = plus(*m, times(rate1, plus(g, -*m)));
        *v = plus(*v, times(rate2, plus(times(g, g), -*v)));
        return over(times(lr, over(*m, correction1)), plus(root(over(*v, correction2)), eps));
    }
};

// Every parameter of a network by its places in the flat and in the packed vector; a thread sees the same ones each time.
template <class Visit>
__device__ inline void each_parameter(const Net &net, Visit visit) {
    for (int l = 0; l < net.layers; ++l) {
        const Layer layer = net.layer(l);
        EACH(item, layer.out * layer.in)
        visit(layer.w_flat + item, layer.w + item / layer.in * layer.in_padded + item % layer.in);
        EACH(o, layer.out) visit(layer.b_flat + o, layer.b + o);
    }
}

// Moments in the block, packed as the parameters are, or nothing.
struct Held {
    real *m, *v;
};

// Moments come into the block before its first update, and go back with the parameters after its last.
__device__ inline void fetch_moments(const Work &w, const Vector &phi, Index r) {
    const Index first = r * w.plan[ENCODER_SIZE];
    each_parameter(w.encoder, [&](int flat, int packed) {
        w.m[packed] = phi.m[first + flat];
        w.v[packed] = phi.v[first + flat];
    });
}

__device__ inline void put_back(const Work &w, const Vector &phi, Index r) {
    const Index first = r * w.plan[ENCODER_SIZE];
    each_parameter(w.encoder, [&](int flat, int packed) {
        phi.p[first + flat] = w.encoder.p[packed];
        phi.m[first + flat] = w.m[packed];
        phi.v[first + flat] = w.v[packed];
    });
}

// Move the parameters of a living model: the packed copy, and those in memory unless the moments are `held` in the block,
// when all go back together. `slope` is the one of log sqrt(gamma), at place `log_sd` of the flat vector, or has none where
// that is negative. All threads of a block.
__device__ inline void move(
    const Net &net, const real *g, const Held &held, const Vector &vector, Index r, int size, int adam,
    const double *betas, real eps, int log_sd, real slope, bool alive
) {
    if (alive) {
        const Index steps = vector.t[r] + 1;
        const Optimiser rule = {adam, (real)(1 - betas[0]), (real)(1 - betas[1]), eps,
                                (real)(1 - pow(betas[0], (double)steps)), (real)(1 - pow(betas[1], (double)steps)),
                                vector.lr[r]};
        real *const p = vector.p + r * size;
        real *const m = adam ? vector.m + r * size : p, *const v = adam ? vector.v + r * size : p;
        if (held.m)
            each_parameter(net, [&](int, int packed) {
                net.p[packed] = plus(net.p[packed], -rule.way(g[packed], held.m + packed, held.v + packed));
            });
        else
            each_parameter(net, [&](int flat, int packed) {
                net.p[packed] = p[flat] = plus(p[flat], -rule.way(g[packed], m + flat, v + flat));
            });
        if (log_sd >= 0 && threadIdx.x == 0) p[log_sd] = plus(p[log_sd], -rule.way(slope, m + log_sd, v + log_sd));
    }
    __syncthreads();
    if (alive && threadIdx.x == 0) vector.t[r] += 1;
    __syncthreads();
}

// -log N of the mean of |e|^2.
__device__ inline real reconstruction(real square, real log_sd, int d_x) {
    return (real)0.5 * precision(log_sd) * square + (real)d_x * (log_sd + (real)0.91893853320467274178);
}

// The four terms of the joint divergence, written and judged in their order, `first` being the place of the first one's
// cause; one thread of a block.
__device__ inline void judge_joint(
    const Work &w, const Sums &sums, real share, real tau, bool fine, int first, const Flags &flags, Index r,
    Index models, real *terms
) {
    const real half = (real)0.5 * share, term[4] = {
        half * sums.square, half * tau * tau * sums.cross, -tau * (real)w.d_x, half * sums.divergence
    };
    real loss = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        terms[i * models + r] = term[i];
        loss += term[i];
        mark(flags, r, is_finite(term[i]), first + i);
    }
    mark(flags, r, fine && is_finite(loss), first + 4);
}

// After the gradient in phi: terms (2, R) or (4, R), burial, and the optimiser.
__device__ inline void finish_inference(
    const Work &w, const Sums &sums, Index batch, real log_sd, bool held, const Vector &phi, const Flags &flags,
    const double *betas, Index r, Index models, real *terms
) {
    const int kl = w.plan[INFERENCE_LOSS] == KL;
    const real share = (real)1 / ((real)batch * (real)w.plan[INFERENCE_SAMPLES]);
    const bool fine = all_finite(w.g, w.plan[ENCODER_PACKED], 0);
    if (JOINT && threadIdx.x == 0) judge_joint(w, sums, share, precision(log_sd), fine, 0, flags, r, models, terms);
    if (!JOINT && threadIdx.x == 0) {
        const real first = kl ? reconstruction(sums.square * share, log_sd, w.d_x)
                              : (real)0.5 * w.number(INFERENCE_WEIGHT) * sums.square * share;
        const real second = kl ? sums.divergence / (real)batch : (real)0;
        terms[r] = first;
        if (kl) terms[models + r] = second;
        mark(flags, r, is_finite(first), 0);
        if (kl) mark(flags, r, is_finite(second), 1);
        mark(flags, r, fine && is_finite(first + second), 1 + kl);
    }
    __syncthreads();
    const Held moments = {held ? w.m : nullptr, w.v};
    move(w.encoder, w.g, moments, phi, r, w.plan[ENCODER_SIZE], w.plan[ENCODER_ADAM], betas, w.number(ENCODER_EPS), -1, 0, flags.alive[r]);
}

struct Gamma {
    real log_sd;
    int kept, floored;
};

// gamma = a / b where the loss has a minimum, never below the floor; see objectives/gamma.py.
__device__ inline Gamma choose(const Work &w, const Sums &sums, Index batch, real log_sd) {
    const real a = sums.square / (real)batch, h = sums.cross / (real)batch;
    const real b = w.plan[LEARNING_LOSS] == ELBO ? (real)w.d_x : (real)w.d_x - h, floor = w.number(GAMMA_FLOOR);
    if (!(b > 0)) return Gamma{log_sd, 1, 0};
    const real gamma = a / b;
    return Gamma{(real)0.5 * log(gamma < floor ? floor : gamma), 0, gamma < floor};
}

// After the gradient in theta: terms (3, R) or (4, R), burial, gamma, and the optimiser.
__device__ inline void finish_learning(
    const Work &w, const Sums &sums, Index batch, const Gamma &gamma, const Vector &theta, const Flags &flags,
    const double *betas, Index r, Index models, real *terms
) {
    const int elbo = w.plan[LEARNING_LOSS] == ELBO, place = w.plan[LOG_SD];
    const int first = JOINT ? 5 : w.plan[INFERENCE_LOSS] == KL ? 3 : 2;
    const real share = (real)1 / ((real)batch * (real)w.plan[LEARNING_SAMPLES]);
    const real a = sums.square / (real)batch, h = sums.cross / (real)batch, tau = precision(gamma.log_sd), d_x = w.d_x;
    const bool learns = w.plan[GAMMA] == LEARNED_GAMMA;
    const real joint = 2 * share * (sums.aligned - tau * tau * sums.cross) + 2 * tau * d_x;
    const real slope = !learns ? (real)0 : JOINT ? joint : elbo ? d_x - tau * a : -2 * tau * (tau * a + h - d_x);
    const bool fine = all_finite(w.g, w.plan[DECODER_PACKED], slope);
    if (JOINT && threadIdx.x == 0) judge_joint(w, sums, share, tau, fine, first, flags, r, models, terms);
    if (!JOINT && threadIdx.x == 0) {
        real term[3] = {(real)0.5 * tau * tau * a, tau * h, -tau * d_x};
        if (elbo) {
            term[0] = reconstruction(a, gamma.log_sd, w.d_x);
            term[1] = sums.divergence / (real)batch;
            term[2] = 0;
        }
        real loss = 0;
        int next = first;
        for (int i = 0; i < (elbo ? 2 : 3); ++i) {
            terms[i * models + r] = term[i];
            if (i == 1 && !elbo && !w.plan[CROSSES]) continue;  // a form that has no such term
            loss += term[i];
            mark(flags, r, is_finite(term[i]), next++);
        }
        mark(flags, r, fine && is_finite(loss), next);
        if (w.plan[GAMMA] == OPTIMAL_GAMMA && flags.alive[r]) {
            theta.p[r * w.plan[DECODER_SIZE] + place] = gamma.log_sd;
            flags.kept[r] += gamma.kept;
            flags.floored[r] += gamma.floored;
        }
    }
    __syncthreads();
    move(w.decoder, w.g, Held{nullptr, nullptr}, theta, r, w.plan[DECODER_SIZE], w.plan[DECODER_ADAM], betas + 2, w.number(DECODER_EPS), place, slope, flags.alive[r]);
}
