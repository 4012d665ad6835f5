"""Layers for low-dimensional toy problems: input-independent outputs and a product of two functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..layers.compose import IDENTITY
from ..layers.families import NO_PARAMETERS, Elementwise, plus
from ..types import ActivationName, Array, Kernels
from ..types.layer import Cache, Cotangents, Grads, Layer, OutputTangents, Params, Shapes, Tangents


@dataclass(frozen=True)
class Free(Layer):
    """The layer ``y[r,s,n] = b[r]``, independent of x: an encoder that is q's parameters themselves."""

    n_out: int

    @property
    def shapes(self) -> Shapes:
        return {"b": (self.n_out,)}

    def _everywhere(self, k: Kernels, b: Array, x: Array) -> Array:
        return k.add_bias(k.zeros((b.shape[0], *x.shape[1:3], self.n_out), b.dtype), b)

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        return self._everywhere(k, p["b"], x), x

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        return None if dp is None else self._everywhere(k, dp["b"], c), dx

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        def bias_vjp(g: Array | None, gp: Params | None) -> Array | None:
            if g is None:
                return None
            if g.shape[1] < c.shape[1]:  # one cotangent stands for all S samples
                g = g.repeat(c.shape[1], axis=1)
            if gp is not None:
                k.sum_rows(g, gp["b"])
            return k.zeros((*g.shape[:3], *c.shape[3:]), g.dtype) if grads.want_x else None

        return bias_vjp(gy, grads.gp), bias_vjp(d.dgy, grads.dgp)


@dataclass(frozen=True)
class SharpSoftplus(Elementwise):
    """The smooth relu ``y = log(1 + e^(a x)) / a``; ``a y`` is cached, which determines the slope."""

    sharpness: float
    f: ClassVar[ActivationName] = "softplus"

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        c = k.activation(self.f, self.sharpness * x)
        return c / self.sharpness, c

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        dy, _ = super().jvp(k, p, c, dp, dx)
        return dy, None if dy is None else self.sharpness * dy


@dataclass(frozen=True)
class Product(Layer):
    """The layer ``y = f_1(x_1) f_2(x_2)``, for two functions of one coordinate each, without parameters."""

    first: Layer = IDENTITY
    second: Layer = IDENTITY
    shapes: ClassVar[Shapes] = NO_PARAMETERS

    def __post_init__(self) -> None:
        if self.first.shapes or self.second.shapes:
            raise ValueError(
                "The factors of a Product must be layers without parameters, such as activations."
            )

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        one, c_one = self.first.forward(k, p, x[..., :1])
        two, c_two = self.second.forward(k, p, x[..., 1:])
        return one * two, (one, two, c_one, c_two)

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        if dx is None:
            return None, None
        one, two, c_one, c_two = c
        done, dc_one = self.first.jvp(k, p, c_one, None, dx[..., :1])
        dtwo, dc_two = self.second.jvp(k, p, c_two, None, dx[..., 1:])
        return one * dtwo + two * done, (done, dtwo, dc_one, dc_two)

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        if not grads.want_x:
            return None, None
        one, two, c_one, c_two = c
        done, dtwo, dc_one, dc_two = (None,) * 4 if d.dc is None else d.dc
        dg_one, dg_two = (
            plus(None if d.dgy is None else d.dgy * y, None if dy is None else gy * dy)
            for y, dy in ((two, dtwo), (one, done))
        )
        gx_one, dgx_one = self.first.vjp_jvp(k, p, c_one, gy * two, Tangents(None, dc_one, dg_one), Grads())
        gx_two, dgx_two = self.second.vjp_jvp(k, p, c_two, gy * one, Tangents(None, dc_two, dg_two), Grads())
        return _side_by_side(gx_one, gx_two), _side_by_side(dgx_one, dgx_two)


def _side_by_side(one: Array | None, two: Array | None) -> Array | None:
    """Join the cotangents of both coordinates on the last axis; either both are given or neither."""
    return None if one is None or two is None else np.concatenate([one, two], axis=-1)
