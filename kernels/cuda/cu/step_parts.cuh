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

__device__ inline Gamma gamma_of(
    const Workspace &w, const real *theta, const real *form_sums, Index r, int parts, Index batch
) {
    const real log_sd = theta[r * Decoder::SIZE + LOG_SD];
    if (GAMMA != OPTIMAL_GAMMA) return Gamma{log_sd, 0, 0};
    return optimal_gamma(w, joined_sums(form_sums, r, parts), batch, log_sd);
}

// Compute gradients (R, parts, packed) of one side and sums (R, parts, SUMS); form_sums are those computed with side
// GAMMA_SUMS. Grid: x over the parts of `chunk` data, y over models with a strided loop.
STEP_KERNEL step_part(
    const real *__restrict__ numbers, const real *__restrict__ x, Index batch,
    Index chunk, const wide *__restrict__ seeds, word stream, STEP_NOW, int side, const real *__restrict__ phi,
    const real *__restrict__ theta, Index models, const real *__restrict__ form_sums, real *__restrict__ gradients,
    real *__restrict__ sums, Index shared_numbers
) {
    DYNAMIC(real, memory, shared_numbers);
    SHARED(real, partial, MAX_THREADS / WARP);
    const Workspace w = workspace_in(memory, numbers);
    const int parts = gridDim.x, packed = side == INFERENCE ? Encoder::PACKED : Decoder::PACKED;
    const Index low = blockIdx.x * chunk, high = low + chunk < batch ? low + chunk : batch;
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        pack(w.encoder, phi + r * Encoder::SIZE);
        pack(w.decoder, theta + r * Decoder::SIZE);
        EACH(i, packed) w.g[i] = 0;
        __syncthreads();
        const Minibatch m = {x, (int)batch, (int)low, (int)high, seeds[r], stream, step + rate * ticks[0]};
        const Gamma gamma = side == LEARNING ? gamma_of(w, theta, form_sums, r, parts, batch)
                                          : Gamma{theta[r * Decoder::SIZE + LOG_SD], 0, 0};
        const Sums found = side == INFERENCE ? gradient_in_phi(w, m, gamma.log_sd, partial)
                                         : gradient_in_theta(w, m, gamma.log_sd, side == LEARNING, partial);
        const Index place = r * parts + blockIdx.x;
        if (side != GAMMA_SUMS) EACH(i, packed) gradients[place * packed + i] = w.g[i];
        if (threadIdx.x == 0) {
            sums[place * SUMS] = found.square;
            sums[place * SUMS + 1] = found.cross;
            sums[place * SUMS + 2] = found.divergence;
            sums[place * SUMS + 3] = found.aligned;
        }
        __syncthreads();
    }
}

// Sum the parts to totals (R, packed). finite (R, slices): whether a slice of the gradient is finite; found (R,
// FINDINGS); updates (R,): number of this update, 0 if the model has diverged. Grid: x over slices, y over models,
// with strided loops in both.
STEP_KERNEL step_sum(
    const real *__restrict__ numbers, Index batch, int side, int parts,
    const real *__restrict__ gradients, const real *__restrict__ sums, const real *__restrict__ form_sums,
    const real *__restrict__ theta, const bool *__restrict__ active, const Index *__restrict__ t, Index models,
    real *__restrict__ totals, bool *__restrict__ finite, real *__restrict__ found, Index *__restrict__ updates
) {
    const Workspace w = workspace_in(nullptr, numbers);
    const int packed = side == INFERENCE ? Encoder::PACKED : Decoder::PACKED;
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
        finite[r * gridDim.x + blockIdx.x] = !bad;
        if (blockIdx.x) continue;
        const Sums all = joined_sums(sums, r, parts);
        const Gamma gamma = side == LEARNING ? gamma_of(w, theta, form_sums, r, parts, batch)
                                          : Gamma{theta[r * Decoder::SIZE + LOG_SD], 0, 0};
        real *const values = found + r * FINDINGS;
        values[SQUARE] = all.square;
        values[CROSS] = all.cross;
        values[DIVERGENCE] = all.divergence;
        values[ALIGNED] = all.aligned;
        values[LOG_SD_NOW] = gamma.log_sd;
        values[GAMMA_KEPT] = (real)gamma.kept;
        values[GAMMA_FLOORED] = (real)gamma.floored;
        updates[r] = active[r] ? t[r] + 1 : 0;
    }
}

// Finish an update: write the terms, flag diverged models, and step the optimiser. Grid: x over slices of the
// parameters, y over models, with strided loops in both.
STEP_KERNEL step_finish(
    const real *__restrict__ numbers, const double *__restrict__ betas, Index batch,
    int side, int slices, const real *__restrict__ totals, const bool *__restrict__ finite,
    const real *__restrict__ found, const Index *__restrict__ updates, STEP_NOW, STEP_STATE
) {
    const Workspace w = workspace_in(nullptr, numbers);
    const bool of_encoder = side == INFERENCE;
    const Flags flags = {active, cause, diverged_at, kept, floored, step + rate * ticks[0]};
    const Vector vector = of_encoder ? ENCODER_VECTOR : DECODER_VECTOR;
    const int packed = of_encoder ? Encoder::PACKED : Decoder::PACKED;
    const int size = of_encoder ? Encoder::SIZE : Decoder::SIZE;
    const int adam = of_encoder ? Encoder::ADAM : Decoder::ADAM;
    for (Index r = blockIdx.y; r < models; r += gridDim.y) {
        const real *const values = found + r * FINDINGS;
        const Sums sums = {values[SQUARE], values[CROSS], values[DIVERGENCE], values[ALIGNED]};
        const Gamma gamma = {values[LOG_SD_NOW], (int)values[GAMMA_KEPT], (int)values[GAMMA_FLOORED]};
        const LearningResult result = of_encoder ? LearningResult{inference_terms(w, sums, batch, gamma.log_sd), 0, 0}
                                      : learning_terms(w, sums, batch, gamma.log_sd);
        int bad = !is_finite(result.slope);
        EACH(i, slices) bad |= !finite[r * slices + i];
        const Index update = updates[r];
        const Index failure = first_nonfinite(result.terms, !__syncthreads_or(bad), result.first);
        const bool accepted = update && !failure, writer = blockIdx.x == 0 && threadIdx.x == 0;
        if (writer) {
            real *const terms = of_encoder ? phi_terms : theta_terms;
            write_terms_and_flags(result.terms, failure, update > 0, flags, r, models, terms);
            if (accepted && !of_encoder) store_gamma(w, gamma, vector, flags, r);
            if (accepted) vector.t[r] = update;
        }
        if (!accepted) continue;
        const real eps = w.number(of_encoder ? ENCODER_EPS : DECODER_EPS);
        const Optimiser optimiser = optimiser_at(adam, of_encoder ? betas : betas + 2, eps, update, vector.lr[r]);
        real *const p = vector.p + r * size;
        const real *const g = totals + r * packed;
        const Moments moments = moments_of(vector, adam, r * size);
        const auto visit = [&](int flat, int place) {
            p[flat] = plus(p[flat], -optimiser.step(g[place], moments.m + flat, moments.v + flat));
        };
        if (of_encoder)
            each_parameter<Encoder, BlocksAlongX>(visit);
        else
            each_parameter<Decoder, BlocksAlongX>(visit);
        if (writer && !of_encoder) update_log_sd(optimiser, p, moments, LOG_SD, result.slope);
    }
}
