r"""Batch normalisation: coupled through the statistics of the batch, or with the statistics held constant.

Both have the same slots: ``scale`` and ``shift``, which are trained, and ``mean`` and ``variance``, the
running statistics, whose gradient is zero and which the trainer moves. A network trained with one may be
evaluated with the other (:func:`~vsmnp.statistics.frozen`).

With :math:`h = (x - \bar x) r`, :math:`r = (\mathrm{var}\, x + \epsilon)^{-1/2}`, every rule of the coupled
layer is made of one symmetric map, :math:`P(v) = r (v - \bar v - h\, \overline{h v})`,
and of :math:`u = \gamma g_y`:

.. math:: dh = P(dx), \qquad g_x = P(u), \qquad
          dg_x = P(du) + \frac{dr}{r} g_x - r (dh\, \overline{h u} + h\, \overline{dh\, u}) .

References
----------
S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
shift", ICML 2015.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

from .families import Weighted, plus
from .types import Array, Cache, Kernels, Params, Shapes

#: Added to every variance; channels vary by far more.
EPSILON = 1e-5


def _rate(variance: Array) -> Array:
    """``r = (variance + epsilon)^-1/2``."""
    rate: Array = (variance + EPSILON) ** -0.5
    return rate


@dataclass(frozen=True)
class Normalisation(Weighted):
    """What the two layers share: slots, and that ``y = scale h + shift`` is linear in two of them.

    Parameters
    ----------
    channels : int
        Size of the last axis.
    """

    channels: int

    @property
    def shapes(self) -> Shapes:
        return dict.fromkeys(("scale", "shift", "mean", "variance"), (self.channels,))

    def along(self, p: Params, dp: Params) -> Params:
        return {**p, "scale": dp["scale"]}

    @abstractmethod
    def statistics(self, k: Kernels, c: Cache) -> Params:
        """``mean`` and ``variance`` ``(R, C)`` of the batch behind a cache, the variance unbiased."""


def _affine(k: Kernels, p: Params, h: Array) -> Array:
    return k.channel_combine([(h, p["scale"][:, None])], p["shift"][:, None])


def _count(h: Array) -> int:
    """Pixels and samples that each statistic is taken over."""
    return math.prod(h.shape[1:-1])


@dataclass(frozen=True)
class BatchNorm(Normalisation):
    """``y = scale h + shift`` with the mean and variance of each channel over S, N and space.

    The samples of a batch are coupled: the score of one datum picks up terms of the others. Statistics are
    those of the forward input; where cotangents or tangents have more S rows than it, each row is one of its
    own. Cache: ``(h, mean, variance)``, the latter ``(R, 1, C)``.
    """

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        mean, variance = k.channel_moments(x)
        r = _rate(variance)
        h = k.channel_combine([(x, r)], -mean * r)
        return _affine(k, p, h), (h, mean, variance)

    def statistics(self, k: Kernels, c: Cache) -> Params:
        h, mean, variance = c
        n = _count(h)
        return {"mean": mean[:, 0], "variance": variance[:, 0] * (n / max(1, n - 1))}

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        h, _, variance = c
        dc: Cache = None
        dy: Array | None = None
        if dx is not None:
            r, dx = _rate(variance), _with_samples(dx, h)
            dmean, slope = _mean(k, dx, None, h), _mean(k, h, dx, h)
            dh = k.channel_combine([(dx, r), (h, -r * slope)], -r * dmean)
            dc = (dh, dmean, 2 * slope / r)
            dy = k.channel_combine([(dh, p["scale"][:, None])], None)
        if dp is not None:
            dy = plus(dy, _affine(k, dp, h))
        return dy, dc

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        h, _, variance = c
        gy = _with_samples(gy, h)
        total, slope = k.channel_sums(gy, None), k.channel_sums(h, gy)
        if gp is not None:
            gp["shift"][...] += total.sum(1)
            gp["scale"][...] += slope.sum(1)
        if not want_x:
            return None
        r = _rate(variance)
        along = r * p["scale"][:, None]
        total, slope = (_shared(sums, h) / _count(h) for sums in (total, slope))
        return k.channel_combine([(gy, along), (h, -along * slope)], -along * total)

    def accumulate_along(self, k: Kernels, p: Params, dc: Cache, gy: Array, dgp: Params) -> None:
        dgp["scale"][...] += k.channel_sums(dc[0], gy).sum(1)

    def curvature(self, k: Kernels, p: Params, c: Cache, dc: Cache, gy: Array, gx: Array) -> Array | None:
        h, _, variance = c
        dh, _, dvariance = dc
        r = _rate(variance)
        along = r * p["scale"][:, None]
        slope, dslope = _mean(k, h, gy, h), _mean(k, dh, gy, h)
        parts = [(gx, -0.5 * r * r * dvariance), (dh, -along * slope), (h, -along * dslope)]
        return k.channel_combine(parts, None)


def _with_samples(v: Array, h: Array) -> Array:
    """``v`` on all S samples of a coupled ``h``, where one stood for them."""
    return v.repeat(h.shape[1], axis=1) if v.shape[1] < h.shape[1] else v


def _shared(sums: Array, h: Array) -> Array:
    """Sums ``(R, S, C)`` over the samples too where the statistics are: ``h`` couples its own S."""
    total: Array = sums.sum(1, keepdims=True) if h.shape[1] > 1 else sums
    return total


def _mean(k: Kernels, a: Array, b: Array | None, h: Array) -> Array:
    """The mean of ``a b`` over what the statistics of ``h`` are taken over."""
    return _shared(k.channel_sums(a, b), h) / _count(h)


@dataclass(frozen=True)
class FrozenNorm(Normalisation):
    """``y = scale h + shift`` with ``h = (x - mean) / sqrt(variance + epsilon)`` of the running statistics.

    They are constants of a step: no sample feels another, and no gradient flows into them. Cache: ``x``.
    """

    def _slope(self, p: Params) -> Array:
        slope: Array = (p["scale"] * _rate(p["variance"]))[:, None]
        return slope

    def _normalised(self, k: Kernels, p: Params, x: Array) -> Array:
        r = _rate(p["variance"])[:, None]
        return k.channel_combine([(x, r)], -p["mean"][:, None] * r)

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        slope = self._slope(p)
        return k.channel_combine([(x, slope)], p["shift"][:, None] - p["mean"][:, None] * slope), x

    def statistics(self, k: Kernels, c: Cache) -> Params:
        mean, variance = k.channel_moments(c)
        n = _count(c)
        return {"mean": mean[:, 0], "variance": variance[:, 0] * (n / max(1, n - 1))}

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        dy = None if dx is None else k.channel_combine([(dx, self._slope(p))], None)
        if dp is not None:
            dy = plus(dy, _affine(k, dp, self._normalised(k, p, c)))
        return dy, dx

    def vjp(
        self, k: Kernels, p: Params, c: Cache, gy: Array, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        if gp is not None:
            gy_each = _with_samples(gy, c)
            gp["shift"][...] += k.channel_sums(gy_each, None).sum(1)
            gp["scale"][...] += k.channel_sums(self._normalised(k, p, c), gy).sum(1)
        return k.channel_combine([(gy, self._slope(p))], None) if want_x else None

    def accumulate_along(self, k: Kernels, p: Params, dc: Cache, gy: Array, dgp: Params) -> None:
        dgp["scale"][...] += k.channel_sums(dc, gy).sum(1) * _rate(p["variance"])
