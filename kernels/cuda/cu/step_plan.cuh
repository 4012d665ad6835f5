// The plan of a fused step, and the layout of its shared memory.
//
// A plan is a row of ints, written by `step_plan.py` in the order of `PlanWord`, followed by the layer tables of both
// perceptrons. `PlanWord` and the other enumerations of a plan are generated from the tables of `step_plan.py`. Shared
// memory holds the packed parameters of both networks, the gradient of one, a tile of rows of every activation and, in
// a step of second order, of the decoder's tangents, for the joint Fisher divergence also of the encoder's; if the plan
// has MOMENTS, also the moments of the encoder, packed like its parameters. Rows are the fast axis:
// x[i * stride + row], so that neighbouring threads read neighbouring rows. The constants SECOND_ORDER and JOINT choose
// the kind of step at compile time.
#include "activations.cuh"
#include "step_codes.cuh"
#include "sums.cuh"

#ifndef DYNAMIC
#define DYNAMIC(type, name, count)                                                                                   \
    extern __shared__ __align__(16) unsigned char dynamic_memory[];                                                  \
    type *const name = reinterpret_cast<type *>(dynamic_memory)
#endif

// At least two blocks per multiprocessor, that is 128 registers a thread. Double precision and the joint divergence
// need more registers and are bounded by one block; of the joint divergence's blocks with 128 threads and 103 kB (two
// layers of 30), two still fit.
constexpr int STEP_BLOCKS = sizeof(real) == sizeof(float) && !JOINT ? 2 : 1;
#define STEP_KERNEL extern "C" __global__ void __launch_bounds__(MAX_THREADS, STEP_BLOCKS)

// One dense layer: widths, inputs padded to a multiple of 4, offsets in the flat and in the packed vector, and the
// first feature of its input in a tile.
struct Layer {
    int in, out, in_padded, w_flat, b_flat, w, b, at;
};

struct Net {
    const int *table;
    int layers, activation, output;  // between the layers, and after the last one
    real *p, *tile;

    __device__ Layer layer(int l) const {
        const int *row = table + 8 * l;
        return Layer{row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]};
    }
    __device__ real *input(int l, int stride) const { return tile + table[8 * l + 7] * stride; }
    // The output is the input of index `layers`: its first feature is in the additional last row of the table.
    __device__ real *result(int stride) const { return input(layers, stride); }
};

// The plan, and pointers to all arrays in the shared memory of a block.
struct Workspace {
    const int *plan;
    const real *numbers;
    int d_x, d_z, stride;
    Net encoder, decoder;
    Net decoder_tangent, encoder_tangent;  // tangents of both networks, in steps of second order
    real *g;                               // gradient of the network that is updated, packed
    real *cotangent, *spare;               // two buffers for cotangents, alternating by layer
    real *eps, *sd, *s_q;
    real *m, *v;                           // moments of the encoder, if the plan has MOMENTS

    __device__ real number(PlanNumber place) const { return numbers[place]; }
};

// Read the plan alone; the networks have no memory.
__device__ inline Workspace workspace_of(const int *plan, const real *numbers) {
    Workspace w = {};
    w.plan = plan;
    w.numbers = numbers;
    w.d_x = plan[DATA];
    w.d_z = plan[LATENT];
    w.stride = plan[ROWS] + 4;  // four more than rows, so that the same row of different features is in different banks
    const int *encoder = plan + PLAN_WORDS, *decoder = encoder + 8 * (plan[ENCODER_LAYERS] + 1);
    w.encoder = Net{encoder, plan[ENCODER_LAYERS], plan[ENCODER_ACTIVATION], NO_ACTIVATION, nullptr, nullptr};
    w.decoder = Net{decoder, plan[DECODER_LAYERS], plan[DECODER_ACTIVATION], plan[DECODER_OUTPUT], nullptr, nullptr};
    return w;
}

__device__ inline Workspace workspace_in(real *memory, const int *plan, const real *numbers) {
    Workspace w = workspace_of(plan, numbers);
    real *next = memory;
    w.encoder.p = next;
    next += plan[ENCODER_PACKED];
    w.decoder.p = next;
    next += plan[DECODER_PACKED];
    w.g = next;
    next += plan[ENCODER_PACKED] > plan[DECODER_PACKED] ? plan[ENCODER_PACKED] : plan[DECODER_PACKED];
    w.encoder.tile = next;
    next += plan[ENCODER_FEATURES] * w.stride;
    w.decoder.tile = next;
    next += plan[DECODER_FEATURES] * w.stride;
    w.cotangent = next;
    next += plan[WIDEST] * w.stride;
    w.spare = next;
    next += plan[WIDEST] * w.stride;
    w.eps = next;
    next += w.d_z * w.stride;
    w.sd = next;
    next += w.d_z * w.stride;
    w.s_q = next;
    next += plan[CROSSES] ? w.d_x * w.stride : 0;
    w.decoder_tangent = w.decoder;
    w.decoder_tangent.tile = next;
    next += SECOND_ORDER ? plan[DECODER_FEATURES] * w.stride : 0;
    w.encoder_tangent = w.encoder;
    w.encoder_tangent.tile = next;
    next += JOINT ? plan[ENCODER_FEATURES] * w.stride : 0;
    w.m = next;
    w.v = next + plan[ENCODER_PACKED];
    return w;
}

#define VALUE_OF(f, F, CODE) case CODE: return F::value(x);
#define SLOPE_OF(f, F, CODE) case CODE: return F::slope(y);
#define CURVE_OF(f, F, CODE) case CODE: return F::curve(y);

__device__ inline real value_of(int f, real x) {
    switch (f) {
        ACTIVATIONS(VALUE_OF)
        default: return x;
    }
}

__device__ inline real slope_of(int f, real y) {
    switch (f) {
        ACTIVATIONS(SLOPE_OF)
        default: return 1;
    }
}

// Compute f'' / f' from the output y.
__device__ inline real curve_of(int f, real y) {
    switch (f) {
        ACTIVATIONS(CURVE_OF)
        default: return 0;
    }
}
