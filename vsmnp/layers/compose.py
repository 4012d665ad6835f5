"""Layers composed of other layers: a chain, and a body with a shortcut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

from ..types import Array, Cache, Kernels, Layer, Params, Shapes
from .activated import Activated, can_fuse
from .families import NO_PARAMETERS, Elementwise
from .staged import StagedLayer, plus


def _part(p: Params | None, name: str) -> Params | None:
    """Return the parameters of one sub-layer; a layer without parameters gets an empty tree."""
    return None if p is None else p.get(name, NO_PARAMETERS)


def _own(p: Params, name: str) -> Params:
    return p.get(name, NO_PARAMETERS)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Chain:
    """``y = f_L( ... f_1(x))``; the parameters of sub-layer i have the name ``str(i)``.

    The chain evaluates its ``stages``; its cache is one cache per stage.
    """

    layers: tuple[Layer, ...]

    @cached_property
    def stages(self) -> tuple[tuple[str, Layer], ...]:
        """Parameter names and sub-layers, where an activation is fused with the layer before it."""
        stages: list[tuple[str, Layer]] = []
        taken = False
        for i, layer in enumerate(self.layers):
            behind = self.layers[i + 1] if i + 1 < len(self.layers) else None
            if taken:
                taken = False
            elif behind is not None and can_fuse(layer, behind):
                stages.append((str(i), Activated(cast(StagedLayer, layer), cast(Elementwise, behind))))
                taken = True
            else:
                stages.append((str(i), layer))
        return tuple(stages)

    @cached_property
    def shapes(self) -> Shapes:
        """One sub-tree for each layer that has parameters."""
        return {str(i): layer.shapes for i, layer in enumerate(self.layers) if layer.shapes}

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        caches = []
        for name, layer in self.stages:
            x, c = layer.forward(k, _own(p, name), x)
            caches.append(c)
        return x, tuple(caches)

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        tangents = []
        for (name, layer), c_layer in zip(self.stages, c, strict=True):
            dx, dc = layer.jvp(k, _own(p, name), c_layer, _part(dp, name), dx)
            tangents.append(dc)
        return dx, tuple(tangents)

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        g: Array | None = gy
        first = self._first_needed(want_x)
        for i in reversed(range(first, len(self.stages))):
            assert g is not None
            name, layer = self.stages[i]
            g = layer.vjp(k, _own(p, name), c[i], g, _part(gp, name), want_x or i > first)
        return g if want_x else None

    def vjp_jvp(
        self,
        k: Kernels,
        p: Params,
        c: Cache,
        gy: Array,
        gp: Params | None,
        dp: Params | None,
        dc: Cache,
        dgy: Array | None,
        dgp: Params | None,
        want_x: bool = True,
    ) -> tuple[Array | None, Array | None]:
        g: Array | None = gy
        dg = dgy
        first = self._first_needed(want_x)
        for i in reversed(range(first, len(self.stages))):
            assert g is not None
            (name, layer), dc_layer = self.stages[i], None if dc is None else dc[i]
            g, dg = layer.vjp_jvp(
                k, _own(p, name), c[i], g, _part(gp, name),
                _part(dp, name), dc_layer, dg, _part(dgp, name), want_x or i > first,
            )  # fmt: skip
        return (g, dg) if want_x else (None, None)

    def _first_needed(self, want_x: bool) -> int:
        """Return the stage where a backward sweep may stop: without gx, the first stage with parameters."""
        if want_x:
            return 0
        return next((i for i, (_, layer) in enumerate(self.stages) if layer.shapes), len(self.stages))


@dataclass(frozen=True)
class Residual:
    """``y = body(x) + shortcut(x)``; without a shortcut, ``y = body(x) + x``."""

    body: Layer
    shortcut: Layer | None = None

    @cached_property
    def shapes(self) -> Shapes:
        """Sub-trees of ``body`` and ``shortcut``, where they have parameters."""
        parts = {"body": self.body, "shortcut": self.shortcut}
        return {name: part.shapes for name, part in parts.items() if part is not None and part.shapes}

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        y, c_body = self.body.forward(k, _own(p, "body"), x)
        if self.shortcut is None:
            return y + x, (c_body, None)
        skip, c_skip = self.shortcut.forward(k, _own(p, "shortcut"), x)
        return y + skip, (c_body, c_skip)

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        dy, dc_body = self.body.jvp(k, _own(p, "body"), c[0], _part(dp, "body"), dx)
        if self.shortcut is None:
            return plus(dy, dx), (dc_body, None)
        dskip, dc_skip = self.shortcut.jvp(k, _own(p, "shortcut"), c[1], _part(dp, "shortcut"), dx)
        return plus(dy, dskip), (dc_body, dc_skip)

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        gx = self.body.vjp(k, _own(p, "body"), c[0], gy, _part(gp, "body"), want_x)
        if self.shortcut is None:
            return plus(gx, gy) if want_x else None
        gskip = self.shortcut.vjp(k, _own(p, "shortcut"), c[1], gy, _part(gp, "shortcut"), want_x)
        return plus(gx, gskip)

    def vjp_jvp(
        self,
        k: Kernels,
        p: Params,
        c: Cache,
        gy: Array,
        gp: Params | None,
        dp: Params | None,
        dc: Cache,
        dgy: Array | None,
        dgp: Params | None,
        want_x: bool = True,
    ) -> tuple[Array | None, Array | None]:
        dc_body, dc_skip = (None, None) if dc is None else dc
        gx, dgx = self.body.vjp_jvp(
            k, _own(p, "body"), c[0], gy, _part(gp, "body"),
            _part(dp, "body"), dc_body, dgy, _part(dgp, "body"), want_x,
        )  # fmt: skip
        if self.shortcut is None:
            return (plus(gx, gy), plus(dgx, dgy)) if want_x else (None, None)
        gskip, dgskip = self.shortcut.vjp_jvp(
            k, _own(p, "shortcut"), c[1], gy, _part(gp, "shortcut"),
            _part(dp, "shortcut"), dc_skip, dgy, _part(dgp, "shortcut"), want_x,
        )  # fmt: skip
        return plus(gx, gskip), plus(dgx, dgskip)
