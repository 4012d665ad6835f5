"""Layers whose forward and vjp are split in two, so that an activation can be fused between the halves.

The last step of such a layer is a slope and a shift for each channel; the first step of its ``vjp`` is to sum
the cotangent over each channel's pixels. Both can share one pass over memory with the activation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from ..types import ActivationName, Array, Cache, Kernels, Params, Shapes


def plus(a: Array | None, b: Array | None) -> Array | None:
    """Add two arrays, where None stands for zero."""
    if a is None or b is None:
        return a if b is None else b
    return a + b


class PendingAffine(NamedTuple):
    """The map ``y = slope x + shift`` of each channel, left for the following activation to compute.

    Attributes
    ----------
    x : Array
        ``(R, S, N, ..., C)``.
    slope, shift : Array or None
        ``(R, S, C)``; R and S broadcast; None stands for 1 or 0.
    temporary : bool
        Whether y may overwrite x.
    cache : Cache
        Cache of the layer's ``forward``.
    """

    x: Array
    slope: Array | None
    shift: Array | None
    temporary: bool
    cache: Cache


class OutputCotangent(NamedTuple):
    """A cotangent of a layer's output, with the sums over it that the layer's rules need.

    Attributes
    ----------
    values : Array
        ``(R, S, N, ..., C)``.
    total, cross : Array or None
        Sums over N and space, ``(R, S, C)``: of the cotangent; and of its product with the centred input.
    temporary : bool
        Whether a result may overwrite ``values``.
    """

    values: Array
    total: Array | None = None
    cross: Array | None = None
    temporary: bool = False


class StagedLayer(ABC):
    """A layer whose forward and vjp are split in two, so that an activation can be fused between the halves.

    ``line`` is ``forward`` without its last step, a slope and a shift for each channel. ``vjp`` is
    ``through_activation``, which multiplies the cotangent by the slope of a following activation and sums it,
    and then ``vjp_after``; ``vjp_jvp_after`` is the tangent of the second half. The fused pair is
    :class:`~vsmnp.layers.activated.Activated`.
    """

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """Shapes of the parameters; see ``Layer.shapes``."""

    @abstractmethod
    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        """Evaluate the layer; see ``Layer.forward``."""

    @abstractmethod
    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        """Compute the tangent of the output; see ``Layer.jvp``."""

    @abstractmethod
    def line(self, k: Kernels, p: Params, x: Array) -> PendingAffine:
        """Compute ``forward`` without its last step, the slope and shift of each channel."""

    @abstractmethod
    def through_activation(
        self, k: Kernels, p: Params, c: Cache, f: ActivationName | None, y: Array | None, gy: Array,
        weights: bool,
    ) -> OutputCotangent:  # fmt: skip
        """Compute ``f'(a) gy``, with y = f(a) and a the layer's output, and the sums for ``vjp_after``.

        Without an activation (``f`` and ``y`` are None) the cotangent is ``gy`` itself.
        """

    @abstractmethod
    def vjp_after(
        self, k: Kernels, p: Params, c: Cache, g: OutputCotangent, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        """Complete ``vjp`` from the cotangent of the layer's output."""

    @abstractmethod
    def vjp_jvp_after(
        self, k: Kernels, p: Params, c: Cache, g: OutputCotangent, gp: Params | None, dp: Params | None,
        dc: Cache, dg: OutputCotangent | None, dgp: Params | None, want_x: bool = True,
    ) -> tuple[Array | None, Array | None]:  # fmt: skip
        """Complete ``vjp`` and compute its tangent along ``(dp, dc, dg)``."""

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        return self.vjp_after(
            k, p, c, self.through_activation(k, p, c, None, None, gy, gp is not None), gp, want_x
        )

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
        g = self.through_activation(k, p, c, None, None, gy, gp is not None)
        dg = None if dgy is None else self.through_activation(k, p, c, None, None, dgy, dgp is not None)
        return self.vjp_jvp_after(k, p, c, g, gp, dp, dc, dg, dgp, want_x)


class Affine(StagedLayer):
    """A staged layer that is linear in x as well, so that two calls of ``vjp_after`` give its tangent."""

    @abstractmethod
    def accumulate_along(self, k: Kernels, p: Params, dc: Cache, gy: Array, dgp: Params) -> None:
        """Add the tangent along ``dc`` of the gradient in the weights to ``dgp``."""

    def along(self, p: Params, dp: Params) -> Params:
        """Return the parameters for which ``vjp`` equals its own tangent along ``dp``."""
        return dp

    def vjp_jvp_after(
        self, k: Kernels, p: Params, c: Cache, g: OutputCotangent, gp: Params | None, dp: Params | None,
        dc: Cache, dg: OutputCotangent | None, dgp: Params | None, want_x: bool = True,
    ) -> tuple[Array | None, Array | None]:  # fmt: skip
        """Complete ``vjp`` and compute its tangent along ``(dp, dc, dg)``."""
        kept = g._replace(temporary=False)
        if dgp is not None:
            if dg is not None:
                self.vjp_after(k, p, c, dg, dgp, want_x=False)
            if dc is not None:
                self.accumulate_along(k, p, dc, g.values, dgp)
        dgx = None if dg is None or not want_x else self.vjp_after(k, p, c, dg, None)
        if dp is not None and want_x:
            dgx = plus(dgx, self.vjp_after(k, self.along(p, dp), c, kept, None))
        return self.vjp_after(k, p, c, g, gp, want_x), dgx
