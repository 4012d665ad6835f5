"""The Gaussian terms of the ``cpu`` set, in one pass over the data with all samples of a datum in registers.

If data have many dimensions, each datum is summed directly. Otherwise a tile is a few neighbouring data with
all their dimensions in one row, so that vectors are full even for two-dimensional data; the terms of each
dimension are kept in buffers of one tile and summed afterwards.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from vsmnp.types import Array, QuadraticForm

from .allocator import empty_at
from .compilation import compiled, contiguous, stretched
from .llvm import LINE_BYTES
from .sums import sum_each
from .terms_llvm import form_terms, gap_terms, store_fence
from .views import row_of, run_of

#: Number of elements of a tile.
TILE = 1024
#: From so many dimensions on, a datum is summed directly.
WIDE = 64
#: Loops over at most so many samples are unrolled.
KNOWN = 8
#: A gradient of so many bytes is evicted from the caches before it is read. It is written past them: its
#: lines are not fetched before they are overwritten, and the inputs stay cached.
STREAMED_BYTES = 2**25


def _numbers(form: QuadraticForm, w_square: Array, w_cross: Array, samples: int, dtype: Any) -> Array:
    """Compute the factors that ``form_terms`` takes, for each model ``(R, 9)``."""
    share = 1 / samples
    numbers = np.empty((len(w_square), 9), dtype)
    numbers[:, 0] = share
    numbers[:, 1:3] = np.outer(w_square * share, (form.c_each, form.c_mean))
    numbers[:, 3:5] = np.outer(w_cross * share, (form.d_each, form.d_mean))
    numbers[:, 5:] = form.c_each * share, form.c_mean, form.d_each * share, form.d_mean
    return numbers


def _known(samples: int) -> int:
    return samples if samples <= KNOWN else 0


@cache
def _narrow(crosses: bool, wanted: bool) -> Any:
    """Compile the loop for data of few dimensions and one kind of form."""
    cross, want, kept, unheld, cached = int(crosses), int(wanted), 0, 0, 0

    @compiled
    def narrow(
        x: Array, g: Array, q: Array, width: int, numbers: Array, a: Array, h: Array, v: Array
    ) -> None:  # x (R|1, ND), g, q, v (R, S ND), a, h (R, N)
        models, batch = a.shape
        size, tile = batch * width, max(1, TILE // width) * width
        buffers = np.empty((2, tile), g.dtype)
        a_each, h_each = row_of(buffers, 0), row_of(buffers, 1)
        samples = g.shape[1] // size
        for r in range(models):
            for low in range(0, size, tile):
                m, rest = min(tile, size - low), samples * size - low
                form_terms(
                    cross, want, kept, unheld, cached, run_of(x, r % x.shape[0], low, m),
                    run_of(g, r, low, rest), run_of(q, r, low, rest), run_of(v, r, low, rest), samples, size,
                    m, row_of(numbers, r), a_each, h_each,
                )  # fmt: skip
                sum_each(a_each, width, run_of(a, r, low // width, m // width))
                if cross:
                    sum_each(h_each, width, run_of(h, r, low // width, m // width))

    return narrow


@cache
def _wide(crosses: bool, wanted: bool, held: int, streamed: bool) -> Any:
    """Compile the loop for data of many dimensions and one kind of form."""
    cross, want, summed, hold, stream = int(crosses), int(wanted), 1, int(held), int(streamed)

    @compiled
    def wide(
        x: Array, g: Array, q: Array, width: int, numbers: Array, a: Array, h: Array, v: Array
    ) -> None:  # x (R|1, ND), g, q, v (R, S ND), a, h (R, N)
        models, batch = a.shape
        size, sums = batch * width, np.zeros(4, g.dtype)
        samples = g.shape[1] // size
        for r in range(models):
            weights = row_of(numbers, r)
            for n in range(batch):
                low = n * width
                rest = samples * size - low
                form_terms(
                    cross, want, summed, hold, stream, run_of(x, r % x.shape[0], low, width),
                    run_of(g, r, low, rest), run_of(q, r, low, rest), run_of(v, r, low, rest),
                    samples, size, width, weights, sums, sums,
                )  # fmt: skip
                a[r, n] = weights[5] * sums[0] + weights[6] * sums[1]
                if cross:
                    h[r, n] = weights[7] * sums[2] + weights[8] * sums[3]
        if stream:
            store_fence()

    return wide


def residual_forms(
    x: Array, g: Array, s_q: Array | None, form: QuadraticForm, w_square: Array, w_cross: Array,
    want_gradient: bool = True,
) -> tuple[Array, Array, Array | None]:  # fmt: skip
    """Compute ``a``, ``h`` and the gradient of ``w_square a/2 + w_cross h``; see :class:`QuadraticForm`."""
    dtype = g.dtype
    models, samples, batch, width = shape = g.shape
    a, h = np.empty((models, batch), dtype), np.zeros((models, batch), dtype)
    g = contiguous(g)
    rows_are_lines = width * dtype.itemsize % LINE_BYTES == 0
    streamed = want_gradient and rows_are_lines and g.nbytes >= STREAMED_BYTES
    v = empty_at(LINE_BYTES, shape, dtype) if want_gradient else g
    flat = models, samples * batch * width
    kind = s_q is not None, want_gradient
    loop = _wide(*kind, _known(samples), streamed) if width >= WIDE else _narrow(*kind)
    loop(
        contiguous(x, dtype).reshape(x.shape[0], batch * width),
        g.reshape(flat),
        (g if s_q is None else stretched(s_q, shape, dtype)).reshape(flat),
        width,
        _numbers(form, w_square, w_cross, samples, dtype),
        a,
        h,
        v.reshape(flat),
    )
    return a, h, v if want_gradient else None


@cache
def _fisher(known: int) -> Any:
    """Compile the loop for a known number of samples, or for any number (0)."""
    written = int(known)

    @compiled
    def fisher(
        mu: Array, s: Array, eps: Array, b: Array, width: int, d: Array, loss: Array, gmu: Array, gs: Array
    ) -> None:
        # mu, s, gmu, gs (R, NZ), eps, b, d (R, S NZ), loss (R, N)
        models, size = mu.shape
        samples, tile = d.shape[1] // size, max(1, TILE // width) * width
        each, numbers = np.empty(tile, d.dtype), np.empty(3, d.dtype)
        numbers[0], numbers[1], numbers[2] = 1 / samples, 2 / samples, 0.5 / samples
        for r in range(models):
            for low in range(0, size, tile):
                m, rest = min(tile, size - low), samples * size - low
                gap_terms(
                    written, run_of(mu, r, low, m), run_of(s, r, low, m), run_of(eps, r, low, rest),
                    run_of(b, r, low, rest), samples, size, m, numbers, run_of(d, r, low, rest), each,
                    run_of(gmu, r, low, m), run_of(gs, r, low, m),
                )  # fmt: skip
                sum_each(each, width, run_of(loss, r, low // width, m // width))

    return fisher


def posterior_fisher(mu: Array, s: Array, eps: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """Compute ``d = z - eps/s - b``, the loss, ``gmu = mean d/s^2`` and ``gs = mean 2 d eps/s^2``."""
    shape, dtype = np.broadcast_shapes(mu.shape, eps.shape, b.shape), np.result_type(mu, s, eps, b)
    models, samples, batch, width = shape
    one, each = (models, batch * width), (models, samples * batch * width)
    moment = (models, 1, batch, width)
    d, loss = np.empty(shape, dtype), np.empty((models, batch), dtype)
    gmu, gs = np.empty(moment, dtype), np.empty(moment, dtype)
    _fisher(_known(samples))(
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
