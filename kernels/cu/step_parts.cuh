// A training step of a few models by many blocks: each has a part of the minibatch, and gradients meet in memory.
//
// An update is two launches. `step_part` leaves each block's gradient and sums behind; `step_finish` adds them up in
// the order of the parts and does what `whole_step` does after a gradient. No block waits for another, and no sum depends on
// when it ran. The optimal gamma takes one more launch before, of `step_part` for the sums alone.
#include "step_update.cuh"

enum Side { INFER, LEARN, FORMS };

// The sums of a model's parts, in order.
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

// gradients (R, parts, packed) of one side, sums (R, parts, SUMS); form_sums are those that side FORMS left behind.
// Grid: x over the parts of `chunk` data, y over models, which stride on.
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

// Grid: x over models, which stride on.
STEP_KERNEL step_finish(
    const int *__restrict__ plan, const real *__restrict__ numbers, const double *__restrict__ betas, Index batch,
    int side, int parts, const real *__restrict__ gradients, const real *__restrict__ sums,
    const real *__restrict__ form_sums, STEP_NOW, STEP_STATE, Index shared_numbers
) {
    DYNAMIC(real, memory, shared_numbers);
    const Work w = work_in(memory, plan, numbers);
    const Flags flags = {alive, cause, died_at, kept, floored, step + rate * ticks[0]};
    const int packed = plan[side == INFER ? ENCODER_PACKED : DECODER_PACKED];
    for (Index r = blockIdx.x; r < models; r += gridDim.x) {
        EACH(i, packed) {
            real total = 0;
            for (int part = 0; part < parts; ++part) total += gradients[(r * parts + part) * packed + i];
            w.g[i] = total;
        }
        const Gamma gamma = side == LEARN ? gamma_of(w, theta, form_sums, r, parts, batch)
                                          : Gamma{theta[r * plan[DECODER_SIZE] + plan[LOG_SD]], 0, 0};
        const Sums found = joined_sums(sums, r, parts);
        __syncthreads();
        if (side == INFER)
            finish_inference(w, found, batch, gamma.log_sd, false, ENCODER_VECTOR, flags, betas, r, models, inferred);
        else
            finish_learning(w, found, batch, gamma, DECODER_VECTOR, flags, betas, r, models, learned);
    }
}
