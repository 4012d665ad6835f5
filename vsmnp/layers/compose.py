"""Layers composed of other layers: a chain, and a body with a shortcut."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

from ..types import Array, Kernels
from ..types.layer import Cache, Cotangents, Grads, Layer, OutputTangents, Params, Shapes, Tangents, part
from .activated import fused
from .families import LinearMap, plus


class Composed(Layer):
    """The base of layers composed of ``stages``: parameters are a tree, and the cache a tuple, of theirs."""

    @property
    @abstractmethod
    def stages(self) -> tuple[tuple[str, Layer], ...]:
        """The sub-layers in the order of the cache, each with the name of its sub-tree of parameters."""

    @cached_property
    def shapes(self) -> Shapes:
        """One sub-tree for each sub-layer that has parameters."""
        return {name: layer.shapes for name, layer in self.stages if layer.shapes}


@dataclass(frozen=True)
class Chain(Composed):
    """``y = f_L( ... f_1(x))``; the parameters of sub-layer i have the name ``str(i)``."""

    layers: tuple[Layer, ...]

    @cached_property
    def stages(self) -> tuple[tuple[str, Layer], ...]:
        """Parameter names and sub-layers, where an activation is fused with the layer before it."""
        stages: list[tuple[str, Layer]] = []
        for i, layer in enumerate(self.layers):
            pair = fused(stages[-1][1], layer) if stages else None
            if pair is None:
                stages.append((str(i), layer))
            else:
                stages[-1] = stages[-1][0], pair
        return tuple(stages)

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        caches = []
        for name, layer in self.stages:
            x, c = layer.forward(k, p.get(name, {}), x)
            caches.append(c)
        return x, tuple(caches)

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        tangents = []
        for (name, layer), c_layer in zip(self.stages, c, strict=True):
            dx, dc = layer.jvp(k, p.get(name, {}), c_layer, part(dp, name), dx)
            tangents.append(dc)
        return dx, tuple(tangents)

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        g: Array | None = gy
        dg = d.dgy
        first = 0 if grads.want_x else self._first_with_parameters
        for i in reversed(range(first, len(self.stages))):
            assert g is not None
            name, layer = self.stages[i]
            wanted = grads.part(name, grads.want_x or i > first)
            g, dg = layer.vjp_jvp(k, p.get(name, {}), c[i], g, d.part(name, i, dg), wanted)
        return (g, dg) if grads.want_x else (None, None)

    @cached_property
    def _first_with_parameters(self) -> int:
        """Index of the stage where a backward sweep ends if the gradient in x is not wanted."""
        return next((i for i, (_, layer) in enumerate(self.stages) if layer.shapes), len(self.stages))


@dataclass(frozen=True)
class Identity(LinearMap):
    """The identity layer ``y = x``."""

    def apply(self, k: Kernels, x: Array) -> Array:
        return x

    def adjoint(self, k: Kernels, gy: Array) -> Array:
        return gy


#: Default shortcut of a :class:`Residual`.
IDENTITY = Identity()


@dataclass(frozen=True)
class Residual(Composed):
    """``y = body(x) + shortcut(x)``; the default shortcut is the identity."""

    body: Layer
    shortcut: Layer = IDENTITY

    @property
    def stages(self) -> tuple[tuple[str, Layer], ...]:
        return ("body", self.body), ("shortcut", self.shortcut)

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        (y, c_body), (skip, c_skip) = (layer.forward(k, p.get(name, {}), x) for name, layer in self.stages)
        return y + skip, (c_body, c_skip)

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        (dy, dc_body), (dskip, dc_skip) = (
            layer.jvp(k, p.get(name, {}), c[i], part(dp, name), dx)
            for i, (name, layer) in enumerate(self.stages)
        )
        return plus(dy, dskip), (dc_body, dc_skip)

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        (gx, dgx), (gskip, dgskip) = (
            layer.vjp_jvp(
                k, p.get(name, {}), c[i], gy, d.part(name, i, d.dgy), grads.part(name, grads.want_x)
            )
            for i, (name, layer) in enumerate(self.stages)
        )
        return plus(gx, gskip), plus(dgx, dgskip)
