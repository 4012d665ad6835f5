"""Sums over draws with the weights of a Gaussian likelihood, in one pass over blocks that stay in the cache.

Squares are sums of exact differences in double precision, whose offset may be any. A weight is an exponential
in single precision, which takes most of the time: it is four times as fast and wrong by 1e-7 of a weight. As
all sums share the weights, that is 1e-7 nats, and no difference of sums magnifies it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import config, types

from vsmnp.types import Array

from ..formulas.elementary import bits_as, exp, formula, reassociating
from ..reference import likelihood as reference
from .compilation import compiled
from .views import row_of, run_of

#: Number of draws of a block, whose squares and weights stay in the first cache with the draws.
BLOCK = 1024
#: Number of data that a thread takes at once.
ROWS = 64
#: Smaller exponents are replaced by this one, whose weight is negligible: processors take many times longer
#: for numbers that underflow.
LOWEST = -80.0
#: From so many dimensions on, the products of the reference are faster.
WIDE = 64


@formula
def _add_squares(g: Any, x: Any, squares: Any, first: Any) -> None:
    """Add ``(g - x)^2`` to the squares, or set them in the first dimension."""
    if first:
        for c in range(g.size):
            e = g[c] - x
            squares[c] = e * e
    else:
        for c in range(g.size):
            e = g[c] - x
            squares[c] += e * e


@formula
def _least(squares: Any) -> Any:
    """Return the least square; the bits of numbers that are not negative have the order of the numbers.

    Compilers vectorise a least integer, but not a least number, for which a NaN is no number of an order.
    """
    least = bits_as(squares[0], types.int64)
    for c in range(squares.size):
        bits = bits_as(squares[c], types.int64)
        least = bits if bits < least else least
    return bits_as(least, types.float64)


@reassociating
def _moments(w: Any, q: Any) -> tuple[Any, Any, Any]:
    """Return the sums of w, w^2 and w q."""
    total, squares, product = 0.0, 0.0, 0.0
    for c in range(w.size):
        total += w[c]
        squares += w[c] * w[c]
        product += w[c] * q[c]
    return total, squares, product


@reassociating
def _residual(w: Any, g: Any, x: Any) -> Any:
    """Return ``sum w (g - x)`` in the precision of g."""
    result = g.dtype.type(0)
    for c in range(w.size):
        result += w[c] * (g[c] - x)
    return result


@compiled
def _sum_rows(
    x: Array, g: Array, half: float, exponents: Array, squares: Array, least: Array, sums: Array
) -> None:  # x (N, D), g (D, C), exponents (2, BLOCK) float32, squares (2, BLOCK), least (N,), sums (N, D+3)
    batch, width = x.shape
    draws = g.shape[1]
    for n in range(batch):
        own, low = row_of(sums, n), np.inf
        for start in range(0, draws, BLOCK):
            count = min(BLOCK, draws - start)
            y, w = run_of(exponents, 0, 0, count), run_of(exponents, 1, 0, count)
            q, wide = run_of(squares, 0, 0, count), run_of(squares, 1, 0, count)
            for d in range(width):
                _add_squares(run_of(g, d, start, count), x[n, d], q, d == 0)
            here = _least(q)
            if here < low or start == 0:
                shrink = exp(half * (here - low)) if start else 0.0
                for j in range(own.size):
                    own[j] *= shrink
                own[1] *= shrink
                low = here
            for c in range(count):
                exponent = half * (low - q[c])
                y[c] = LOWEST if exponent < LOWEST else exponent
            for c in range(count):
                w[c] = exp(y[c])
            for c in range(count):
                wide[c] = w[c]
            total, total_squares, product = _moments(wide, q)
            own[0] += total
            own[1] += total_squares
            own[2] += product
            for d in range(width):
                own[3 + d] += _residual(wide, run_of(g, d, start, count), x[n, d])
        least[n] = low


def likelihood_sums(x: Array, g: Array, tau: Array) -> tuple[Array, Array]:
    """Compute the least square ``(R,N)`` and the weighted sums ``(R,N,D+3)``; threads share the data."""
    models, batch, width = len(g), *x.shape
    if width >= WIDE:
        return reference.likelihood_sums(x, g, tau)
    x = np.array(x, np.float64, order="C")
    draws = np.array(g.transpose(0, 2, 1), np.float64, order="C")
    least, sums = np.empty((models, batch)), np.zeros((models, batch, width + 3))

    def some(job: tuple[int, int]) -> None:
        r, start = job
        rows = slice(start, start + ROWS)
        exponents, squares = np.empty((2, BLOCK), np.float32), np.empty((2, BLOCK))
        _sum_rows(x[rows], draws[r], 0.5 * float(tau[r]), exponents, squares, least[r, rows], sums[r, rows])

    jobs = [(r, start) for r in range(models) for start in range(0, batch, ROWS)]
    threads = min(config.NUMBA_NUM_THREADS, len(jobs))
    if threads == 1:
        for job in jobs:
            some(job)
        return least, sums
    with ThreadPoolExecutor(threads, "vsmnp") as pool:
        for _ in pool.map(some, jobs):
            pass
    return least, sums
