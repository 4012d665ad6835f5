// Visit the parameters of a network, by one block or by all blocks of a model, and copy them to shared memory.
#include "step_joint.cuh"

// The threads that share the parameters of a model: one block, or all blocks along x. Types without members, because
// special registers have the values. EACH divides among one block.
struct OneBlock {
    __device__ static int first() { return (int)threadIdx.x; }
    __device__ static constexpr int size() { return THREADS; }
};
struct BlocksAlongX {
    __device__ static int first() { return (int)(blockIdx.x * THREADS + threadIdx.x); }
    __device__ static int size() { return (int)(gridDim.x * THREADS); }
};

// The indices of a parameter in the flat and in the packed vector, from its number `item` among those of layers l and
// following: weights and biases layer by layer.
struct Indices {
    int flat, packed;
};

template <class N, int l = 0>
__device__ inline Indices indices_of(int item) {
    typedef Layer<N, l> L;
    constexpr int weights = L::OUT * L::IN, count = weights + L::OUT;
    if constexpr (l + 1 < N::LAYERS)
        if (item >= count) return indices_of<N, l + 1>(item - count);
    const int bias = item - weights;
    return bias >= 0 ? Indices{L::B_FLAT + bias, L::B + bias}
                     : Indices{L::W_FLAT + item, L::W + item / L::IN * L::IN_PADDED + item % L::IN};
}

template <class N, int l = 0>
__device__ constexpr int parameters_from() {
    constexpr int count = Layer<N, l>::OUT * (Layer<N, l>::IN + 1);
    if constexpr (l + 1 < N::LAYERS)
        return count + parameters_from<N, l + 1>();
    else
        return count;
}

// Visit every parameter of a network by its indices; a thread visits the same parameters in each call. One loop for all
// layers, so that the code of a visit is not repeated for each of them.
template <class N, class Threads, class Visit>
__device__ inline void each_parameter(Visit visit) {
#pragma unroll 1
    for (int item = Threads::first(); item < parameters_from<N>(); item += Threads::size()) {
        const Indices at = indices_of<N>(item);
        visit(at.flat, at.packed);
    }
}

// Copy the parameters of a model from its flat vector to shared memory, and pad their rows with zeros.
template <class N>
__device__ inline void pack(const Net<N> &net, const real *flat) {
    EACH(i, N::PACKED) net.p[i] = 0;
    __syncthreads();
#pragma unroll 4
    EACH(item, parameters_from<N>()) {
        const Indices at = indices_of<N>(item);
        net.p[at.packed] = flat[at.flat];
    }
    __syncthreads();
}
