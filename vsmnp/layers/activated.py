r"""A layer and the activation behind it as one layer, which does not store the value between them.

With a the layer's output, :math:`y = f(a)` and :math:`u = f'(a)\, g_y` the cotangent of a, a kernel computes
each of these in one pass over memory:

.. math:: y = f(\mathrm{slope}\, v + \mathrm{shift}), \qquad
          u = f'(a)\, g_y \;\text{with}\; \sum u \;\text{and}\; \sum u\,(x - \bar x), \qquad
          du = f'(a)\, dg_y + f''(a)\, da\, g_y .

If a is ``B(w, x) + b``, then v is ``B(w, x)``, which y overwrites, the shift is b, and :math:`\sum u` is the
gradient of b. If a is a normalisation, then v is x, and its rules need both sums. What remains is the layer's
own ``vjp_jvp`` with u in place of the cotangent. A chain makes these pairs
(:class:`~vsmnp.layers.compose.Chain`); dense layers and convolutions have no code for them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Array, Kernels
from ..types.layer import Cache, Cotangents, Grads, Layer, OutputTangents, Params, Shapes, Tangents
from .families import Bilinear, Elementwise
from .norm import Following, Normalisation


@dataclass(frozen=True)
class Activated(Layer):
    """The base of both pairs: ``y = f(layer(x))``, with the parameters of the layer.

    Cache: the layer's cache, and y.
    """

    layer: Layer
    activation: Elementwise

    @property
    def shapes(self) -> Shapes:
        return self.layer.shapes

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        da, dc = self.layer.jvp(k, p, c[0], dp, dx)
        dy = None if da is None else k.activation_slope(self.activation.f, c[1], da)
        return dy, (dc, dy)

    def _tangents(self, k: Kernels, y: Array, gy: Array, d: Tangents) -> Tangents:
        """Return the tangents of the layer's own backward sweep, the last of them ``du``."""
        dc, dy = (None, None) if d.dc is None else d.dc
        at_rest = dy is None and d.dgy is None
        du = None if at_rest else k.activation_curve(self.activation.f, y, dy, gy, d.dgy)
        return Tangents(d.dp, dc, du)


@dataclass(frozen=True)
class ActivatedBilinear(Activated):
    """The pair ``y = f(B(w, x) + b)``."""

    layer: Bilinear

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        a = self.layer.apply(k, p["w"], x)
        bias = p["b"][:, None] if "b" in p else None
        y = k.activation(self.activation.f, a, None, bias, a)
        return y, (x, y)

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        (x, y), f, gp = c, self.activation.f, grads.gp
        if gp is None or "b" not in gp:
            u = k.activation_slope(f, y, gy)
        else:
            u, total, _ = k.activation_sums(f, y, gy, None, None)
            gp["b"][...] += total.sum(1)
            grads = grads._replace(gp={"w": gp["w"]})
        return self.layer.vjp_jvp(k, p, x, u, self._tangents(k, y, gy, d), grads)


@dataclass(frozen=True)
class ActivatedNorm(Activated):
    """The pair ``y = f(slope x + shift)``, where a normalisation determines slope and shift."""

    layer: Normalisation

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        slope, shift, c = self.layer.affine(k, p, x)
        y = k.activation(self.activation.f, x, slope, shift)
        return y, (c, y)

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        own, y = c
        following = Following(self.activation.f, y)
        return self.layer.vjp_jvp_before(k, p, own, following, gy, self._tangents(k, y, gy, d), grads)


def fused(layer: Layer, behind: Layer) -> Activated | None:
    """Fuse a layer with ``behind``; return None unless that is an activation and the layer can be fused."""
    if not isinstance(behind, Elementwise) or type(behind).forward is not Elementwise.forward:
        return None
    if isinstance(layer, Bilinear):
        return ActivatedBilinear(layer, behind)
    return ActivatedNorm(layer, behind) if isinstance(layer, Normalisation) else None
