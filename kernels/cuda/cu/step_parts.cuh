// A training step of a few models by many blocks: each block has a part of the minibatch, and the partial gradients are
// summed through global memory.
//
// An update is three launches. `step_part` writes each block's gradient and sums; `step_sum` adds them up in the order
// of the parts, each block a slice of the gradient; each block of `step_finish` then updates a slice of the parameters.
// Blocks do not synchronise with each other, and no sum depends on the order in which blocks run nor on how many run at
// a time. The optimal gamma takes one more launch before these, of `step_part` for the sums alone.
//
// Values that all blocks of `step_finish` read and one of them changes are copied by `step_sum`: log sqrt(gamma), the
// flags of diverged models, and the count of updates.
#include "step_update.cuh"

// Add up the sums of a model's parts in order.
__device__ inline Sums joined_sums(const real *sums, Index r, int parts) {
    Sums total = {0, 0, 0, 0};
    for (int part = 0; part < parts; ++part) {
        const real *const s = sums + (r * parts + part) * SUMS;
        total.square += s[0];
        total.cross += s[1];
        total.divergence += s[2];
        total.aligned += s[3];
    }
    return total;
}

__device__ inline Gamma gamma_of(const Work &w, const real *theta, const real *form_sums, Index r, int parts, Index batch) {
    const real log_sd = theta[r * w.plan[DECODER_SIZE] + w.plan[LOG_SD]];
    if (w.plan[GAMMA] != OPTIMAL_GAMMA) return Gamma{log_sd, 0, 0};
    return choose(w, joined_sums(form_sums, r, parts), batch, log_sd);
}

// Compute gradients (R, parts, packed) of one side and sums (R, parts, SUMS); form_sums are those computed with side
// FORMS. Grid: x over the parts of `chunk` data, y over models with a strided loop.
STEP_KERNEL step_part(
    const int *__restrict__ plan, const real *__restrict__ numbers, const real *__restrict__ x, Index batch,
    Index chunk, const wide *__restrict__ seeds, word stream, STEP_NOW, int side, const real *__restrict__ phi,
    const real *__restrict__ theta, Index models, const real *__restrict__ form_sums, real *__restrict__ gradients,
    real *__restrict__ sums, Index shared_numbers
) {
    DYNAMIC(real, memory, shared_numbers);
    SHARED(real, partial, MAX_THREADS / WARP);
    const Work w = work_in(memory, plan, numbers);
    const int parts = gridDim.x, packed = plan[side == INFER ? ENCODER_PACKED : DECODER_PACKED];
    const Index low = blockIdx.x * chunk, high = low + chunk < batch ? low + chunk : batch;
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        pack(w.encoder, phi + r * plan[ENCODER_SIZE]);
        pack(w.decoder, theta + r * plan[DECODER_SIZE]);
        EACH(i, packed) w.g[i] = 0;
        __syncthreads();
        const Minibatch m = {x, (int)batch, (int)low, (int)high, seeds[r], stream, step + rate * ticks[0]};
        const Gamma gamma = side == LEARN ? gamma_of(w, theta, form_sums, r, parts, batch)
                                          : Gamma{theta[r * plan[DECODER_SIZE] + plan[LOG_SD]], 0, 0};
        const Sums found = side == INFER ? inference_at(w, m, gamma.log_sd, partial)
                                         : learning_at(w, m, gamma.log_sd, side == LEARN, partial);
        const Index place = r * parts + blockIdx.x;
        if (side != FORMS) EACH(i, packed) gradients[place * packed + i] = w.g[i];
        if (threadIdx.x == 0) {
            sums[place * SUMS] = found.square;
            sums[place * SUMS + 1] = found.cross;
            sums[place * SUMS + 2] = found.divergence;
            sums[place * SUMS + 3] = found.aligned;
        }
        __syncthreads();
    }
}

// Indices of the numbers that `step_finish` reads of a model besides its gradient.
enum Finding { SQUARE, CROSS, DIVERGENCE, ALIGNED, LOG_SD_NOW, GAMMA_KEPT, GAMMA_FLOORED, FINDINGS };

// Sum the parts to totals (R, packed). fine (R, slices): whether a slice of the gradient is finite; found (R, FINDINGS);
// updates (R,): number of this update, 0 if the model has diverged. Grid: x over slices, y over models, strided.
STEP_KERNEL step_sum(
    const int *__restrict__ plan, const real *__restrict__ numbers, Index batch, int side, int parts,
    const real *__restrict__ gradients, const real *__restrict__ sums, const real *__restrict__ form_sums,
    const real *__restrict__ theta, const bool *__restrict__ alive, const Index *__restrict__ t, Index models,
    real *__restrict__ totals, bool *__restrict__ fine, real *__restrict__ found, Index *__restrict__ updates
) {
    const Work w = work_of(plan, numbers);
    const int packed = plan[side == INFER ? ENCODER_PACKED : DECODER_PACKED];
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        int bad = 0;
        for (int i = BlocksAlongX::first(); i < packed; i += BlocksAlongX::size()) {
            real total = 0;
            for (int part = 0; part < parts; ++part) total += gradients[(r * parts + part) * packed + i];
            totals[r * packed + i] = total;
            bad |= !is_finite(total);
        }
        bad = __syncthreads_or(bad);
        if (threadIdx.x) continue;
        fine[r * gridDim.x + blockIdx.x] = !bad;
        if (blockIdx.x) continue;
        const Sums all = joined_sums(sums, r, parts);
        const Gamma gamma = side == LEARN ? gamma_of(w, theta, form_sums, r, parts, batch)
                                          : Gamma{theta[r * plan[DECODER_SIZE] + plan[LOG_SD]], 0, 0};
        real *const here = found + r * FINDINGS;
        here[SQUARE] = all.square;
        here[CROSS] = all.cross;
        here[DIVERGENCE] = all.divergence;
        here[ALIGNED] = all.aligned;
        here[LOG_SD_NOW] = gamma.log_sd;
        here[GAMMA_KEPT] = (real)gamma.kept;
        here[GAMMA_FLOORED] = (real)gamma.floored;
        updates[r] = alive[r] ? t[r] + 1 : 0;
    }
}

// Finish an update: write the terms, flag diverged models, and step the optimiser. Grid: x over slices of the
// parameters, y over models, with strided loops in both.
STEP_KERNEL step_finish(
    const int *__restrict__ plan, const real *__restrict__ numbers, const double *__restrict__ betas, Index batch,
    int side, int slices, const real *__restrict__ totals, const bool *__restrict__ fine, const real *__restrict__ found,
    const Index *__restrict__ updates, STEP_NOW, STEP_STATE
) {
    const Work w = work_of(plan, numbers);
    const bool infers = side == INFER;
    const Flags flags = {alive, cause, died_at, kept, floored, step + rate * ticks[0]};
    const Vector vector = infers ? ENCODER_VECTOR : DECODER_VECTOR;
    const Net net = infers ? w.encoder : w.decoder;
    const int packed = plan[infers ? ENCODER_PACKED : DECODER_PACKED], size = plan[infers ? ENCODER_SIZE : DECODER_SIZE];
    const int adam = plan[infers ? ENCODER_ADAM : DECODER_ADAM];
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        const real *const here = found + r * FINDINGS;
        const Sums sums = {here[SQUARE], here[CROSS], here[DIVERGENCE], here[ALIGNED]};
        const Gamma gamma = {here[LOG_SD_NOW], (int)here[GAMMA_KEPT], (int)here[GAMMA_FLOORED]};
        const Learned judged = infers ? Learned{inference_terms(w, sums, batch, gamma.log_sd), 0, 0}
                                      : learning_terms(w, sums, batch, gamma.log_sd);
        int bad = !is_finite(judged.slope);
        EACH(i, slices) bad |= !fine[r * slices + i];
        const Index update = updates[r], broke = judge(judged.terms, !__syncthreads_or(bad), judged.first);
        const bool moves = update && !broke, writes = blockIdx.x == 0 && threadIdx.x == 0;
        if (writes) {
            note(judged.terms, broke, update > 0, flags, r, models, infers ? inferred : learned);
            if (moves && !infers) place_gamma(w, gamma, vector, flags, r);
            if (moves) vector.t[r] = update;
        }
        if (!moves) continue;
        const Optimiser rule = rule_at(adam, infers ? betas : betas + 2, w.number(infers ? ENCODER_EPS : DECODER_EPS), update, vector.lr[r]);
        real *const p = vector.p + r * size;
        const real *const g = totals + r * packed;
        const Held moments = moments_of(vector, adam, r * size);
        each_parameter<BlocksAlongX>(net, [&](int flat, int place) {
            p[flat] = plus(p[flat], -rule.way(g[place], moments.m + flat, moments.v + flat));
        });
        if (writes && !infers) move_log_sd(rule, p, moments, plan[LOG_SD], judged.slope);
    }
}
