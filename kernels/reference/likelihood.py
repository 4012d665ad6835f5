"""Sums over draws with the weights of an isotropic Gaussian likelihood, for each datum of a batch."""

from __future__ import annotations

import numpy as np

from vsmnp.types import Array

#: Number of data per block: its weights for a chunk of draws fit the cache.
DATA_ROWS = 32


def likelihood_sums(x: Array, g: Array, tau: Array) -> tuple[Array, Array]:
    """Compute the least square ``(R,N)`` and the weighted sums ``(R,N,D+3)``.

    Two matrix products take nearly all the time; squares are expanded, and both arrays are centred so that
    a common offset does not cancel with loss of precision.
    """
    centre = x.mean(0, dtype=np.float64)
    centred = x - centre
    each = [_sums(centred, means - centre, float(own)) for means, own in zip(g, tau, strict=True)]
    return np.stack([least for least, _ in each]), np.stack([sums for _, sums in each])


def _sums(x: Array, g: Array, tau: float) -> tuple[Array, Array]:
    """Compute the sums of one model for centred ``x (N,D)`` and ``g (C,D)``."""
    x_square, g_square = (x * x).sum(1), (g * g).sum(1)
    ones, moments = np.ones(len(g)), np.column_stack([g_square, g])
    linear = np.ascontiguousarray((tau * np.column_stack([g, -0.5 * g_square])).T)
    x_one = np.column_stack([x, np.ones(len(x))])
    least, sums = np.empty(len(x)), np.empty((len(x), x.shape[1] + 3))
    for start in range(0, len(x), DATA_ROWS):
        rows = slice(start, start + DATA_ROWS)
        exponents = x_one[rows] @ linear  # of the weights, up to -tau |x|^2 / 2
        top = exponents.max(1)
        # The exponential in single precision is four times as fast and wrong by 1e-7 of a weight: as
        # all sums share the weights, that is 1e-7 nats, and no difference of sums magnifies it.
        w = np.exp((exponents - top[:, None]).astype(np.float32)).astype(np.float64)
        total, expanded = w @ ones, w @ moments
        square, mean = expanded[:, 0], expanded[:, 1:]
        sums[rows, 0], sums[rows, 1] = total, np.einsum("nc,nc->n", w, w)
        sums[rows, 2] = x_square[rows] * total - 2 * (x[rows] * mean).sum(1) + square
        sums[rows, 3:] = mean - total[:, None] * x[rows]
        least[rows] = x_square[rows] - 2 * top / tau
    return least, sums
