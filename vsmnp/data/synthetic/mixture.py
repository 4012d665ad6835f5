"""A two-dimensional dataset: a mixture of two round Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...types import Array
from ..dataset import Bounds
from .synthetic import Synthetic

_MEAN = np.array([0.5, 0.5])
_SD = 0.2


@dataclass(frozen=True, repr=False)
class Mixture(Synthetic):
    """An equal mixture of two round Gaussians, N((-.5, -.5), .04 I) and N((.5, .5), .04 I)."""

    name: ClassVar[str] = "mixture"
    bounds: ClassVar[Bounds] = Bounds(nll=0.311556, sm_loss=-24.901715)
    normals: ClassVar[int] = 2
    uniforms: ClassVar[int] = 1

    def transform(self, n: Array, u: Array) -> Array:
        """Map the noise to points ``x = +-mean + sd n``, each sign with probability one half."""
        return np.asarray(np.where(u < 0.5, -1.0, 1.0) * _MEAN + _SD * n)

    def log_density(self, x: Array) -> Array:
        """Compute ``log(N(x; m, sd^2 I)/2 + N(x; -m, sd^2 I)/2)``, ``(N,)``."""
        x = np.asarray(x, float)
        logs = [-((x - m) ** 2).sum(-1) / (2 * _SD**2) for m in (-_MEAN, _MEAN)]
        return np.asarray(np.logaddexp(*logs) - np.log(4 * np.pi * _SD**2))

    def score(self, x: Array) -> Array:
        """Compute ``(m tanh(m.x/sd^2) - x) / sd^2``, ``(N, 2)``.

        The tanh is the difference of the responsibilities.
        """
        x = np.asarray(x, float)
        side = np.tanh(x @ _MEAN / _SD**2)
        return np.asarray((side[:, None] * _MEAN - x) / _SD**2)
