r"""Streamed sums over draws, weighted by an isotropic Gaussian likelihood, for a batch of data.

For draws :math:`g_i` and every datum x, with :math:`e_i = g_i - x` and weights
:math:`w_i \propto e^{-\tau |e_i|^2 / 2}`: the mean of the unnormalised weights, :math:`\sum w_i e_i`,
:math:`\sum w_i |e_i|^2` and the effective sample size. The draws are added in chunks and not stored; the
weights are kept relative to the largest so far, so that nothing over- or underflows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import Array, Kernels
from .batches import host


@dataclass(frozen=True)
class Weighted:
    """The weighted sums over all draws, for R models and N data.

    Attributes
    ----------
    log_mean : Array
        ``(R, N)``, the log of the plain mean of ``exp(-tau |x - g_i|^2 / 2)``.
    residual : Array
        ``(R, N, D)``, ``sum w_i e_i`` with weights that sum to one.
    square : Array
        ``(R, N)``, ``sum w_i |e_i|^2``.
    ess : Array
        ``(R, N)``, ``(sum w_i)^2 / sum w_i^2``: the equivalent number of equally weighted draws.
    """

    log_mean: Array
    residual: Array
    square: Array
    ess: Array


class WeightedSums:
    """The running weighted sums of R models.

    Parameters
    ----------
    k : Kernels
        Kernel set of the sums.
    x : Array
        ``(N, D)``.
    tau : Array
        ``(R,)``, the precision of each model's likelihood.
    """

    def __init__(self, k: Kernels, x: Array, tau: Array) -> None:
        self.k, self.tau, self.draws = k, tau, 0
        self._x, self._tau = k.asarray(x), k.asarray(tau)
        shape = (len(tau), len(x))
        self._least, self._sums = np.full(shape, np.inf), np.zeros((*shape, x.shape[1] + 3))

    def add(self, g: Array) -> None:
        """Add a chunk of draws ``g (R, C, D)`` in the memory of the kernel set."""
        found = self.k.likelihood_sums(self._x, g, self._tau)
        least, sums = (host(self.k, each) for each in found)
        low = np.minimum(self._least, least)
        self._sums = self._shrunk(self._sums, self._least, low) + self._shrunk(sums, least, low)
        self._least = low
        self.draws += g.shape[1]

    def _shrunk(self, sums: Array, least: Array, low: Array) -> Array:
        """Return the sums relative to a smaller square: that of squared weights shrinks twice."""
        shrink = np.exp(0.5 * self.tau[:, None] * (low - least))[..., None]
        powers = np.ones(sums.shape[-1])
        powers[1] = 2
        return np.asarray(sums * shrink**powers)

    def result(self) -> Weighted:
        """Compute the expectations over all draws so far from the sums."""
        total = self._sums[..., 0]
        return Weighted(
            log_mean=np.log(total / self.draws) - 0.5 * self.tau[:, None] * self._least,
            residual=self._sums[..., 3:] / total[..., None],
            square=self._sums[..., 2] / total,
            ess=total**2 / self._sums[..., 1],
        )
