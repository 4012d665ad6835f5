// A whole training step of a model in one block, J encoder updates and one decoder update, for thousands of models.
//
// Parameters, one gradient and a tile of rows stay in shared memory; so do the encoder's moments for all J updates if
// the plan has MOMENTS. A minibatch and other moments are read from global memory once per update. Noise is generated
// when it is used. Grid: x over models with a strided loop.
// x (U, N, D) holds the minibatches, with stride x_use (0 if all are the same), the decoder's last.
#include "step_update.cuh"

__device__ inline void clear(real *g, int count) {
    EACH(i, count) g[i] = 0;
    __syncthreads();
}

STEP_KERNEL whole_step(
    const real *__restrict__ numbers, const double *__restrict__ betas,
    const real *__restrict__ x, Index x_use, Index batch, const wide *__restrict__ seeds, STEP_NOW,
    STEP_STATE, Index shared_numbers
) {
    DYNAMIC(real, memory, shared_numbers);
    SHARED(real, partial, MAX_THREADS / WARP);
    const Workspace w = workspace_in(memory, numbers);
    const word now = step + rate * ticks[0];
    const Flags flags = {active, cause, diverged_at, kept, floored, now};
    const int updates = ENCODER_STEPS;
    for (Index r = blockIdx.x; r < models; r += gridDim.x) {
        pack(w.encoder, phi + r * Encoder::SIZE);
        pack(w.decoder, theta + r * Decoder::SIZE);
        const real log_sd = theta[r * Decoder::SIZE + LOG_SD];
        if (MOMENTS) load_moments(w, ENCODER_VECTOR, r);
        Minibatch m = {x, (int)batch, 0, (int)batch, seeds[r], (word)INFERENCE_STREAM, 0};
#pragma unroll 1
        for (int j = 0; j < updates; ++j) {
            m.x = x + j * x_use;
            m.step = now * updates + j;
            clear(w.g, Encoder::PACKED);
            const Sums sums = gradient_in_phi(w, m, log_sd, partial);
            finish_inference(w, sums, batch, log_sd, MOMENTS, ENCODER_VECTOR, flags, betas, r, models, phi_terms);
        }
        if (MOMENTS) store_encoder(w, ENCODER_VECTOR, r);
        m.x = x + updates * x_use;
        m.stream = (word)LEARNING_STREAM;
        m.step = now;
        clear(w.g, Decoder::PACKED);
        Gamma gamma = {log_sd, 0, 0};
        Sums sums;
#pragma unroll 1  // the last pass computes the gradient; an optimal gamma is chosen by a pass before it
        for (int last = GAMMA != OPTIMAL_GAMMA; last < 2; ++last) {
            sums = gradient_in_theta(w, m, gamma.log_sd, last, partial);
            if (!last) gamma = optimal_gamma(w, sums, batch, log_sd);
        }
        finish_learning(w, sums, batch, gamma, DECODER_VECTOR, flags, betas, r, models, theta_terms);
    }
}
