"""A layer and the activation that follows it, fused so that the value between them is not stored.

A chain fuses its layers in this way (:class:`~vsmnp.layers.compose.Chain`). With a the layer's output and y =
f(a), the bias or the affine map of a normalisation is applied together with f, in place where the layer's
product is a temporary. In the backward pass ``u = f'(a) gy`` and its sums over the pixels of a channel take
one pass over memory; the gradients of biases and the projection of batch norm are computed from these sums.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Array, Cache, Kernels, Layer, Params, Shapes
from .families import Elementwise
from .staged import StagedLayer


def can_fuse(layer: Layer, behind: Layer) -> bool:
    """Check that ``behind`` is a plain elementwise activation and that ``layer`` can be fused with it."""
    plain = isinstance(behind, Elementwise) and type(behind).forward is Elementwise.forward
    return plain and isinstance(layer, StagedLayer)


@dataclass(frozen=True)
class Activated:
    """``y = f(layer(x))``, with the parameters of the layer. Cache: the layer's cache, and y."""

    layer: StagedLayer
    activation: Elementwise

    @property
    def shapes(self) -> Shapes:
        return self.layer.shapes

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        a = self.layer.line(k, p, x)
        y = k.activation(self.activation.f, a.x, a.slope, a.shift, a.x if a.temporary else None)
        return y, (a.cache, y)

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        da, dc = self.layer.jvp(k, p, c[0], dp, dx)
        dy = None if da is None else k.activation_slope(self.activation.f, c[1], da)
        return dy, (dc, dy)

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        g = self.layer.through_activation(k, p, c[0], self.activation.f, c[1], gy, gp is not None)
        return self.layer.vjp_after(k, p, c[0], g._replace(temporary=True), gp, want_x)

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
        f, y = self.activation.f, c[1]
        dc_layer, dy = (None, None) if dc is None else dc
        g = self.layer.through_activation(k, p, c[0], f, y, gy, gp is not None)._replace(temporary=True)
        dg = None
        if dy is not None or dgy is not None:
            du = k.activation_curve(f, y, dy, gy, dgy)
            dg = self.layer.through_activation(k, p, c[0], None, None, du, dgp is not None)._replace(
                temporary=True
            )
        return self.layer.vjp_jvp_after(k, p, c[0], g, gp, dp, dc_layer, dg, dgp, want_x)
