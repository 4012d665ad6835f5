"""The layers without coupling between samples: each states its formula, its family does the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import ActivationName, Array, Kernels, Layer, Shape, Shapes
from .families import Bilinear, Linear, Pointwise


def _rows(x: Array) -> Array:
    """``(R, S, N, F)`` as the matrices ``(R, S*N, F)``."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


@dataclass(frozen=True)
class Dense(Bilinear):
    """``y[r,s,n,o] = sum_i w[r,o,i] x[r,s,n,i] + b[r,o]``."""

    n_in: int
    n_out: int

    @property
    def shapes(self) -> Shapes:
        return {"w": (self.n_out, self.n_in), "b": (self.n_out,)}

    def apply(self, k: Kernels, w: Array, x: Array) -> Array:
        return k.gemm(_rows(x), w, tb=True).reshape(-1, *x.shape[1:3], self.n_out)

    def adjoint_x(self, k: Kernels, gy: Array, w: Array) -> Array:
        return k.gemm(_rows(gy), w).reshape(-1, *gy.shape[1:3], self.n_in)

    def adjoint_w(self, k: Kernels, gy: Array, x: Array, out: Array) -> None:
        k.gemm(_rows(gy), _rows(x), ta=True, out=out, accumulate=True)


@dataclass(frozen=True)
class Reshape(Linear):
    """``(R, S, N, *before) -> (R, S, N, *after)``."""

    before: Shape
    after: Shape

    def __post_init__(self) -> None:
        if np.prod(self.before) != np.prod(self.after):
            raise ValueError(f"Reshape cannot turn {self.before} into {self.after}: sizes differ.")

    def apply(self, k: Kernels, x: Array) -> Array:
        return x.reshape(*x.shape[:3], *self.after)

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        return gy.reshape(*gy.shape[:3], *self.before)


@dataclass(frozen=True)
class Relu(Pointwise):
    """``max(x, 0)``. Its kink is invisible to pathwise second derivatives."""

    f: ClassVar[ActivationName] = "relu"


@dataclass(frozen=True)
class Elu(Pointwise):
    """``x`` if positive, else ``e^x - 1`` (alpha = 1, so that the slope is continuous)."""

    f: ClassVar[ActivationName] = "elu"


@dataclass(frozen=True)
class Softplus(Pointwise):
    """``log(1 + e^x)``."""

    f: ClassVar[ActivationName] = "softplus"


@dataclass(frozen=True)
class Sigmoid(Pointwise):
    """``1 / (1 + e^-x)``."""

    f: ClassVar[ActivationName] = "sigmoid"


@dataclass(frozen=True)
class Tanh(Pointwise):
    """``tanh x``."""

    f: ClassVar[ActivationName] = "tanh"


#: The activations that a network may be built with, by name.
ACTIVATIONS: dict[str, Layer] = {layer.f: layer for layer in (Relu(), Elu(), Softplus(), Sigmoid(), Tanh())}
