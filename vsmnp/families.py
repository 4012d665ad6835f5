r"""The families of layers, each of which derives the four rules once.

========= ================== ========================= ===============================================
family    the author writes  jvp                       tangent of the vjp
========= ================== ========================= ===============================================
Linear    A and its adjoint  A dx                      A' dgy
Bilinear  B, Bx, Bw          B(w, dx) + B(dw, x) + db  Bx(dgy, w) + Bx(gy, dw); Bw(dgy, x) + Bw(gy, dx)
Pointwise f, with f' = h(y)  h(y) dx                   h(y) dgy + h'(y) dy gy
========= ================== ========================= ===============================================

Second order costs no new product or convolution: the tangent of a bilinear rule is the rule itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from .types import ActivationName, Array, Cache, Kernels, Params, Shapes

NO_PARAMETERS: Shapes = {}


def plus(a: Array | None, b: Array | None) -> Array | None:
    """``a + b``, where None is zero."""
    if a is None or b is None:
        return a if b is None else b
    return a + b


class Linear(ABC):
    """``y = A x``: the author writes ``apply`` and ``adjoint``; nothing is cached."""

    shapes: ClassVar[Shapes] = NO_PARAMETERS

    @abstractmethod
    def apply(self, k: Kernels, x: Array) -> Array:
        """``A x``."""

    @abstractmethod
    def adjoint(self, k: Kernels, gy: Array) -> Array:
        """``A' gy``."""

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


class Weighted(ABC):
    """A layer that is linear in its weights: the tangent of its ``vjp`` is made of that ``vjp`` itself.

    The author writes ``vjp``, what the weights hear along the tangent of the cache, and, where the layer is
    not linear in x, what ``gx`` changes by along it.
    """

    @abstractmethod
    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        """As every layer has it."""

    @abstractmethod
    def accumulate_along(self, k: Kernels, p: Params, dc: Cache, gy: Array, dgp: Params) -> None:
        """``dgp += `` the tangent along ``dc`` of the gradient in the weights."""

    def along(self, p: Params, dp: Params) -> Params:
        """The parameters whose ``vjp`` is its tangent along ``dp``."""
        return dp

    def curvature(self, k: Kernels, p: Params, c: Cache, dc: Cache, gy: Array, gx: Array) -> Array | None:
        """The tangent of ``gx`` along ``dc``; zero where x enters linearly."""
        return None

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
        if dgp is not None:
            if dgy is not None:
                self.vjp(k, p, c, dgy, dgp, want_x=False)
            if dc is not None:
                self.accumulate_along(k, p, dc, gy, dgp)
        gx = self.vjp(k, p, c, gy, gp, want_x)
        if gx is None:
            return None, None
        dgx = None if dgy is None else self.vjp(k, p, c, dgy, None)
        if dp is not None:
            dgx = plus(dgx, self.vjp(k, self.along(p, dp), c, gy, None))
        if dc is not None:
            dgx = plus(dgx, self.curvature(k, p, c, dc, gy, gx))
        return gx, dgx


class Bilinear(Weighted):
    """``y = B(w, x) + b``: the author writes ``apply``, ``adjoint_x`` and ``adjoint_w``; x is cached."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """``{"w": ..., "b": ...}``; leave ``b`` out for a layer without bias."""

    @abstractmethod
    def apply(self, k: Kernels, w: Array, x: Array) -> Array:
        """``B(w, x)``."""

    @abstractmethod
    def adjoint_x(self, k: Kernels, gy: Array, w: Array) -> Array:
        """``Bx(gy, w)``, the gradient in x of ``<gy, B(w, x)>``."""

    @abstractmethod
    def adjoint_w(self, k: Kernels, gy: Array, x: Array, out: Array) -> None:
        """``out += Bw(gy, x)``, the gradient in w of ``<gy, B(w, x)>``; sums over S and N, which agree."""

    def add_bias(self, k: Kernels, y: Array, b: Array) -> Array:
        """``y + b`` in place; over the last axis unless a layer says otherwise."""
        return k.add_bias(y, b)

    def adjoint_b(self, k: Kernels, gy: Array, out: Array) -> None:
        """``out += `` the gradient in b of ``<gy, b>``."""
        k.sum_rows(gy, out)

    def _accumulate(self, k: Kernels, gy: Array, x: Array, gp: Params) -> None:
        self._accumulate_w(k, gy, x, gp)
        if "b" in self.shapes:
            if gy.shape[1] < x.shape[1]:  # one cotangent stands for all S samples
                gy = gy.repeat(x.shape[1], axis=1)
            self.adjoint_b(k, gy, gp["b"])

    def _accumulate_w(self, k: Kernels, gy: Array, x: Array, gp: Params) -> None:
        if x.shape[1] < gy.shape[1]:  # one input serves all S cotangents
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

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        if gp is not None:
            self._accumulate(k, gy, c, gp)
        return self.adjoint_x(k, gy, p["w"]) if want_x else None

    def accumulate_along(self, k: Kernels, p: Params, dc: Cache, gy: Array, dgp: Params) -> None:
        self._accumulate_w(k, gy, dc, dgp)


@dataclass(frozen=True)
class Pointwise:
    """``y = f(x)``, one element at a time; y is cached, because ``f'(x) = h(y)``."""

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
