"""A two-dimensional dataset: a pinwheel of five twisted arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...types import Array
from .synthetic import Synthetic

_ARMS = 5
_TWIST = 0.2
_SCALE = 0.1


@dataclass(frozen=True, repr=False)
class Pinwheel(Synthetic):
    """Five arms: f = (1 + .3 n1, .1 n2) turned by the angle of its arm plus a twist .2 exp(f1), times 1/10.

    The five-fold symmetry centres the set at zero. The twist has no inverse in closed form, so neither
    the density nor the floors are known: a sampler only.
    """

    name: ClassVar[str] = "pinwheel"
    normals: ClassVar[int] = 2
    uniforms: ClassVar[int] = 1

    def transform(self, n: Array, u: Array) -> Array:
        """Map noise to ``x = (f1 cos a + f2 sin a, -f1 sin a + f2 cos a)/10``; a is the twisted angle.

        ``a = 2 pi k/5 + .2 exp(f1)`` for arm k.
        """
        f1, f2 = 1 + 0.3 * n[:, 0], 0.1 * n[:, 1]
        arm = np.floor(_ARMS * u[:, 0])
        angle = 2 * np.pi * arm / _ARMS + _TWIST * np.exp(f1)
        cos, sin = np.cos(angle), np.sin(angle)
        return _SCALE * np.stack([f1 * cos + f2 * sin, f2 * cos - f1 * sin], axis=1)
