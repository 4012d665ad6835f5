r"""Streamed sums over draws, weighted by an isotropic Gaussian likelihood, for a batch of data.

For draws :math:`g_i` and every datum x, with :math:`e_i = g_i - x` and weights
:math:`w_i \propto e^{-\tau |e_i|^2 / 2}`: the mean of the unnormalised weights, :math:`\sum w_i e_i`,
:math:`\sum w_i |e_i|^2` and the effective sample size. The draws are added in chunks and not stored; the
weights are kept relative to the largest so far, so that nothing over- or underflows.

Two matrix products per chunk take nearly all the time:

.. math:: \log w = [x, 1] \, [\tau g, -\tau |g|^2 / 2]^T \quad (\text{up to } -\tau |x|^2 / 2), \qquad
          \text{sums} = w \, [1, |g|^2, g] .
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import Array
from .batches import spans

#: Number of data per block: its weights for a chunk of draws fit the cache.
DATA_ROWS = 32


@dataclass(frozen=True)
class Weighted:
    """The weighted sums over all draws, for each of N data.

    Attributes
    ----------
    log_mean : Array
        ``(N,)``, the log of the plain mean of ``exp(-tau |x - g_i|^2 / 2)``.
    residual : Array
        ``(N, D)``, ``sum w_i e_i`` with weights that sum to one.
    square : Array
        ``(N,)``, ``sum w_i |e_i|^2``.
    ess : Array
        ``(N,)``, ``(sum w_i)^2 / sum w_i^2``: the equivalent number of equally weighted draws.
    """

    log_mean: Array
    residual: Array
    square: Array
    ess: Array


class WeightedSums:
    """The running weighted sums of one model.

    Parameters
    ----------
    x : Array
        ``(N, D)`` float64. Centre x and the draws by the same vector: squares are expanded, and a common
        offset of x and g would cancel with loss of precision.
    tau : float
        Precision of the likelihood.
    """

    def __init__(self, x: Array, tau: float) -> None:
        self.x, self.tau, self.draws = x, tau, 0
        self._x1 = np.column_stack([x, np.ones(len(x))])
        self._top = np.full(len(x), -np.inf)
        self._sums = np.zeros((len(x), x.shape[1] + 2))
        self._squares = np.zeros(len(x))

    def add(self, g: Array) -> None:
        """Add a chunk of draws ``g (C, D)``, float64."""
        g_square = (g * g).sum(1)
        linear = np.ascontiguousarray((self.tau * np.column_stack([g, -0.5 * g_square])).T)
        moments = np.column_stack([np.ones(len(g)), g_square, g])
        weights = np.empty((DATA_ROWS, len(g)))
        single = np.empty((DATA_ROWS, len(g)), np.float32)
        for rows in spans(len(self.x), DATA_ROWS):
            size = rows.stop - rows.start
            self._add(rows, linear, moments, weights[:size], single[:size])
        self.draws += len(g)

    def _add(self, rows: slice, linear: Array, moments: Array, w: Array, single: Array) -> None:
        np.matmul(self._x1[rows], linear, out=w)
        top = np.maximum(self._top[rows], w.max(1))
        # The exponential in single precision is four times as fast and wrong by 1e-7 of a weight: as
        # all sums share the weights, that is 1e-7 nats, and no difference of sums magnifies it.
        np.subtract(w, top[:, None], out=single, casting="same_kind")
        np.exp(single, out=single)
        np.copyto(w, single)
        shrink = np.exp(self._top[rows] - top)
        self._sums[rows] = shrink[:, None] * self._sums[rows] + w @ moments
        self._squares[rows] = shrink**2 * self._squares[rows] + np.einsum("nc,nc->n", w, w)
        self._top[rows] = top

    def result(self) -> Weighted:
        """Compute the expectations over all draws so far from the sums."""
        x, total = self.x, self._sums[:, 0]
        x_square = (x * x).sum(1)
        mean_square, mean = self._sums[:, 1] / total, self._sums[:, 2:] / total[:, None]
        return Weighted(
            log_mean=self._top - 0.5 * self.tau * x_square + np.log(total / self.draws),
            residual=mean - x,
            square=x_square - 2 * (x * mean).sum(1) + mean_square,
            ess=total**2 / self._squares,
        )
