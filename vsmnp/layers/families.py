r"""The families of layers, each of which derives the four rules once from a few primitives.

=========== ================== ========================= ===============================================
family      primitives         jvp                       tangent of the vjp
=========== ================== ========================= ===============================================
LinearMap   A and its adjoint  A dx                      A' dgy
Bilinear    B, Bx, Bw          B(w, dx) + B(dw, x) + db  Bx(dgy, w) + Bx(gy, dw); Bw(dgy, x) + Bw(gy, dx)
Elementwise f, with f' = h(y)  h(y) dx                   h(y) dgy + h'(y) dy gy
=========== ================== ========================= ===============================================

Second order costs no new product or convolution: the tangent of a bilinear rule is the rule itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from ..types import ActivationName, Array, Cache, Kernels, Params, Shapes
from .staged import Affine, OutputCotangent, PendingAffine, plus

NO_PARAMETERS: Shapes = {}


class LinearMap(ABC):
    """A linear layer ``y = A x``: subclasses define ``apply`` and ``adjoint``; nothing is cached."""

    shapes: ClassVar[Shapes] = NO_PARAMETERS

    @abstractmethod
    def apply(self, k: Kernels, x: Array) -> Array:
        """Apply the linear map: ``A x``."""

    @abstractmethod
    def adjoint(self, k: Kernels, gy: Array) -> Array:
        """Apply the adjoint map: ``A' gy``."""

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        return self.apply(k, x), None

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        return None if dx is None else self.apply(k, dx), None

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        return self.adjoint(k, gy) if want_x else None

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
        if not want_x:
            return None, None
        return self.adjoint(k, gy), None if dgy is None else self.adjoint(k, dgy)


class Bilinear(Affine):
    """A layer ``y = B(w, x) + b``, defined by ``apply``, ``adjoint_x`` and ``adjoint_w``; x is cached."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """Parameter shapes ``{"w": ..., "b": ...}``; a layer without bias has no ``b``."""

    @abstractmethod
    def apply(self, k: Kernels, w: Array, x: Array) -> Array:
        """Compute the bilinear map ``B(w, x)``."""

    @abstractmethod
    def adjoint_x(self, k: Kernels, gy: Array, w: Array) -> Array:
        """Compute ``Bx(gy, w)``, the gradient in x of ``<gy, B(w, x)>``."""

    @abstractmethod
    def adjoint_w(self, k: Kernels, gy: Array, x: Array, out: Array) -> None:
        """Add ``Bw(gy, x)``, the gradient in w of ``<gy, B(w, x)>``, to out; S and N of gy and x agree."""

    def add_bias(self, k: Kernels, y: Array, b: Array) -> Array:
        """Add the bias to y in place, over the last axis unless a subclass overrides this."""
        return k.add_bias(y, b)

    def adjoint_b(self, k: Kernels, gy: Array, out: Array) -> None:
        """Add the gradient in b of ``<gy, b>`` to out."""
        k.sum_rows(gy, out)

    def _accumulate_b(self, k: Kernels, g: OutputCotangent, x: Array, gp: Params) -> None:
        if g.total is not None:
            gp["b"][...] += g.total.sum(1)
            return
        gy = g.values
        if gy.shape[1] < x.shape[1]:  # one cotangent for all S samples
            gy = gy.repeat(x.shape[1], axis=1)
        self.adjoint_b(k, gy, gp["b"])

    def _accumulate_w(self, k: Kernels, gy: Array, x: Array, gp: Params) -> None:
        if x.shape[1] < gy.shape[1]:  # one input for all S cotangents
            gy = gy.sum(axis=1, keepdims=True)
        elif gy.shape[1] < x.shape[1]:
            x = x.sum(axis=1, keepdims=True)
        self.adjoint_w(k, gy, x, gp["w"])

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        y = self.apply(k, p["w"], x)
        return (self.add_bias(k, y, p["b"]) if "b" in self.shapes else y), x

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        dy = None if dx is None else self.apply(k, p["w"], dx)
        if dp is not None:
            dy_w = self.apply(k, dp["w"], c)
            dy = plus(dy, self.add_bias(k, dy_w, dp["b"]) if "b" in self.shapes else dy_w)
        return dy, dx

    def line(self, k: Kernels, p: Params, x: Array) -> PendingAffine:
        bias = p["b"][:, None] if "b" in self.shapes else None
        return PendingAffine(self.apply(k, p["w"], x), None, bias, True, x)

    def through_activation(
        self, k: Kernels, p: Params, c: Cache, f: ActivationName | None, y: Array | None, gy: Array,
        weights: bool,
    ) -> OutputCotangent:  # fmt: skip
        if f is None or y is None:
            return OutputCotangent(gy)
        if not (weights and "b" in self.shapes):
            return OutputCotangent(k.activation_slope(f, y, gy))
        u, total, _ = k.activation_sums(f, y, gy, None, None)
        return OutputCotangent(u, total)

    def vjp_after(
        self, k: Kernels, p: Params, c: Cache, g: OutputCotangent, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        if gp is not None:
            self._accumulate_w(k, g.values, c, gp)
            if "b" in self.shapes:
                self._accumulate_b(k, g, c, gp)
        return self.adjoint_x(k, g.values, p["w"]) if want_x else None

    def accumulate_along(self, k: Kernels, p: Params, dc: Cache, gy: Array, dgp: Params) -> None:
        self._accumulate_w(k, gy, dc, dgp)


@dataclass(frozen=True)
class Elementwise:
    """An elementwise layer ``y = f(x)``; y is cached, because ``f'(x) = h(y)``."""

    f: ClassVar[ActivationName]
    shapes: ClassVar[Shapes] = NO_PARAMETERS

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        y = k.activation(self.f, x)
        return y, y

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        dy = None if dx is None else k.activation_slope(self.f, c, dx)
        return dy, dy

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        return k.activation_slope(self.f, c, gy) if want_x else None

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
        if not want_x:
            return None, None
        gx = k.activation_slope(self.f, c, gy)
        if dc is None and dgy is None:
            return gx, None
        return gx, k.activation_curve(self.f, c, dc, gy, dgy)
