"""The Gaussian terms of the ``cpu`` set: one pass over the data in tiles that stay in the cache.

A tile is a few neighbouring data, all their dimensions in one row, so that the inner loops are long even
for two-dimensional data; means over the S samples and squares are gathered in buffers of one tile.
"""

from __future__ import annotations

import numpy as np

from vsmnp.types import Array, QuadraticForm

from .cpu_compile import compiled, contiguous, stretched
from .cpu_elementary import formula
from .cpu_rows import cross_only, cross_terms, square_only, square_terms
from .cpu_sums import sum_each
from .cpu_vectors import VECTOR_BYTES

#: Elements of a tile.
TILE = 1024
#: From so many dimensions on, a datum has rows of its own.
WIDE = 64


@compiled
def _forms(
    x: Array, g: Array, q: Array, crosses: bool, wanted: bool, width: int, coefficients: Array,
    weights: Array, a: Array, h: Array, v: Array,
) -> None:  # fmt: skip
    # x (R|1, ND), g, q (R, S, ND), coefficients (4,), weights (2, R), a, h (R, N), v (R, S, ND)
    c_each, c_mean, d_each, d_mean = coefficients[0], coefficients[1], coefficients[2], coefficients[3]
    models, samples, size = g.shape
    per_sample = g.dtype.type(1) / g.dtype.type(samples)
    tile = max(1, TILE // width) * width
    buffers = np.empty((4, tile), g.dtype)
    for r in range(models):
        w_square, w_cross = weights[0, r] * per_sample, weights[1, r] * per_sample
        for low in range(0, size, tile):
            high = min(low + tile, size)
            n, m = slice(low // width, high // width), high - low
            x_tile = x[r % x.shape[0], low:high]
            e_mean, e_square = buffers[0, :m], buffers[1, :m]
            q_mean, q_dot_e = buffers[2, :m], buffers[3, :m]
            buffers[:, :m] = 0
            for s in range(samples):
                g_tile, q_tile = g[r, s, low:high], q[r, s, low:high]
                for i in range(m):
                    e = g_tile[i] - x_tile[i]
                    e_mean[i] += e
                    e_square[i] += e * e
                if crosses:
                    for i in range(m):
                        q_mean[i] += q_tile[i]
                        q_dot_e[i] += q_tile[i] * (g_tile[i] - x_tile[i])
            for i in range(m):
                e_mean[i] *= per_sample
                q_mean[i] *= per_sample
                e_square[i] = c_each * per_sample * e_square[i] + c_mean * e_mean[i] * e_mean[i]
                q_dot_e[i] = d_each * per_sample * q_dot_e[i] + d_mean * q_mean[i] * e_mean[i]
            sum_each(e_square, width, a[r, n])
            if crosses:
                sum_each(q_dot_e, width, h[r, n])
            else:
                h[r, n] = 0
            if wanted:
                for s in range(samples):
                    g_tile, q_tile, v_tile = g[r, s, low:high], q[r, s, low:high], v[r, s, low:high]
                    for i in range(m):
                        v_tile[i] = w_square * (c_each * (g_tile[i] - x_tile[i]) + c_mean * e_mean[i])
                    if crosses:
                        for i in range(m):
                            v_tile[i] += w_cross * (d_each * q_tile[i] + d_mean * q_mean[i])


@formula
def _tail(
    x: Array, g: Array, q: Array, crosses: bool, wanted: bool, samples: int, apart: int, low: int, high: int,
    numbers: Array, sums: Array, v: Array,
) -> None:  # fmt: skip
    """The same as ``cpu_rows`` for the dimensions that do not fill a vector."""
    zero = x.dtype.type(0)
    for i in range(low, high):
        e_sum, q_sum = zero, zero
        for s in range(samples):
            e = g[s * apart + i] - x[i]
            e_sum += e
            sums[0] += e * e
            if crosses:
                q_sum += q[s * apart + i]
                sums[2] += q[s * apart + i] * e
        e_mean, q_mean = e_sum * numbers[0], q_sum * numbers[0]
        sums[1] += e_mean * e_mean
        if crosses:
            sums[3] += q_mean * e_mean
        if wanted:
            for s in range(samples):
                at = s * apart + i
                slope = numbers[1] * (g[at] - x[i]) + numbers[2] * e_mean
                if crosses:
                    slope += numbers[3] * q[at] + numbers[4] * q_mean
                v[at] = slope


@compiled
def _wide(
    x: Array, g: Array, q: Array, crosses: bool, wanted: bool, width: int, coefficients: Array,
    weights: Array, a: Array, h: Array, v: Array,
) -> None:  # fmt: skip
    """Datum by datum: for so many dimensions that a vector of them is worth its own sums.

    x (R|1, ND), g, q (R, S, ND), coefficients (4,), weights (2, R), a, h (R, N), v (R, S, ND).
    """
    models, samples, size = g.shape
    lanes = VECTOR_BYTES // g.itemsize
    whole = width // lanes * lanes
    sums, numbers = np.zeros(4, g.dtype), np.zeros(5, g.dtype)
    share = g.dtype.type(1) / g.dtype.type(samples)
    for r in range(models):
        w_square, w_cross = weights[0, r] * share, weights[1, r] * share
        numbers[0], numbers[1], numbers[2] = share, w_square * coefficients[0], w_square * coefficients[1]
        numbers[3], numbers[4] = w_cross * coefficients[2], w_cross * coefficients[3]
        g_r, q_r, v_r = g[r].reshape(samples * size), q[r].reshape(samples * size), v[r].reshape(v[r].size)
        for n in range(size // width):
            x_n, at = x[r % x.shape[0], n * width : (n + 1) * width], n * width
            sums[2] = sums[3] = 0
            g_n, q_n, v_n = g_r[at:], q_r[at:], v_r[at:]
            if crosses and wanted:
                cross_terms(x_n, g_n, q_n, v_n, samples, size, whole, numbers, sums)
            elif crosses:
                cross_only(x_n, g_n, q_n, g_n, samples, size, whole, numbers, sums)
            elif wanted:
                square_terms(x_n, g_n, g_n, v_n, samples, size, whole, numbers, sums)
            else:
                square_only(x_n, g_n, g_n, g_n, samples, size, whole, numbers, sums)
            _tail(x_n, g_n, q_n, crosses, wanted, samples, size, whole, width, numbers, sums, v_n)
            a[r, n] = coefficients[0] * share * sums[0] + coefficients[1] * sums[1]
            h[r, n] = coefficients[2] * share * sums[2] + coefficients[3] * sums[3] if crosses else 0


def residual_forms(
    x: Array,
    g: Array,
    s_q: Array | None,
    form: QuadraticForm,
    w_square: Array,
    w_cross: Array,
    want_gradient: bool = True,
) -> tuple[Array, Array, Array | None]:
    """``a``, ``h`` and the gradient of ``w_square a/2 + w_cross h``; see :class:`QuadraticForm`."""
    dtype = g.dtype
    models, samples, batch, width = shape = g.shape
    flat = (models, samples, batch * width)
    a, h = np.empty((models, batch), dtype), np.empty((models, batch), dtype)
    v = np.empty(shape if want_gradient else (0, 0, 0, 0), dtype)
    g = contiguous(g).reshape(flat)
    loop = _wide if width >= WIDE else _forms
    loop(
        contiguous(x, dtype).reshape(x.shape[0], batch * width),
        g,
        g if s_q is None else stretched(s_q, shape, dtype).reshape(flat),
        s_q is not None,
        want_gradient,
        width,
        np.array([form.c_each, form.c_mean, form.d_each, form.d_mean], dtype),
        np.array([w_square, w_cross], dtype),
        a,
        h,
        v.reshape(flat if want_gradient else (0, 0, 0)),
    )
    return a, h, v if want_gradient else None


@compiled
def _fisher(
    mu: Array, s: Array, eps: Array, b: Array, width: int, d: Array, loss: Array, gmu: Array, gs: Array
) -> None:
    # mu, s, gmu, gs (R, NZ), eps, b, d (R, S, NZ), loss (R, N)
    models, samples, size = d.shape
    one, two, half = d.dtype.type(1), d.dtype.type(2), d.dtype.type(0.5)
    per_sample = one / d.dtype.type(samples)
    tile = max(1, TILE // width) * width
    buffers = np.empty((2, tile), d.dtype)
    for r in range(models):
        for low in range(0, size, tile):
            high = min(low + tile, size)
            m = high - low
            inverse, square = buffers[0, :m], buffers[1, :m]
            mu_tile, s_tile = mu[r, low:high], s[r, low:high]
            gmu_tile, gs_tile = gmu[r, low:high], gs[r, low:high]
            for i in range(m):
                inverse[i] = one / s_tile[i]
            square[:] = 0
            gmu_tile[:] = 0
            gs_tile[:] = 0
            for k in range(samples):
                eps_tile, b_tile, d_tile = eps[r, k, low:high], b[r, k, low:high], d[r, k, low:high]
                for i in range(m):
                    e = eps_tile[i]
                    d_i = mu_tile[i] + s_tile[i] * e - e * inverse[i] - b_tile[i]
                    d_tile[i] = d_i
                    square[i] += d_i * d_i
                    gmu_tile[i] += d_i
                    gs_tile[i] += d_i * e
            for i in range(m):
                fisher = per_sample * inverse[i] * inverse[i]
                square[i] *= half * per_sample
                gmu_tile[i] *= fisher
                gs_tile[i] *= two * fisher
            sum_each(square, width, loss[r, low // width : high // width])


def posterior_fisher(mu: Array, s: Array, eps: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """``d = z - eps/s - b``; ``gmu = mean d/s^2``, ``gs = mean 2 d eps/s^2``."""
    shape, dtype = np.broadcast_shapes(mu.shape, eps.shape, b.shape), np.result_type(mu, s, eps, b)
    models, samples, batch, width = shape
    one, each = (models, batch * width), (models, samples, batch * width)
    moment = (models, 1, batch, width)
    d, loss = np.empty(shape, dtype), np.empty((models, batch), dtype)
    gmu, gs = np.empty(moment, dtype), np.empty(moment, dtype)
    _fisher(
        stretched(mu, moment, dtype).reshape(one),
        stretched(s, moment, dtype).reshape(one),
        stretched(eps, shape, dtype).reshape(each),
        stretched(b, shape, dtype).reshape(each),
        width,
        d.reshape(each),
        loss,
        gmu.reshape(one),
        gs.reshape(one),
    )
    return d, loss, gmu, gs
