"""The dense layer: an affine map of the features of each sample."""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Array, Kernels, Shapes
from .families import Bilinear


def _rows(x: Array) -> Array:
    """Reshape ``(R, S, N, F)`` to the matrices ``(R, S*N, F)``."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


@dataclass(frozen=True)
class Dense(Bilinear):
    """The dense layer ``y[r,s,n,o] = sum_i w[r,o,i] x[r,s,n,i] + b[r,o]``."""

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
