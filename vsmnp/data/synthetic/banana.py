"""A two-dimensional dataset: a Gaussian bent along a parabola."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...types import Array
from ..dataset import Bounds
from .synthetic import Synthetic

_SD1, _SD2 = 0.2, 0.1
_CURVATURE = 2.0


@dataclass(frozen=True, repr=False)
class Banana(Synthetic):
    """A Gaussian bent along a parabola: x1 = .2 n1, x2 = .1 n2 + 2 x1^2 - .08 with standard normal n1, n2.

    The shear has unit Jacobian, so the entropy is the Gaussian's, and the mean is zero.
    """

    name: ClassVar[str] = "banana"
    bounds: ClassVar[Bounds] = Bounds(nll=-1.074146, sm_loss=-94.5)
    normals: ClassVar[int] = 2

    def transform(self, n: Array, u: Array) -> Array:
        """Map the noise to points ``(sd1 n1, sd2 n2 + parabola(x1))``."""
        x1 = _SD1 * n[:, 0]
        return np.stack([x1, _SD2 * n[:, 1] + _parabola(x1)], axis=1)

    def log_density(self, x: Array) -> Array:
        """Compute ``log N(x1; 0, .04) + log N(x2; 2 x1^2 - .08, .01)``, ``(N,)``."""
        x1, e = _independent(x)
        square = (x1 / _SD1) ** 2 + (e / _SD2) ** 2
        return np.asarray(-0.5 * square - np.log(2 * np.pi * _SD1 * _SD2))

    def score(self, x: Array) -> Array:
        """Compute ``(-x1/.04 + 400 x1 e, -100 e)`` with ``e = x2 - 2 x1^2 + .08``, ``(N, 2)``."""
        x1, e = _independent(x)
        s2 = -e / _SD2**2
        return np.stack([-x1 / _SD1**2 - 2 * _CURVATURE * x1 * s2, s2], axis=1)


def _parabola(x1: Array) -> Array:
    """Compute ``2 x1^2 - .08``: a parabola whose mean over x1 is zero."""
    return np.asarray(_CURVATURE * (x1**2 - _SD1**2))


def _independent(x: Array) -> tuple[Array, Array]:
    """Compute ``(x1, e)``, the two independent Gaussians before the shear, each ``(N,)``."""
    x = np.asarray(x, float)
    return x[:, 0], x[:, 1] - _parabola(x[:, 0])
