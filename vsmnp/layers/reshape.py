"""A layer that changes the axes of a sample and keeps the order of its elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import Array, Kernels, Shape
from .families import LinearMap


@dataclass(frozen=True)
class Reshape(LinearMap):
    """Reshape each sample: ``(R, S, N, *before) -> (R, S, N, *after)``."""

    before: Shape
    after: Shape

    def __post_init__(self) -> None:
        if np.prod(self.before) != np.prod(self.after):
            raise ValueError(
                f"A Reshape keeps the number of elements: {self.before} and {self.after} have different ones."
            )

    def apply(self, k: Kernels, x: Array) -> Array:
        return x.reshape(*x.shape[:3], *self.after)

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        return gy.reshape(*gy.shape[:3], *self.before)
