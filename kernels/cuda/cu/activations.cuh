// The activations and their derivatives as functions of the output y:
// f'(x) = slope(y) and f''(x) = curve(y) slope(y).
//
//     name       value(x)                    slope(y)               curve(y)
//     relu       max(x, 0)                   1 if y > 0 else 0      0
//     elu        x if x > 0 else e^x - 1     1 if y > 0 else y + 1  0 if y > 0 else 1
//     softplus   log(1 + e^x)                1 - e^-y               e^-y
//     sigmoid    1 / (1 + e^-x)              y (1 - y)              1 - 2 y
//     tanh       tanh x                      1 - y^2                -2 y
//     exp        e^x                         y                      1
//
// Comparisons are written so that they are false for a NaN, which then propagates through the arithmetic.
// Every name has a struct here; `ACTIVATIONS(X)`, their list, is generated from `reference/activations.py`.
#include "activation_table.cuh"
#include "real.cuh"

struct Relu {
    __device__ static real value(real x) { return x < 0 ? (real)0 : x; }
    __device__ static real slope(real y) { return y > 0 ? (real)1 : (real)0; }
    __device__ static real curve(real y) { return 0; }
};

struct Elu {
    __device__ static real value(real x) { return x > 0 ? x : expm1(x); }
    __device__ static real slope(real y) { return y > 0 ? (real)1 : y + 1; }
    __device__ static real curve(real y) { return y <= 0 ? (real)1 : (real)0; }
};

struct Softplus {
    __device__ static real value(real x) { return (x < 0 ? (real)0 : x) + log1p(exp(-fabs(x))); }
    __device__ static real slope(real y) { return -expm1(-y); }
    __device__ static real curve(real y) { return exp(-y); }
};

struct Sigmoid {
    __device__ static real value(real x) {
        const real e = exp(-fabs(x));  // only e^-|x| is computed, which cannot overflow
        return (x < 0 ? e : (real)1) / (1 + e);
    }
    __device__ static real slope(real y) { return y * (1 - y); }
    __device__ static real curve(real y) { return 1 - 2 * y; }
};

struct Tanh {
    __device__ static real value(real x) { return tanh(x); }
    __device__ static real slope(real y) { return 1 - y * y; }
    __device__ static real curve(real y) { return -2 * y; }
};

struct Exp {
    __device__ static real value(real x) { return exp(x); }
    __device__ static real slope(real y) { return y; }
    __device__ static real curve(real y) { return 1; }
};
