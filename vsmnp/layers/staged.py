"""Layers that are linear in their weights, in pieces: so that an activation can go in between.

The last step of such a layer is a slope and a shift for each channel; the first step of its ``vjp`` is to sum
the cotangent over each channel's pixels. Both can be done while an activation walks over the same memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from ..types import ActivationName, Array, Cache, Kernels, Params, Shapes


def plus(a: Array | None, b: Array | None) -> Array | None:
    """``a + b``, where None is zero."""
    if a is None or b is None:
        return a if b is None else b
    return a + b


class Line(NamedTuple):
    """``y = slope x + shift`` of each channel, not computed yet: an activation does it on its way.

    Attributes
    ----------
    x : Array
        ``(R, S, N, ..., C)``.
    slope, shift : Array or None
        ``(R, S, C)``; R and S broadcast, None is 1 or 0.
    temporary : bool
        Whether y may lie where x does.
    cache : Cache
        That of the layer's ``forward``.
    """

    x: Array
    slope: Array | None
    shift: Array | None
    temporary: bool
    cache: Cache


class Heard(NamedTuple):
    """A cotangent of a layer's output, and what of its sums the layer's rules need.

    Attributes
    ----------
    values : Array
        ``(R, S, N, ..., C)``.
    total, cross : Array or None
        Over N and space, ``(R, S, C)``: its sum; and that of its product with the layer's centred input.
    temporary : bool
        Whether a result may lie where ``values`` does.
    """

    values: Array
    total: Array | None = None
    cross: Array | None = None
    temporary: bool = False


class Weighted(ABC):
    """A layer whose rules come in pieces.

    ``line`` is ``forward`` but for its last step; ``hear`` and ``pull`` together are ``vjp``, and
    ``pull_along`` is the tangent of the latter. A layer with an activation behind it
    (:class:`~vsmnp.layers.activated.Activated`) hears through that.
    """

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """As every layer has it."""

    @abstractmethod
    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        """As every layer has it."""

    @abstractmethod
    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        """As every layer has it."""

    @abstractmethod
    def line(self, k: Kernels, p: Params, x: Array) -> Line:
        """``forward`` but for its last step."""

    @abstractmethod
    def hear(
        self, k: Kernels, p: Params, c: Cache, f: ActivationName | None, y: Array | None, gy: Array,
        weights: bool,
    ) -> Heard:  # fmt: skip
        """``gy``, or ``f'(a) gy`` where y is f of the layer's output a, with the sums that ``pull`` needs."""

    @abstractmethod
    def pull(
        self, k: Kernels, p: Params, c: Cache, g: Heard, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        """``vjp`` of what was heard."""

    @abstractmethod
    def pull_along(
        self, k: Kernels, p: Params, c: Cache, g: Heard, gp: Params | None, dp: Params | None, dc: Cache,
        dg: Heard | None, dgp: Params | None, want_x: bool = True,
    ) -> tuple[Array | None, Array | None]:  # fmt: skip
        """``pull``, and its tangent along ``(dp, dc, dg)``."""

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        return self.pull(k, p, c, self.hear(k, p, c, None, None, gy, gp is not None), gp, want_x)

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
        g = self.hear(k, p, c, None, None, gy, gp is not None)
        dg = None if dgy is None else self.hear(k, p, c, None, None, dgy, dgp is not None)
        return self.pull_along(k, p, c, g, gp, dp, dc, dg, dgp, want_x)


class Affine(Weighted):
    """A layer that is linear in x, too: the tangent of its ``pull`` is made of that ``pull`` itself."""

    @abstractmethod
    def accumulate_along(self, k: Kernels, p: Params, dc: Cache, gy: Array, dgp: Params) -> None:
        """``dgp += `` the tangent along ``dc`` of the gradient in the weights."""

    def along(self, p: Params, dp: Params) -> Params:
        """The parameters whose ``vjp`` is its tangent along ``dp``."""
        return dp

    def pull_along(
        self, k: Kernels, p: Params, c: Cache, g: Heard, gp: Params | None, dp: Params | None, dc: Cache,
        dg: Heard | None, dgp: Params | None, want_x: bool = True,
    ) -> tuple[Array | None, Array | None]:  # fmt: skip
        """``pull``, and its tangent along ``(dp, dc, dg)``."""
        kept = g._replace(temporary=False)
        if dgp is not None:
            if dg is not None:
                self.pull(k, p, c, dg, dgp, want_x=False)
            if dc is not None:
                self.accumulate_along(k, p, dc, g.values, dgp)
        dgx = None if dg is None or not want_x else self.pull(k, p, c, dg, None)
        if dp is not None and want_x:
            dgx = plus(dgx, self.pull(k, self.along(p, dp), c, kept, None))
        return self.pull(k, p, c, g, gp, want_x), dgx
