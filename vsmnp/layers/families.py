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

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from ..types import ActivationName, Array, Kernels
from ..types.layer import Cache, Cotangents, Grads, Layer, OutputTangents, Params, Shapes, Tangents

NO_PARAMETERS: Shapes = {}


def plus(a: Array | None, b: Array | None) -> Array | None:
    """Add two arrays, where None stands for zero."""
    if a is None or b is None:
        return a if b is None else b
    return a + b


def _rows(y: Array) -> Array:
    """Reshape ``(R, S, N, ..., C)`` to rows ``(R, S, N*..., C)``."""
    return y.reshape(*y.shape[:2], -1, y.shape[-1])


class LinearMap(Layer):
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

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        return None if dx is None else self.apply(k, dx), None

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        if not grads.want_x:
            return None, None
        return self.adjoint(k, gy), None if d.dgy is None else self.adjoint(k, d.dgy)


class Bilinear(Layer):
    """A layer ``y = B(w, x) + b``, defined by ``apply``, ``adjoint_x`` and ``adjoint_w``; x is cached.

    The bias ``b (R, C)`` is one number for each entry of the last axis. If a tree of gradients has no ``b``,
    that gradient is not computed.
    """

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

    def _affine(self, k: Kernels, p: Params, x: Array) -> Array:
        """Compute ``B(w, x) + b`` for the parameters or their tangents."""
        y = self.apply(k, p["w"], x)
        return k.add_bias(_rows(y), p["b"]).reshape(y.shape) if "b" in p else y

    def _accumulate_w(self, k: Kernels, gy: Array, x: Array, gp: Params) -> None:
        if x.shape[1] < gy.shape[1]:  # one input for all S cotangents
            gy = gy.sum(axis=1, keepdims=True)
        elif gy.shape[1] < x.shape[1]:
            x = x.sum(axis=1, keepdims=True)
        self.adjoint_w(k, gy, x, gp["w"])

    def _accumulate(self, k: Kernels, gy: Array, x: Array, gp: Params) -> None:
        self._accumulate_w(k, gy, x, gp)
        if "b" in gp:
            if gy.shape[1] < x.shape[1]:  # one cotangent for all S samples
                gy = gy.repeat(x.shape[1], axis=1)
            k.sum_rows(_rows(gy), gp["b"])

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        return self._affine(k, p, x), x

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        dy = None if dx is None else self.apply(k, p["w"], dx)
        return dy if dp is None else plus(dy, self._affine(k, dp, c)), dx

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        (dp, dx, dgy), (gp, dgp, want_x) = d, grads
        if gp is not None:
            self._accumulate(k, gy, c, gp)
        if dgp is not None:
            if dgy is not None:
                self._accumulate(k, dgy, c, dgp)
            if dx is not None:
                self._accumulate_w(k, gy, dx, dgp)
        if not want_x:
            return None, None
        dgx = None if dgy is None else self.adjoint_x(k, dgy, p["w"])
        if dp is not None:
            dgx = plus(dgx, self.adjoint_x(k, gy, dp["w"]))
        return self.adjoint_x(k, gy, p["w"]), dgx


@dataclass(frozen=True)
class Elementwise(Layer):
    """An elementwise layer ``y = f(x)``; y is cached, because ``f'(x) = h(y)``."""

    f: ClassVar[ActivationName]
    has_kink: ClassVar[bool] = False  #: whether f' jumps, which pathwise second derivatives miss
    shapes: ClassVar[Shapes] = NO_PARAMETERS

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        y = k.activation(self.f, x)
        return y, y

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        dy = None if dx is None else k.activation_slope(self.f, c, dx)
        return dy, dy

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        if not grads.want_x:
            return None, None
        gx = k.activation_slope(self.f, c, gy)
        at_rest = d.dc is None and d.dgy is None
        return gx, None if at_rest else k.activation_curve(self.f, c, d.dc, gy, d.dgy)
