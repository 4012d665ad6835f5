// The shapes of a fused step as constants, and the layout of its shared memory.
//
// `step_shape.cuh` is generated for every plan by `step_shape.py`: the constants of the step, and a struct of constants
// for each network, whose TABLE has a row for each layer. Shared memory holds the packed parameters of both networks,
// the gradient of one, a tile of rows of every activation and, in a step of second order, of the decoder's tangents,
// for the joint Fisher divergence also of the encoder's; with MOMENTS, also the moments of the encoder, packed like its
// parameters. Rows are the fast axis: x[i * STRIDE + row], so that neighbouring threads read neighbouring rows. The
// constants SECOND_ORDER and JOINT choose the kind of step.
#include "activations.cuh"
#include "step_codes.cuh"
#include "step_shape.cuh"
#include "sums.cuh"

#ifndef DYNAMIC
#define DYNAMIC(type, name, count)                                                                                   \
    extern __shared__ __align__(16) unsigned char dynamic_memory[];                                                  \
    type *const name = reinterpret_cast<type *>(dynamic_memory)
#endif

#define STEP_KERNEL extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)

static_assert(THREADS % WARP == 0 && THREADS <= MAX_THREADS, "a block has whole warps");
static_assert(ROWS % 4 == 0 && PADDING % 4 == 0, "rows are accessed in fours");

// Loop over items 0 .. count, divided among the threads of a block; without a loop where each has at most one.
#define EACH(item, count)                                                                                            \
    for (int item = threadIdx.x; item < (count); item = (count) <= THREADS ? (count) : item + THREADS)

// Numbers from a feature of a tile to the next one: more than ROWS, so that the same row of different features is in
// different banks.
constexpr int STRIDE = ROWS + PADDING;

// One dense layer: widths, numbers from an output's weights to the next one's, offsets in the flat and in the packed
// vector, and the first feature of its input in a tile.
template <class N, int l>
struct Layer {
    static constexpr int IN = N::TABLE[l][0], OUT = N::TABLE[l][1], IN_PADDED = N::TABLE[l][2];
    static constexpr int W_FLAT = N::TABLE[l][3], B_FLAT = N::TABLE[l][4], W = N::TABLE[l][5], B = N::TABLE[l][6];
    static_assert(IN_PADDED % 4 == 0 && W % 4 == 0 && IN_PADDED >= IN, "weights are read in fours");
};

template <class N>
struct Net {
    real *p, *tile;

    // The output is the input of index LAYERS: its first feature is in the additional last row of the table.
    template <int l>
    __device__ real *input() const {
        return tile + N::TABLE[l][7] * STRIDE;
    }
    __device__ real *result() const { return input<N::LAYERS>(); }
};

// Pointers to all arrays in the shared memory of a block, and the real constants of the plan.
struct Workspace {
    const real *numbers;
    Net<Encoder> encoder;
    Net<Decoder> decoder;
    Net<Decoder> decoder_tangent;  // tangents of both networks, in steps of second order
    Net<Encoder> encoder_tangent;
    real *g;                       // gradient of the network that is updated, packed
    real *cotangent, *spare;       // two buffers for cotangents, alternating by layer
    real *eps, *sd, *s_q;
    real *m, *v;                   // moments of the encoder, with MOMENTS

    __device__ real number(PlanNumber place) const { return numbers[place]; }
};

static_assert(Encoder::PACKED % 4 == 0 && Decoder::PACKED % 4 == 0 && STRIDE % 4 == 0, "arrays begin at a four");

__device__ inline Workspace workspace_in(real *memory, const real *numbers) {
    Workspace w = {};
    w.numbers = numbers;
    real *next = memory;
    w.encoder.p = next;
    next += Encoder::PACKED;
    w.decoder.p = next;
    next += Decoder::PACKED;
    w.g = next;
    next += Encoder::PACKED > Decoder::PACKED ? Encoder::PACKED : Decoder::PACKED;
    w.encoder.tile = next;
    next += Encoder::FEATURES * STRIDE;
    w.decoder.tile = next;
    next += Decoder::FEATURES * STRIDE;
    w.cotangent = next;
    next += WIDEST * STRIDE;
    w.spare = next;
    next += WIDEST * STRIDE;
    w.eps = next;
    next += LATENT * STRIDE;
    w.sd = next;
    next += LATENT * STRIDE;
    w.s_q = next;
    next += CROSSES ? DATA * STRIDE : 0;
    w.decoder_tangent = w.decoder;
    w.decoder_tangent.tile = next;
    next += SECOND_ORDER ? Decoder::FEATURES * STRIDE : 0;
    w.encoder_tangent = w.encoder;
    w.encoder_tangent.tile = next;
    next += JOINT ? Encoder::FEATURES * STRIDE : 0;
    w.m = next;
    w.v = next + Encoder::PACKED;
    return w;
}

#define VALUE_OF(f, F, CODE) case CODE: return F::value(x);
#define SLOPE_OF(f, F, CODE) case CODE: return F::slope(y);
#define CURVE_OF(f, F, CODE) case CODE: return F::curve(y);

template <int f>
__device__ inline real value_of(real x) {
    switch (f) {
        ACTIVATIONS(VALUE_OF)
        default: return x;
    }
}

template <int f>
__device__ inline real slope_of(real y) {
    switch (f) {
        ACTIVATIONS(SLOPE_OF)
        default: return 1;
    }
}

// Compute f'' / f' from the output y.
template <int f>
__device__ inline real curve_of(real y) {
    switch (f) {
        ACTIVATIONS(CURVE_OF)
        default: return 0;
    }
}
