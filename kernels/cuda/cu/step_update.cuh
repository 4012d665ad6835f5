// What follows a gradient: the terms of its loss, who dies of it, where gamma goes, and the optimiser.
//
// Every thread judges for itself, from the same numbers; one writes what was found.
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

// Threads that share the parameters of a model: a block, or all blocks along x. EACH is among those of a block.
struct Crew {
    int first, size;
};
__device__ inline Crew block_alone() { return Crew{(int)threadIdx.x, (int)blockDim.x}; }
__device__ inline Crew blocks_along_x() {
    return Crew{(int)(blockIdx.x * blockDim.x + threadIdx.x), (int)(gridDim.x * blockDim.x)};
}

// Every parameter of a network by its places in the flat and in the packed vector; a thread sees the same ones each time.
template <class Visit>
__device__ inline void each_parameter(const Net &net, const Crew &crew, Visit visit) {
    for (int l = 0; l < net.layers; ++l) {
        const Layer layer = net.layer(l);
        for (int item = crew.first; item < layer.out * layer.in; item += crew.size)
            visit(layer.w_flat + item, layer.w + item / layer.in * layer.in_padded + item % layer.in);
        for (int o = crew.first; o < layer.out; o += crew.size) visit(layer.b_flat + o, layer.b + o);
    }
}

// Moments in the block, packed as the parameters are, or nothing.
struct Held {
    real *m, *v;
};

// Moments come into the block before its first update, and go back with the parameters after its last.
__device__ inline void fetch_moments(const Work &w, const Vector &phi, Index r) {
    const Index first = r * w.plan[ENCODER_SIZE];
    each_parameter(w.encoder, block_alone(), [&](int flat, int packed) {
        w.m[packed] = phi.m[first + flat];
        w.v[packed] = phi.v[first + flat];
    });
}

__device__ inline void put_back(const Work &w, const Vector &phi, Index r) {
    const Index first = r * w.plan[ENCODER_SIZE];
    each_parameter(w.encoder, block_alone(), [&](int flat, int packed) {
        phi.p[first + flat] = w.encoder.p[packed];
        phi.m[first + flat] = w.m[packed];
        phi.v[first + flat] = w.v[packed];
    });
}

// The optimiser's rule at the update of that number, the first being 1.
__device__ inline Optimiser rule_at(int adam, const double *betas, real eps, Index update, real lr) {
    return Optimiser{adam, (real)(1 - betas[0]), (real)(1 - betas[1]), eps,
                     (real)(1 - pow(betas[0], (double)update)), (real)(1 - pow(betas[1], (double)update)), lr};
}

// The moments of a model in memory; a rule that has none leaves them alone.
__device__ inline Held moments_of(const Vector &vector, int adam, Index first) {
    return adam ? Held{vector.m + first, vector.v + first} : Held{vector.p + first, vector.p + first};
}

// log sqrt(gamma), at place `log_sd` of the flat vector, moves by its slope: one thread.
__device__ inline void move_log_sd(const Optimiser &rule, real *p, const Held &moments, int log_sd, real slope) {
    p[log_sd] = plus(p[log_sd], -rule.way(slope, moments.m + log_sd, moments.v + log_sd));
}

// Move the parameters of a living model: the packed copy, and those in memory unless the moments are `held` in the block,
// when all go back together. `slope` is the one of log sqrt(gamma), which is none where `log_sd` is negative. All threads
// of a block.
__device__ inline void move(
    const Net &net, const real *g, const Held &held, const Vector &vector, Index r, int size, int adam,
    const double *betas, real eps, int log_sd, real slope, bool alive
) {
    if (alive) {
        const Optimiser rule = rule_at(adam, betas, eps, vector.t[r] + 1, vector.lr[r]);
        real *const p = vector.p + r * size;
        const Held moments = moments_of(vector, adam, r * size);
        if (held.m)
            each_parameter(net, block_alone(), [&](int, int packed) {
                net.p[packed] = plus(net.p[packed], -rule.way(g[packed], held.m + packed, held.v + packed));
            });
        else
            each_parameter(net, block_alone(), [&](int flat, int packed) {
                net.p[packed] = p[flat] = plus(p[flat], -rule.way(g[packed], moments.m + flat, moments.v + flat));
            });
        if (log_sd >= 0 && threadIdx.x == 0) move_log_sd(rule, p, moments, log_sd, slope);
    }
    __syncthreads();
    if (alive && threadIdx.x == 0) vector.t[r] += 1;
    __syncthreads();
}

// -log N of the mean of |e|^2.
__device__ inline real reconstruction(real square, real log_sd, int d_x) {
    return (real)0.5 * precision(log_sd) * square + (real)d_x * (log_sd + (real)0.91893853320467274178);
}

// The terms of a loss. Bits of `written` say which are reported, of `counted` which are its summands.
constexpr int MOST_TERMS = 4;
struct Terms {
    real term[MOST_TERMS];
    int written, counted;
};

__device__ inline Terms terms_of_joint(const Work &w, const Sums &sums, real share, real tau) {
    const real half = (real)0.5 * share;
    return Terms{{half * sums.square, half * tau * tau * sums.cross, -tau * (real)w.d_x, half * sums.divergence}, 15, 15};
}

// What broke first of the terms, in their order, and the gradient, `first` being the place of the first term's cause: its
// place plus 1, or 0.
__device__ inline Index judge(const Terms &found, bool fine, int first) {
    real loss = 0;
    int cause = 0, next = first;
#pragma unroll
    for (int i = 0; i < MOST_TERMS; ++i) {
        if (!(found.counted >> i & 1)) continue;
        loss += found.term[i];
        ++next;
        if (!cause && !is_finite(found.term[i])) cause = next;
    }
    return !cause && !(fine && is_finite(loss)) ? next + 1 : cause;
}

// Write the terms (MOST_TERMS or fewer, R), and who died of what and when: one thread of a model.
__device__ inline void note(const Terms &found, Index cause, bool alive, const Flags &f, Index r, Index models, real *terms) {
#pragma unroll
    for (int i = 0; i < MOST_TERMS; ++i)
        if (found.written >> i & 1) terms[i * models + r] = found.term[i];
    if (!alive || !cause) return;
    f.alive[r] = false;
    f.cause[r] = cause;
    f.died_at[r] = (Index)f.now + 1;
}

// The terms of the inference objective, (2, R) or (4, R).
__device__ inline Terms inference_terms(const Work &w, const Sums &sums, Index batch, real log_sd) {
    const real share = (real)1 / ((real)batch * (real)w.plan[INFERENCE_SAMPLES]);
    if (JOINT) return terms_of_joint(w, sums, share, precision(log_sd));
    if (w.plan[INFERENCE_LOSS] == KL)
        return Terms{{reconstruction(sums.square * share, log_sd, w.d_x), sums.divergence / (real)batch, 0, 0}, 3, 3};
    return Terms{{(real)0.5 * w.number(INFERENCE_WEIGHT) * sums.square * share, 0, 0, 0}, 1, 1};
}

// After the gradient in phi: terms, burial, and the optimiser. All threads of a block.
__device__ inline void finish_inference(
    const Work &w, const Sums &sums, Index batch, real log_sd, bool held, const Vector &phi, const Flags &flags,
    const double *betas, Index r, Index models, real *terms
) {
    const bool alive = flags.alive[r], fine = all_finite(w.g, w.plan[ENCODER_PACKED], 0);
    const Terms found = inference_terms(w, sums, batch, log_sd);
    const Index cause = judge(found, fine, 0);
    if (threadIdx.x == 0) note(found, cause, alive, flags, r, models, terms);
    const Held moments = {held ? w.m : nullptr, w.v};
    move(w.encoder, w.g, moments, phi, r, w.plan[ENCODER_SIZE], w.plan[ENCODER_ADAM], betas, w.number(ENCODER_EPS), -1, 0, alive && !cause);
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

// The terms of the learning objective, (3, R) or (4, R), the place of its first cause, and the slope of log sqrt(gamma).
struct Learned {
    Terms terms;
    int first;
    real slope;
};

__device__ inline Learned learning_terms(const Work &w, const Sums &sums, Index batch, real log_sd) {
    const bool elbo = w.plan[LEARNING_LOSS] == ELBO, learns = w.plan[GAMMA] == LEARNED_GAMMA;
    const real share = (real)1 / ((real)batch * (real)w.plan[LEARNING_SAMPLES]);
    const real a = sums.square / (real)batch, h = sums.cross / (real)batch, tau = precision(log_sd), d_x = w.d_x;
    if (JOINT) {
        const real slope = 2 * share * (sums.aligned - tau * tau * sums.cross) + 2 * tau * d_x;
        return Learned{terms_of_joint(w, sums, share, tau), 5, learns ? slope : (real)0};
    }
    const int first = w.plan[INFERENCE_LOSS] == KL ? 3 : 2;
    if (elbo) {
        const Terms terms = {{reconstruction(a, log_sd, w.d_x), sums.divergence / (real)batch, 0, 0}, 3, 3};
        return Learned{terms, first, learns ? d_x - tau * a : (real)0};
    }
    const Terms terms = {{(real)0.5 * tau * tau * a, tau * h, -tau * d_x, 0}, 7, w.plan[CROSSES] ? 7 : 5};
    return Learned{terms, first, learns ? -2 * tau * (tau * a + h - d_x) : (real)0};
}

// The gamma of a closed form: one thread of a living model.
__device__ inline void place_gamma(const Work &w, const Gamma &gamma, const Vector &theta, const Flags &flags, Index r) {
    if (w.plan[GAMMA] != OPTIMAL_GAMMA) return;
    theta.p[r * w.plan[DECODER_SIZE] + w.plan[LOG_SD]] = gamma.log_sd;
    flags.kept[r] += gamma.kept;
    flags.floored[r] += gamma.floored;
}

// After the gradient in theta: terms, burial, gamma, and the optimiser. All threads of a block.
__device__ inline void finish_learning(
    const Work &w, const Sums &sums, Index batch, const Gamma &gamma, const Vector &theta, const Flags &flags,
    const double *betas, Index r, Index models, real *terms
) {
    const Learned found = learning_terms(w, sums, batch, gamma.log_sd);
    const bool alive = flags.alive[r], fine = all_finite(w.g, w.plan[DECODER_PACKED], found.slope);
    const Index cause = judge(found.terms, fine, found.first);
    if (threadIdx.x == 0) {
        note(found.terms, cause, alive, flags, r, models, terms);
        if (alive && !cause) place_gamma(w, gamma, theta, flags, r);
    }
    move(w.decoder, w.g, Held{nullptr, nullptr}, theta, r, w.plan[DECODER_SIZE], w.plan[DECODER_ADAM], betas + 2, w.number(DECODER_EPS), w.plan[LOG_SD], found.slope, alive && !cause);
}
