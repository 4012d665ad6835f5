r"""Batch norm, with the statistics of the batch (coupled) or with constant statistics (frozen).

Both have the same slots: ``scale`` and ``shift``, which are trained, and ``mean`` and ``variance``, the
running statistics, whose gradient is zero and which the trainer updates. A network trained with one may be
evaluated with the other (:func:`~vsmnp.layers.running_statistics.frozen`).

With :math:`h = r\,(x - \bar x)`, :math:`r = (\mathrm{var}\, x + \epsilon)^{-1/2}`, and a cotangent u, let
:math:`q = \overline{(x - \bar x)\, u}` and :math:`e = u - \bar u - r^2 q\,(x - \bar x)`. With the scale
:math:`\gamma`, the rules of the coupled layer are

.. math:: dh = r\,\bigl(dx - \overline{dx} - r^2\, \overline{(x - \bar x)\, dx}\,(x - \bar x)\bigr), \qquad
          g_x = \gamma r\, e, \qquad dg_x = \gamma r\, de + d(\gamma r)\, e .

Each is a sum of arrays with one coefficient per channel, given the sums of the channels: one pass over
memory for the sums and one for the result, and only the input is kept.

References
----------
S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
shift", ICML 2015.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from ..types import ActivationName, Array, Cache, Kernels, Params, Shapes
from .staged import Affine, OutputCotangent, PendingAffine, StagedLayer

#: Added to every variance; the variances of channels are far larger.
EPSILON = 1e-5


def _rate(variance: Array) -> Array:
    """Compute ``r = (variance + epsilon)^-1/2``."""
    rate: Array = (variance + EPSILON) ** -0.5
    return rate


@dataclass(frozen=True)
class Normalisation(StagedLayer):
    """The base of both layers: parameter slots, and ``y = scale h + shift``, linear in both slots.

    Parameters
    ----------
    channels : int
        Size of the last axis.
    """

    channels: int

    @property
    def shapes(self) -> Shapes:
        return dict.fromkeys(("scale", "shift", "mean", "variance"), (self.channels,))

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        a = self.line(k, p, x)
        assert a.slope is not None
        return k.channel_combine([(a.x, a.slope)], a.shift), a.cache

    @abstractmethod
    def statistics(self, k: Kernels, c: Cache) -> Params:
        """Return ``mean`` and ``variance`` ``(R, C)`` of the cached batch, the variance unbiased."""


def _count(x: Array) -> int:
    """Count the pixels and samples that each statistic is taken over."""
    return math.prod(x.shape[1:-1])


def _unbiased(mean: Array, variance: Array, x: Array) -> Params:
    """Return statistics ``(R, C)`` with unbiased variance from moments ``(R, 1, C)``."""
    n = _count(x)
    return {"mean": mean[:, 0], "variance": variance[:, 0] * (n / max(1, n - 1))}


@dataclass(frozen=True)
class BatchNorm(Normalisation):
    """Batch norm ``y = scale h + shift`` with the mean and variance of each channel over S, N and space.

    The samples of a batch are coupled: the score of one datum contains terms of the others. The statistics
    are those of the forward input; if cotangents or tangents have more S rows than the input, each row is
    treated separately. Cache: ``(x, mean, variance)``, the latter two ``(R, 1, C)``.
    """

    def line(self, k: Kernels, p: Params, x: Array) -> PendingAffine:
        mean, variance = k.channel_moments(x)
        slope = p["scale"][:, None] * _rate(variance)
        return PendingAffine(x, slope, p["shift"][:, None] - mean * slope, False, (x, mean, variance))

    def statistics(self, k: Kernels, c: Cache) -> Params:
        x, mean, variance = c
        return _unbiased(mean, variance, x)

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        x, mean, variance = c
        r = _rate(variance)
        dc: Cache = None
        parts: list[tuple[Array, Array]] = []
        along_x, shift = r * 0, r * 0
        if dx is not None:
            slope = p["scale"][:, None] * r
            dmean, together = _means(x, *k.activation_sums(None, None, dx, x, mean)[1:])
            dc = (dx, dmean, 2 * together)
            parts = [(dx, slope)]
            along_x, shift = -slope * r * r * together, -slope * dmean
        if dp is not None:
            along_x = along_x + dp["scale"][:, None] * r
            shift = shift + dp["shift"][:, None]
        if dx is None and dp is None:
            return None, None
        return k.channel_combine([*parts, (x, along_x)], shift - along_x * mean), dc

    def through_activation(
        self, k: Kernels, p: Params, c: Cache, f: ActivationName | None, y: Array | None, gy: Array,
        weights: bool,
    ) -> OutputCotangent:  # fmt: skip
        x, mean, _ = c
        return OutputCotangent(*k.activation_sums(f, y, gy, x, mean))

    def vjp_after(
        self, k: Kernels, p: Params, c: Cache, g: OutputCotangent, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        x, mean, variance = c
        total, cross = _sums(g)
        r = _rate(variance)
        if gp is not None:
            gp["shift"][...] += total.sum(1)
            gp["scale"][...] += (r * cross).sum(1)
        if not want_x:
            return None
        slope = p["scale"][:, None] * r
        ghost, q = _means(x, total, cross)
        along_x = -slope * r * r * q
        return _combined(k, [(g.values, slope), (x, along_x)], -slope * ghost - along_x * mean, g.temporary)

    def vjp_jvp_after(
        self, k: Kernels, p: Params, c: Cache, g: OutputCotangent, gp: Params | None, dp: Params | None,
        dc: Cache, dg: OutputCotangent | None, dgp: Params | None, want_x: bool = True,
    ) -> tuple[Array | None, Array | None]:  # fmt: skip
        x, mean, variance = c
        dx, dmean, dvariance = (None, None, None) if dc is None else dc
        total, cross = _sums(g)
        r = _rate(variance)
        dr = 0 * r if dvariance is None else -0.5 * r**3 * dvariance
        # sums of u = g and of u (x - mean), along the tangents of both
        dtotal, dcross = (0 * total, 0 * cross) if dg is None else _sums(dg)
        if dx is not None:
            _, moved = k.activation_sums(None, None, g.values, dx, dmean)[1:]
            dcross = dcross + moved
        if dgp is not None:
            dgp["shift"][...] += dtotal.sum(1)
            dgp["scale"][...] += (r * dcross + dr * cross).sum(1)
        if not want_x or (dg is None and dp is None and dx is None):
            return self.vjp_after(k, p, c, g, gp, want_x), None
        slope = p["scale"][:, None] * r
        dslope = p["scale"][:, None] * dr + (0 if dp is None else dp["scale"][:, None] * r)
        (ghost, q), (dghost, dq) = _means(x, total, cross), _means(x, dtotal, dcross)
        along_x = -r * (r * (slope * dq + dslope * q) + 2 * slope * dr * q)
        shift = -slope * dghost - dslope * ghost - along_x * mean
        parts = [] if dg is None else [(dg.values, slope)]
        parts += [(g.values, dslope), (x, along_x)]
        if dx is not None:
            along_dx = -slope * r * r * q
            parts.append((dx, along_dx))
            shift = shift - along_dx * dmean
        dgx = _combined(k, parts, shift, dg is not None and dg.temporary)
        return self.vjp_after(k, p, c, g, gp), dgx


def _sums(g: OutputCotangent) -> tuple[Array, Array]:
    """Return both sums of a cotangent, which a normalisation always computes."""
    assert g.total is not None
    assert g.cross is not None
    return g.total, g.cross


def _means(x: Array, *sums: Array | None) -> list[Array]:
    """Divide sums ``(R, S, C)`` by the count of the statistics of x; sum over S first if x has several S."""
    found = [v for v in sums if v is not None]
    return [(v.sum(1, keepdims=True) if x.shape[1] > 1 else v) / _count(x) for v in found]


def _combined(k: Kernels, parts: list[tuple[Array, Array]], shift: Array | None, in_place: bool) -> Array:
    """Call ``channel_combine``; overwrite the first part if permitted and if its R and S suffice."""
    first = parts[0][0]
    lead = np.broadcast_shapes(*(v.shape[:2] for part in parts for v in part))
    return k.channel_combine(parts, shift, first if in_place and first.shape[:2] == lead else None)


@dataclass(frozen=True)
class FrozenNorm(Affine, Normalisation):
    """Batch norm with running statistics: ``y = scale h + shift``, ``h = r (x - mean)``.

    ``r = (variance + epsilon)^-1/2``. The running statistics are constants of a step: samples are not
    coupled, and no gradient flows into the statistics. Cache: ``x``.
    """

    def _slope(self, p: Params) -> Array:
        slope: Array = (p["scale"] * _rate(p["variance"]))[:, None]
        return slope

    def line(self, k: Kernels, p: Params, x: Array) -> PendingAffine:
        slope = self._slope(p)
        return PendingAffine(x, slope, p["shift"][:, None] - p["mean"][:, None] * slope, False, x)

    def statistics(self, k: Kernels, c: Cache) -> Params:
        return _unbiased(*k.channel_moments(c), c)

    def jvp(
        self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None
    ) -> tuple[Array | None, Cache]:
        parts = [] if dx is None else [(dx, self._slope(p))]
        shift = None
        if dp is not None:
            r = _rate(p["variance"])
            along_x = (dp["scale"] * r)[:, None]
            parts.append((c, along_x))
            shift = dp["shift"][:, None] - p["mean"][:, None] * along_x
        return k.channel_combine(parts, shift) if parts else None, dx

    def through_activation(
        self, k: Kernels, p: Params, c: Cache, f: ActivationName | None, y: Array | None, gy: Array,
        weights: bool,
    ) -> OutputCotangent:  # fmt: skip
        if weights:
            return OutputCotangent(*k.activation_sums(f, y, gy, c, p["mean"][:, None]))
        return OutputCotangent(gy if f is None or y is None else k.activation_slope(f, y, gy))

    def vjp_after(
        self, k: Kernels, p: Params, c: Cache, g: OutputCotangent, gp: Params | None, want_x: bool = True
    ) -> Array | None:
        if gp is not None:
            total, cross = _sums(g)
            gp["shift"][...] += total.sum(1)
            gp["scale"][...] += cross.sum(1) * _rate(p["variance"])
        return _combined(k, [(g.values, self._slope(p))], None, g.temporary) if want_x else None

    def along(self, p: Params, dp: Params) -> Params:
        return {**p, "scale": dp["scale"]}

    def accumulate_along(self, k: Kernels, p: Params, dc: Cache, gy: Array, dgp: Params) -> None:
        _, _, cross = k.activation_sums(None, None, gy, dc, None)
        assert cross is not None
        dgp["scale"][...] += cross.sum(1) * _rate(p["variance"])
