"""Define the protocol of layers, and the records of tangents and gradients that its rules take."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from .arrays import Array
from .protocols import Kernels

#: A tree of parameter shapes: ``{"w": (3, 2), "b": (3,)}``, nested once per composed layer.
Shapes: TypeAlias = Mapping[str, Any]
#: The same tree with an array ``(R, *shape)`` at every leaf: parameters, tangents or gradients.
Params: TypeAlias = Mapping[str, Any]
#: What ``forward`` keeps for the other rules; its tangent has the same structure.
Cache: TypeAlias = Any
#: The result ``(dy, dc)`` of ``jvp``: the tangents of the output, None if zero, and of the cache.
OutputTangents: TypeAlias = tuple[Array | None, Cache]
#: The result ``(gx, dgx)`` of ``vjp_jvp``: the input's cotangent, None if not wanted, and its tangent.
Cotangents: TypeAlias = tuple[Array | None, Array | None]


def part(p: Params | None, name: str) -> Params | None:
    """Select the sub-tree of one sub-layer, which is empty for a layer without parameters."""
    return None if p is None else p.get(name, {})


class Tangents(NamedTuple):
    """The tangents of all that a backward sweep depends on; None is the zero tangent.

    Attributes
    ----------
    dp : Params or None
        Tangent of the parameters.
    dc : Cache
        Tangent of the cache, as ``jvp`` returns it.
    dgy : Array or None
        Tangent of the output's cotangent.
    """

    dp: Params | None = None
    dc: Cache = None
    dgy: Array | None = None

    @property
    def all_zero(self) -> bool:
        """Whether all tangents are zero."""
        return self.dp is None and self.dc is None and self.dgy is None

    def part(self, name: str, place: int, dgy: Array | None) -> Tangents:
        """Select those of the sub-layer ``name``, which has the cache ``c[place]``, with the given dgy."""
        return Tangents(part(self.dp, name), None if self.dc is None else self.dc[place], dgy)


class Grads(NamedTuple):
    """The gradients that a backward sweep computes.

    Attributes
    ----------
    gp, dgp : Params or None
        Trees to which the gradient in the parameters and its tangent are added; None if not wanted.
    want_x : bool
        Whether the cotangent of the input and its tangent are computed.
    """

    gp: Params | None = None
    dgp: Params | None = None
    want_x: bool = True

    def part(self, name: str, want_x: bool) -> Grads:
        """Select those of the sub-layer ``name``."""
        return Grads(part(self.gp, name), part(self.dgp, name), want_x)


class Layer(Protocol):
    """A layer ``y = f(p, x)``: a frozen dataclass of configuration with four rules; no tape and no graph.

    A layer inherits from this class and states ``forward``, ``jvp`` and ``vjp_jvp``; ``vjp`` follows.
    ``p`` are parameters ``(R, *shape)`` in the tree of ``shapes``.
    """

    @property
    def shapes(self) -> Shapes:
        """The tree of this layer's parameter shapes."""

    @abstractmethod
    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        """Compute ``y`` and the cache ``c`` of primal values that the other rules need."""

    @abstractmethod
    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        """Compute the tangent of ``y`` along ``(dp, dx)``, and the tangent of the cache."""

    @abstractmethod
    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        """Compute ``gx`` and its tangent along ``d``; add the parameters' gradients to ``grads``."""

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None = None, want_x: bool = True
    ) -> Array | None:
        """Compute the cotangent of ``x``, if wanted, and add that of the parameters to ``gp``."""
        return self.vjp_jvp(k, p, c, gy, Tangents(), Grads(gp, None, want_x))[0]
