// The tangents of both sweeps of a perceptron along those of its input, weights held: what a gradient of second
// order is made of.
//
//     push             dy[l] = f'(y) (w dx)[l]                                  the forward sweep's
//     backward_along   with a the cotangent before an activation, and g = w' a:
//                      a[l] = f'(x) g,  da[l] = f'(x) dg + curve(x) dx g        the backward sweep's
//
// The tangents of the gradients of weights and biases, which both sweeps meet in, are da x' + a dx' and da. Every layer's
// tangent has a place of its own; when it has been used, the cotangent's tangent takes it over.
#include "step_tile.cuh"

// `along` is the network with the tangents' tile; those of the input stand there.
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

// Past an activation with the output y: gy and its tangent from those behind to those before it. dy becomes the latter.
__device__ inline void bend(int f, const real *y, const real *dgy, real *dy, real *gy, int width, int all, int stride) {
    EACH(item, all * width) {
        const int place = item / all * stride + item % all;
        const real slope = slope_of(f, y[place]);
        dy[place] = slope * dgy[place] + curve_of(f, y[place]) * dy[place] * gy[place];
        gy[place] *= slope;
    }
    __syncthreads();
}

// The tangents of the gradients of a layer's weights and biases.
__device__ inline void gather_along(
    const Layer &layer, const real *x, const real *dx, const real *gy, const real *dgy, real *g, int groups, int stride
) {
    gather_layer(layer, x, dgy, g, groups, stride, true);
    gather_layer(layer, dx, gy, g, groups, stride, false);
}

// Carry a cotangent, in `here`, and its tangent, in the output's place of `along`, back from before the output's
// activation; returns where the tangent at the input stands, which is `here` or `there`, if it is wanted. The input's own
// stays. With g, gather the tangents of the gradients of the parameters.
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

// d = z - eps/s - b into the tangent of z, b the cotangent of z of log p(x|z).
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

// The decoder's backward sweep along dz = d, from the cotangent c (g - x), whose tangent is c dg + more (g - x).
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

// H d, H the Hessian of log p(x|z) in z.
__device__ inline const real *curvature(const Work &w, real tau, int here, int rows) {
    return along_gap(w, -tau, 0, nullptr, true, here, rows);
}
