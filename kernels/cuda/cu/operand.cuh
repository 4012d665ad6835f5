// Inputs (R, S, M) of kernels, given by their first element and their strides between models and between samples, 0 if
// the input is shared. Rows are numbered (r, s), samples first.
#include "real.cuh"

struct Operand {
    const real *first;
    Index model, sample;

    __device__ const real *row(Index row, Index samples) const {
        return first + row / samples * model + row % samples * sample;
    }
};

// The parameters of an input that is not written, and the operand that they give.
#define INPUT(x) const real *__restrict__ x, Index x##_model, Index x##_sample
#define OPERAND(x) Operand{x, x##_model, x##_sample}
