// The tangents of both sweeps of a perceptron along a tangent of its input with fixed weights, from which second-order
// gradients are computed.
//
//     forward_along    dy[l] = f'(y) (w dx)[l]                                  the forward sweep's
//     backward_along   with a the cotangent before an activation, and g = w' a:
//                      a[l] = f'(x) g,  da[l] = f'(x) dg + curve(x) dx g        the backward sweep's
//
// The tangents of the gradients of weights and biases are da x' + a dx' and da. Every layer's tangent has memory of its
// own, which is overwritten by the cotangent's tangent after the tangent's last use.
#include "step_tile.cuh"

// Propagate the tangent of the input to the output, in G groups of rows. `tangent` is the network with the tile of
// tangents, whose input is the tangent of the input.
template <class N, int G, int l = 0>
__device__ inline void forward_along(const Net<N> &net, const Net<N> &tangent) {
    constexpr int F = l + 1 < N::LAYERS ? N::ACTIVATION : N::OUTPUT, all = 4 * G;
    const real *const y = net.template input<l + 1>();
    real *const dy = tangent.template input<l + 1>();
    forward_layer<Layer<N, l>, G, NO_ACTIVATION, false>(net.p, tangent.template input<l>(), dy);
    if constexpr (F != NO_ACTIVATION) {
        EACH(item, (all * Layer<N, l>::OUT)) {
            const int place = item / all * STRIDE + item % all;
            dy[place] *= slope_of<F>(y[place]);
        }
        __syncthreads();
    }
    if constexpr (l + 1 < N::LAYERS) forward_along<N, G, l + 1>(net, tangent);
}

// Propagate gy and its tangent dgy back through an activation F with the output y; dy is overwritten by the tangent.
template <int F, int WIDTH, int G>
__device__ inline void activation_vjp_jvp(const real *y, const real *dgy, real *dy, real *gy) {
    constexpr int all = 4 * G;
    EACH(item, all * WIDTH) {
        const int place = item / all * STRIDE + item % all;
        const real slope = slope_of<F>(y[place]);
        dy[place] = slope * dgy[place] + curve_of<F>(y[place]) * dy[place] * gy[place];
        gy[place] *= slope;
    }
    __syncthreads();
}

// Add the tangents of the gradients of a layer's weights and biases to g.
template <class L, int G>
__device__ inline void gather_along(const real *x, const real *dx, const real *gy, const real *dgy, real *g) {
    gather_layer<L, G, true>(x, dgy, g);
    gather_layer<L, G, false>(dx, gy, g);
}

// Propagate a cotangent and its tangent, in the output of `tangent`, back through the network, both taken before the
// output's activation. Return the buffer of the tangent of the input's cotangent, `cotangent` or `spare`, if that is
// wanted. The tangent of the input is not overwritten. If WITH_G, add the tangents of the parameters' gradients to g.
template <class N, int G, bool WITH_G, bool WANT_X, int l = N::LAYERS - 1>
__device__ inline real *backward_along(
    const Net<N> &net, const Net<N> &tangent, real *cotangent, real *spare, real *g
) {
    typedef Layer<N, l> L;
    const real *const x = net.template input<l>(), *const dgy = tangent.template input<l + 1>();
    real *const dx = tangent.template input<l>();
    if constexpr (WITH_G) gather_along<L, G>(x, dx, cotangent, dgy, g);
    if constexpr (l > 0) {
        backward_layer<L, G, NO_ACTIVATION>(net.p, x, cotangent, spare);
        backward_layer<L, G, NO_ACTIVATION>(net.p, x, dgy, cotangent);
        activation_vjp_jvp<N::ACTIVATION, L::IN, G>(x, cotangent, dx, spare);
        return backward_along<N, G, WITH_G, WANT_X, l - 1>(net, tangent, spare, cotangent, g);
    } else {
        if constexpr (WANT_X) backward_layer<L, G, NO_ACTIVATION>(net.p, x, dgy, cotangent);
        return cotangent;
    }
}

// Write d = z - eps/s - b to the tangent of z, where b is the gradient of log p(x|z) in z.
template <int S>
__device__ inline void score_difference(const Workspace &w, const real *b, int count) {
    constexpr int all = SAMPLE_ROWS<S>;
    const real *const z = w.decoder.input<0>();
    real *const d = w.decoder_tangent.input<0>();
    EACH(item, all * LATENT) {
        const int row = item % all, k = item / all * STRIDE, place = k + row;
        d[place] =
            is_filled<S>(row, count) ? z[place] - w.eps[place] / w.sd[k + row % MOST<S>] - b[place] : (real)0;
    }
    __syncthreads();
}

// Compute the decoder's tangent sweeps along dz = d, from the cotangent c (g - x) with tangent c dg + more (g - x).
template <int S, bool WITH_G, bool WANT_Z>
__device__ inline real *tangents_along_difference(const Workspace &w, real c, real more, int count) {
    constexpr int all = SAMPLE_ROWS<S>, G = all / 4;
    const real *const g = w.decoder.result(), *const x = w.encoder.input<0>();
    real *const dg = w.decoder_tangent.result();
    forward_along<Decoder, G>(w.decoder, w.decoder_tangent);
    EACH(item, all * DATA) {
        const int row = item % all, d = item / all * STRIDE, place = d + row;
        const bool filled = is_filled<S>(row, count);
        const real e = filled ? g[place] - x[d + row % MOST<S>] : (real)0;
        w.cotangent[place] = c * e;
        w.spare[place] = filled ? c * dg[place] + more * e : (real)0;
    }
    __syncthreads();
    activation_vjp_jvp<Decoder::OUTPUT, DATA, G>(g, w.spare, dg, w.cotangent);
    return backward_along<Decoder, G, WITH_G, WANT_Z>(w.decoder, w.decoder_tangent, w.cotangent, w.spare, w.g);
}

// Compute H d, where H is the Hessian of log p(x|z) in z.
template <int S>
__device__ inline const real *hessian_product(const Workspace &w, real tau, int count) {
    return tangents_along_difference<S, false, true>(w, -tau, 0, count);
}
