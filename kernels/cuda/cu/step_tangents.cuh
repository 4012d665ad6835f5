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

// Propagate the tangent of the input to the output. `tangent` is the network with the tile of tangents, whose input
// is the tangent of the input.
__device__ inline void forward_along(const Net &net, const Net &tangent, int rows, int stride) {
    const int all = padded(rows);
    for (int l = 0; l < net.layers; ++l) {
        const Layer layer = net.layer(l);
        const int f = l + 1 < net.layers ? net.activation : net.output;
        const real *const y = net.input(l + 1, stride);
        real *const dy = tangent.input(l + 1, stride);
        forward_layer(layer, net.p, tangent.input(l, stride), dy, all / 4, stride, NO_ACTIVATION, false);
        if (f == NO_ACTIVATION) continue;
        EACH(item, all * layer.out) {
            const int place = item / all * stride + item % all;
            dy[place] *= slope_of(f, y[place]);
        }
        __syncthreads();
    }
}

// Propagate gy and its tangent dgy back through an activation with the output y; dy is overwritten by the tangent.
__device__ inline void activation_vjp_jvp(
    int f, const real *y, const real *dgy, real *dy, real *gy, int width, int all, int stride
) {
    EACH(item, all * width) {
        const int place = item / all * stride + item % all;
        const real slope = slope_of(f, y[place]);
        dy[place] = slope * dgy[place] + curve_of(f, y[place]) * dy[place] * gy[place];
        gy[place] *= slope;
    }
    __syncthreads();
}

// Add the tangents of the gradients of a layer's weights and biases to g.
__device__ inline void gather_along(
    const Layer &layer, const real *x, const real *dx, const real *gy, const real *dgy, real *g, int groups, int stride
) {
    gather_layer(layer, x, dgy, g, groups, stride, true);
    gather_layer(layer, dx, gy, g, groups, stride, false);
}

// Propagate a cotangent and its tangent, in the output of `tangent`, back through the network, both taken before the
// output's activation. Return the buffer of the tangent of the input's cotangent, `cotangent` or `spare`, if that is
// wanted. The tangent of the input is not overwritten. If g is given, add the tangents of the parameters' gradients.
__device__ inline real *backward_along(
    const Net &net, const Net &tangent, real *cotangent, real *spare, real *g, bool want_x, int rows, int stride
) {
    const int all = padded(rows);
    for (int l = net.layers - 1; l > 0; --l) {
        const Layer layer = net.layer(l);
        const real *const x = net.input(l, stride), *const dgy = tangent.input(l + 1, stride);
        real *const dx = tangent.input(l, stride);
        if (g) gather_along(layer, x, dx, cotangent, dgy, g, all / 4, stride);
        backward_layer(layer, net.p, x, cotangent, spare, all / 4, stride, NO_ACTIVATION);
        backward_layer(layer, net.p, x, dgy, cotangent, all / 4, stride, NO_ACTIVATION);
        activation_vjp_jvp(net.activation, x, cotangent, dx, spare, layer.in, all, stride);
        real *const swapped = cotangent;
        cotangent = spare;
        spare = swapped;
    }
    const Layer first = net.layer(0);
    const real *const x = net.input(0, stride), *const dgy = tangent.input(1, stride);
    if (g) gather_along(first, x, tangent.input(0, stride), cotangent, dgy, g, all / 4, stride);
    if (want_x) backward_layer(first, net.p, x, dgy, cotangent, all / 4, stride, NO_ACTIVATION);
    return cotangent;
}

// Write d = z - eps/s - b to the tangent of z, where b is the gradient of log p(x|z) in z.
__device__ inline void score_difference(const Workspace &w, const real *b, int count, int rows) {
    const int all = padded(rows);
    const real *const z = w.decoder.input(0, w.stride);
    real *const d = w.decoder_tangent.input(0, w.stride);
    EACH(item, all * w.d_z) {
        const int row = item % all, k = item / all * w.stride, place = k + row;
        d[place] = row < rows ? z[place] - w.eps[place] / w.sd[k + row % count] - b[place] : (real)0;
    }
    __syncthreads();
}

// Compute the decoder's tangent sweeps along dz = d, from the cotangent c (g - x) with tangent c dg + more (g - x).
__device__ inline real *tangents_along_difference(
    const Workspace &w, real c, real more, real *g_theta, bool want_z, int count, int rows
) {
    const int all = padded(rows), stride = w.stride;
    const real *const g = w.decoder.result(stride), *const x = w.encoder.input(0, stride);
    real *const dg = w.decoder_tangent.result(stride);
    forward_along(w.decoder, w.decoder_tangent, rows, stride);
    EACH(item, all * w.d_x) {
        const int row = item % all, d = item / all * stride, place = d + row;
        const real e = row < rows ? g[place] - x[d + row % count] : (real)0;
        w.cotangent[place] = c * e;
        w.spare[place] = row < rows ? c * dg[place] + more * e : (real)0;
    }
    __syncthreads();
    activation_vjp_jvp(w.decoder.output, g, w.spare, dg, w.cotangent, w.d_x, all, stride);
    return backward_along(w.decoder, w.decoder_tangent, w.cotangent, w.spare, g_theta, want_z, rows, stride);
}

// Compute H d, where H is the Hessian of log p(x|z) in z.
__device__ inline const real *hessian_product(const Workspace &w, real tau, int count, int rows) {
    return tangents_along_difference(w, -tau, 0, nullptr, true, count, rows);
}
