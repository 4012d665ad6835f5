// The tangents of both sweeps of a perceptron along a tangent of its input with fixed weights, from which second-order
// gradients are computed.
//
//     push             dy[l] = f'(y) (w dx)[l]                                  the forward sweep's
//     backward_along   with a the cotangent before an activation, and g = w' a:
//                      a[l] = f'(x) g,  da[l] = f'(x) dg + curve(x) dx g        the backward sweep's
//
// The tangents of the gradients of weights and biases are da x' + a dx' and da. Every layer's tangent has memory of its
// own, which is overwritten by the cotangent's tangent after the tangent's last use.
#include "step_tile.cuh"

// Propagate the tangent of the input to the output. `along` is the network with the tile of tangents, whose input holds
// the tangent of the input.
__device__ inline void push(const Net &net, const Net &along, int rows, int stride) {
    const int all = filled(rows);
    for (int l = 0; l < net.layers; ++l) {
        const Layer layer = net.layer(l);
        const int f = l + 1 < net.layers ? net.activation : net.output;
        const real *const y = net.input(l + 1, stride);
        real *const dy = along.input(l + 1, stride);
        forward_layer(layer, net.p, along.input(l, stride), dy, all / 4, stride, NO_ACTIVATION, false);
        if (f == NO_ACTIVATION) continue;
        EACH(item, all * layer.out) {
            const int place = item / all * stride + item % all;
            dy[place] *= slope_of(f, y[place]);
        }
        __syncthreads();
    }
}

// Propagate gy and its tangent dgy back through an activation with the output y; dy is overwritten by the tangent.
__device__ inline void bend(int f, const real *y, const real *dgy, real *dy, real *gy, int width, int all, int stride) {
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

// Propagate a cotangent, in `here`, and its tangent, in the output of `along`, back through the network, both taken
// before the output's activation. Return the buffer of the tangent of the input's cotangent, `here` or `there`, if that
// is wanted. The tangent of the input is not overwritten. If g is given, add the tangents of the parameters' gradients.
__device__ inline real *backward_along(
    const Net &net, const Net &along, real *here, real *there, real *g, bool want_x, int rows, int stride
) {
    const int all = filled(rows);
    for (int l = net.layers - 1; l > 0; --l) {
        const Layer layer = net.layer(l);
        const real *const x = net.input(l, stride), *const dgy = along.input(l + 1, stride);
        real *const dx = along.input(l, stride);
        if (g) gather_along(layer, x, dx, here, dgy, g, all / 4, stride);
        backward_layer(layer, net.p, x, here, there, all / 4, stride, NO_ACTIVATION);
        backward_layer(layer, net.p, x, dgy, here, all / 4, stride, NO_ACTIVATION);
        bend(net.activation, x, here, dx, there, layer.in, all, stride);
        real *const turn = here;
        here = there;
        there = turn;
    }
    const Layer first = net.layer(0);
    const real *const x = net.input(0, stride), *const dgy = along.input(1, stride);
    if (g) gather_along(first, x, along.input(0, stride), here, dgy, g, all / 4, stride);
    if (want_x) backward_layer(first, net.p, x, dgy, here, all / 4, stride, NO_ACTIVATION);
    return here;
}

// Write d = z - eps/s - b to the tangent of z, where b is the gradient of log p(x|z) in z.
__device__ inline void gaps(const Work &w, const real *b, int here, int rows) {
    const int all = filled(rows);
    const real *const z = w.decoder.input(0, w.stride);
    real *const d = w.along.input(0, w.stride);
    EACH(item, all * w.d_z) {
        const int row = item % all, k = item / all * w.stride, place = k + row;
        d[place] = row < rows ? z[place] - w.eps[place] / w.sd[k + row % here] - b[place] : (real)0;
    }
    __syncthreads();
}

// Compute the decoder's tangent sweeps along dz = d, from the cotangent c (g - x) with tangent c dg + more (g - x).
__device__ inline real *along_gap(const Work &w, real c, real more, real *g_theta, bool want_z, int here, int rows) {
    const int all = filled(rows), stride = w.stride;
    const real *const g = w.decoder.result(stride), *const x = w.encoder.input(0, stride);
    real *const dg = w.along.result(stride);
    push(w.decoder, w.along, rows, stride);
    EACH(item, all * w.d_x) {
        const int row = item % all, d = item / all * stride, place = d + row;
        const real e = row < rows ? g[place] - x[d + row % here] : (real)0;
        w.here[place] = c * e;
        w.there[place] = row < rows ? c * dg[place] + more * e : (real)0;
    }
    __syncthreads();
    bend(w.decoder.output, g, w.there, dg, w.here, w.d_x, all, stride);
    return backward_along(w.decoder, w.along, w.here, w.there, g_theta, want_z, rows, stride);
}

// Compute H d, where H is the Hessian of log p(x|z) in z.
__device__ inline const real *curvature(const Work &w, real tau, int here, int rows) {
    return along_gap(w, -tau, 0, nullptr, true, here, rows);
}
