"""A two-dimensional dataset: a thin circular ring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...types import Array
from ..dataset import Bounds
from .synthetic import Synthetic

_RADIUS = 0.5
_SD = 0.02
#: The density has a pole at the origin, far from all data; radii are clipped below at this.
_TINY = 1e-150


@dataclass(frozen=True, repr=False)
class Ring(Synthetic):
    """A thin ring: a uniform angle and a radius from N(.5, .02^2); density N(|x|; .5, .02^2) / (2 pi |x|).

    The mass of negative radii, 1e-138, is neglected.
    """

    name: ClassVar[str] = "ring"
    bounds: ClassVar[Bounds] = Bounds(nll=-1.349157, sm_loss=-1247.990322)
    normals: ClassVar[int] = 1
    uniforms: ClassVar[int] = 1

    def transform(self, n: Array, u: Array) -> Array:
        """Map the noise to ``x = rho (cos theta, sin theta)``, ``theta = 2 pi u``, ``rho = r0 + sigma n``."""
        angle = 2 * np.pi * u
        return np.asarray((_RADIUS + _SD * n) * np.concatenate([np.cos(angle), np.sin(angle)], axis=1))

    def log_density(self, x: Array) -> Array:
        """Compute ``log N(r; r0, sigma^2) - log(2 pi r)`` with ``r = |x|``, ``(N,)``."""
        r = _length(x)[:, 0]
        normal = -0.5 * ((r - _RADIUS) / _SD) ** 2 - np.log(_SD) - 0.5 * np.log(2 * np.pi)
        return np.asarray(normal - np.log(2 * np.pi * r))

    def score(self, x: Array) -> Array:
        """Compute the score ``-((r - r0)/sigma^2 + 1/r) x/r``, ``(N, 2)``."""
        r = _length(x)
        return np.asarray(-((r - _RADIUS) / _SD**2 + 1 / r) * (np.asarray(x, float) / r))


def _length(x: Array) -> Array:
    """Compute ``|x|`` of every row, ``(N, 1)``."""
    x = np.asarray(x, float)
    return np.asarray(np.maximum(np.hypot(x[:, :1], x[:, 1:]), _TINY))
