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
from typing import NamedTuple

import numpy as np

from ..types import ActivationName, Array, Kernels
from ..types.layer import Cache, Cotangents, Grads, Layer, OutputTangents, Params, Shapes, Tangents
from .families import plus

#: Added to every variance; the variances of channels are far larger.
EPSILON = 1e-5


def _rate(variance: Array) -> Array:
    """Compute ``r = (variance + epsilon)^-1/2``."""
    rate: Array = (variance + EPSILON) ** -0.5
    return rate


class Following(NamedTuple):
    """The activation ``y = f(a)`` that follows a normalisation with output a; None if there is none."""

    f: ActivationName | None = None
    y: Array | None = None


@dataclass(frozen=True)
class Normalisation(Layer):
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

    @abstractmethod
    def affine(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Array, Cache]:
        """Compute the coefficients ``(R, 1, C)`` of ``y = slope x + shift``, and the cache."""

    @abstractmethod
    def vjp_jvp_before(
        self, k: Kernels, p: Params, c: Cache, following: Following, gy: Array, d: Tangents, grads: Grads
    ) -> Cotangents:
        """Apply ``vjp_jvp`` to the cotangent ``u = f'(a) gy`` of the output a, which is gy if no f follows.

        ``d.dgy`` is the tangent of u; results may overwrite it if there is an f.
        """

    @abstractmethod
    def statistics(self, k: Kernels, c: Cache) -> Params:
        """Return ``mean`` and ``variance`` ``(R, C)`` of the cached batch, the variance unbiased."""

    def forward(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Cache]:
        slope, shift, c = self.affine(k, p, x)
        return k.channel_combine([(x, slope)], shift), c

    def vjp_jvp(self, k: Kernels, p: Params, c: Cache, gy: Array, d: Tangents, grads: Grads) -> Cotangents:
        return self.vjp_jvp_before(k, p, c, Following(), gy, d, grads)


def _count(x: Array) -> int:
    """Count the pixels and samples that each statistic is taken over."""
    return math.prod(x.shape[1:-1])


def _unbiased(k: Kernels, mean: Array, variance: Array, x: Array) -> Params:
    """Return statistics ``(R, C)`` with unbiased variance from moments ``(R, 1, C)``."""
    n = _count(x) * k.parts()
    return {"mean": mean[:, 0], "variance": variance[:, 0] * (n / max(1, n - 1))}


def _means(k: Kernels, x: Array, *sums: Array) -> tuple[Array, ...]:
    """Divide sums ``(R, S, C)`` by the count of the statistics of x; sum over S first if x has several S.

    The means are those of all parts of the minibatch.
    """
    own = [(v.sum(1, keepdims=True) if x.shape[1] > 1 else v) / _count(x) for v in sums]
    return k.mean_over_parts(*own)


def _summed(
    k: Kernels, following: Following, gy: Array, x: Array, centre: Array | None
) -> tuple[Array, Array, Array]:
    """Compute ``u = f'(a) gy``, ``sum u`` and ``sum u (x - centre)``, the sums ``(R, S, C)``."""
    u, total, cross = k.activation_sums(*following, gy, x, centre)
    assert cross is not None
    return u, total, cross


def _combined(k: Kernels, parts: list[tuple[Array, Array]], shift: Array | None, in_place: bool) -> Array:
    """Call ``channel_combine``; overwrite the first part if permitted and if its R and S suffice."""
    first = parts[0][0]
    lead = np.broadcast_shapes(*(v.shape[:2] for part in parts for v in part))
    return k.channel_combine(parts, shift, first if in_place and first.shape[:2] == lead else None)


@dataclass(frozen=True)
class BatchNorm(Normalisation):
    """Batch norm ``y = scale h + shift`` with the mean and variance of each channel over S, N and space.

    The samples of a batch are coupled: the score of one datum contains terms of the others. The statistics
    are those of the forward input; if cotangents or tangents have more S rows than the input, each row is
    treated separately. Cache: ``(x, mean, variance)``, the latter two ``(R, 1, C)``.
    """

    def affine(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Array, Cache]:
        mean, variance = k.channel_moments(x)
        slope = p["scale"][:, None] * _rate(variance)
        return slope, p["shift"][:, None] - mean * slope, (x, mean, variance)

    def statistics(self, k: Kernels, c: Cache) -> Params:
        x, mean, variance = c
        return _unbiased(k, mean, variance, x)

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        if dx is None and dp is None:
            return None, None
        x, mean, variance = c
        r = _rate(variance)
        dc: Cache = None
        parts: list[tuple[Array, Array]] = []
        along_x, shift = r * 0, r * 0
        if dx is not None:
            slope = p["scale"][:, None] * r
            dmean, together = _means(k, x, *_summed(k, Following(), dx, x, mean)[1:])
            dc = (dx, dmean, 2 * together)
            parts = [(dx, slope)]
            along_x, shift = -slope * r * r * together, -slope * dmean
        if dp is not None:
            along_x = along_x + dp["scale"][:, None] * r
            shift = shift + dp["shift"][:, None]
        return k.channel_combine([*parts, (x, along_x)], shift - along_x * mean), dc

    def vjp_jvp_before(
        self, k: Kernels, p: Params, c: Cache, following: Following, gy: Array, d: Tangents, grads: Grads
    ) -> Cotangents:
        (x, mean, variance), (gp, dgp, want_x) = c, grads
        r = _rate(variance)
        u, total, cross = _summed(k, following, gy, x, mean)
        slope = p["scale"][:, None] * r
        mean_u, q = _means(k, x, total, cross)
        in_place = following.f is not None
        if gp is not None:
            gp["shift"][...] += total.sum(1)
            gp["scale"][...] += (r * cross).sum(1)
        dgx = None
        if not d.all_zero:
            dx, dmean, dvariance = (None, None, None) if d.dc is None else d.dc
            dr = 0 * r if dvariance is None else -0.5 * r**3 * dvariance
            dtotal, dcross = 0 * total, 0 * cross  # tangents of sum u and of sum u (x - mean)
            if d.dgy is not None:
                _, dtotal, dcross = _summed(k, Following(), d.dgy, x, mean)
            if dx is not None:
                dcross = dcross + _summed(k, Following(), u, dx, dmean)[2]
            if dgp is not None:
                dgp["shift"][...] += dtotal.sum(1)
                dgp["scale"][...] += (r * dcross + dr * cross).sum(1)
            if want_x:  # dgx = slope de + dslope e, by its coefficients of du, u, x and dx, and a constant
                dslope = p["scale"][:, None] * dr + (0 if d.dp is None else d.dp["scale"][:, None] * r)
                dmean_u, dq = _means(k, x, dtotal, dcross)
                along_x = -r * (r * (slope * dq + dslope * q) + 2 * slope * dr * q)
                shift = -slope * dmean_u - dslope * mean_u - along_x * mean
                parts = [] if d.dgy is None else [(d.dgy, slope)]
                parts += [(u, dslope), (x, along_x)]
                if dx is not None:
                    along_dx = -slope * r * r * q
                    parts.append((dx, along_dx))
                    shift = shift - along_dx * dmean
                dgx = _combined(k, parts, shift, in_place and d.dgy is not None)
        if not want_x:
            return None, None
        along_x = -slope * r * r * q
        return _combined(k, [(u, slope), (x, along_x)], -slope * mean_u - along_x * mean, in_place), dgx


@dataclass(frozen=True)
class FrozenNorm(Normalisation):
    """Batch norm with running statistics: ``y = scale h + shift``, ``h = r (x - mean)``.

    ``r = (variance + epsilon)^-1/2``. The running statistics are constants of a step: samples are not
    coupled, and no gradient flows into the statistics. Cache: ``x``.
    """

    def affine(self, k: Kernels, p: Params, x: Array) -> tuple[Array, Array, Cache]:
        return *self._coefficients(p, p), x

    def _coefficients(self, p: Params, q: Params) -> tuple[Array, Array]:
        """Return slope and shift ``(R, 1, C)`` in x of the layer with the trained parameters of q."""
        slope = (q["scale"] * _rate(p["variance"]))[:, None]
        return slope, q["shift"][:, None] - p["mean"][:, None] * slope

    def statistics(self, k: Kernels, c: Cache) -> Params:
        return _unbiased(k, *k.channel_moments(c), c)

    def jvp(self, k: Kernels, p: Params, c: Cache, dp: Params | None, dx: Array | None) -> OutputTangents:
        parts = [] if dx is None else [(dx, self._coefficients(p, p)[0])]
        shift = None
        if dp is not None:
            along_x, shift = self._coefficients(p, dp)
            parts.append((c, along_x))
        return k.channel_combine(parts, shift) if parts else None, dx

    def vjp_jvp_before(
        self, k: Kernels, p: Params, c: Cache, following: Following, gy: Array, d: Tangents, grads: Grads
    ) -> Cotangents:
        (dp, dx, du), (gp, dgp, want_x) = d, grads
        r, mean = _rate(p["variance"]), p["mean"][:, None]
        if gp is not None:
            u, total, cross = _summed(k, following, gy, c, mean)
            gp["shift"][...] += total.sum(1)
            gp["scale"][...] += cross.sum(1) * r
        elif following.f is not None and following.y is not None:
            u = k.activation_slope(following.f, following.y, gy)
        else:
            u = gy
        if dgp is not None:
            if du is not None:
                _, dtotal, dcross = _summed(k, Following(), du, c, mean)
                dgp["shift"][...] += dtotal.sum(1)
                dgp["scale"][...] += dcross.sum(1) * r
            if dx is not None:
                dgp["scale"][...] += _summed(k, Following(), u, dx, None)[2].sum(1) * r
        if not want_x:
            return None, None
        slope, in_place = (p["scale"] * r)[:, None], following.f is not None
        dgx = None if du is None else _combined(k, [(du, slope)], None, in_place)
        if dp is not None:
            dgx = plus(dgx, _combined(k, [(u, (dp["scale"] * r)[:, None])], None, False))
        return _combined(k, [(u, slope)], None, in_place), dgx
