r"""Compute three gradients of the Fisher divergence of the Laplace family (A.5.3).

The family is :math:`q(x) = e^{-|x - m| / s} / (2 s)`. With :math:`x = m + s \eta`,
:math:`\sigma = \mathrm{sign}(\eta)` and the target's score :math:`g`, the scores of q and the target
differ by :math:`d = -\sigma / s - g(x)`, and

.. math:: F(m, s) = \tfrac{1}{2} E_q d^2 .

**Not reparametrised**: x is held fixed, :math:`\sigma = \mathrm{sign}(x - m)` is not. Almost everywhere
:math:`\partial_m d = 0` and :math:`\partial_s d = \sigma / s^2`, hence

.. math:: \partial_m = 0, \qquad \partial_s = E_q[d \sigma] / s^2 .

**With the jump of the score**: in the sense of distributions :math:`\partial_m \sigma = -2 \delta(x - m)`, so
:math:`\partial_m d = 2 \delta(x - m) / s` and, as :math:`q(m) = 1 / (2 s)` and a symmetric mollifier sends
:math:`\sigma` to 0 at m,

.. math:: \partial_m = q(m) \frac{2}{s} d(m) = -g(m) / s^2 .

**Reparametrised**: :math:`\eta` is held fixed, and with it :math:`\sigma`, so nothing jumps:

.. math::
    \partial_m = -E[d \, g'(x)], \qquad \partial_s = E[d \, (\sigma / s^2 - \eta \, g'(x))] ;

this is the gradient of F. For the target :math:`N(a, \tau^2)` all expectations are elementary, since
:math:`E|\eta| = 1` and :math:`E \eta^2 = 2`:

================= ============================= =================================
gradient          in m                          in s
================= ============================= =================================
biased            0                             :math:`1/(s \tau^2) - 1/s^3`
biased, with jump :math:`(m - a)/(s^2 \tau^2)`  the same
unbiased          :math:`(m - a)/\tau^4`        :math:`2 s/\tau^4 - 1/s^3`
================= ============================= =================================

.. math::
    F = \tfrac{1}{2} \left[ \frac{1}{s^2} - \frac{2}{\tau^2} + \frac{(m - a)^2 + 2 s^2}{\tau^4} \right] .

So the unbiased gradient vanishes at :math:`s = \tau / 2^{1/4}`, the biased one, with or without its jump,
at :math:`s = \tau`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np

from ....rng import Key, Stream
from ....types import Array, Kernels


class Gradient(NamedTuple):
    """Derivatives in the location and in the scale, of equal shapes."""

    m: Array
    s: Array


class Target(Protocol):
    """A density on the line, given by its score and the score's derivative."""

    def score(self, x: Array) -> Array:
        """Compute the score ``g(x) = d/dx log p(x)``."""

    def slope(self, x: Array) -> Array:
        """Compute the derivative ``g'(x)`` of the score."""


@dataclass(frozen=True)
class NormalTarget:
    """The target ``N(mean, sd^2)``, and the closed forms of the module's table."""

    #: The parameters a and tau.
    mean: float = 0.0
    sd: float = 1.0

    def score(self, x: Array) -> Array:
        """Compute the score ``-(x - a) / tau^2``."""
        return np.asarray((self.mean - x) / self.sd**2)

    def slope(self, x: Array) -> Array:
        """Return the score's derivative ``-1 / tau^2``."""
        return np.full(np.shape(x), -1 / self.sd**2)

    def divergence(self, m: Array, s: Array) -> Array:
        """Compute the divergence F in closed form."""
        return np.asarray((1 / s**2 - 2 / self.sd**2 + ((m - self.mean) ** 2 + 2 * s**2) / self.sd**4) / 2)

    def biased(self, m: Array, s: Array) -> Gradient:
        """Compute the gradient without reparametrisation, almost everywhere, in closed form."""
        return Gradient(np.zeros(np.shape(m)), 1 / (s * self.sd**2) - 1 / s**3)

    def with_jump(self, m: Array, s: Array) -> Gradient:
        """Compute the gradient without reparametrisation with the score's jump kept, in closed form."""
        return Gradient((m - self.mean) / (s * self.sd) ** 2, self.biased(m, s).s)

    def unbiased(self, m: Array, s: Array) -> Gradient:
        """Compute the gradient of F in closed form."""
        return Gradient((m - self.mean) / self.sd**4, 2 * s / self.sd**4 - 1 / s**3)


@dataclass(frozen=True)
class MixtureTarget:
    """The target ``w N(a, tau^2) + (1 - w) N(b, tau^2)``, whose expectations have no closed form.

    With ``r(x)`` the first component's responsibility, ``g = (r a + (1 - r) b - x) / tau^2`` and
    ``g' = (a - b)^2 r (1 - r) / tau^4 - 1 / tau^2``.
    """

    weight: float
    first: float
    second: float
    sd: float

    def _responsibility(self, x: Array) -> Array:
        prior = np.log(self.weight / (1 - self.weight))
        log_odds = prior + (self.first - self.second) / self.sd**2 * (x - (self.first + self.second) / 2)
        return np.asarray((1 + np.tanh(log_odds / 2)) / 2)

    def score(self, x: Array) -> Array:
        """Compute the mean of the components' scores under their responsibilities."""
        mean = self.second + self._responsibility(x) * (self.first - self.second)
        return np.asarray((mean - x) / self.sd**2)

    def slope(self, x: Array) -> Array:
        """Compute the score's derivative: the variance of the components' scores less their precision."""
        r = self._responsibility(x)
        return np.asarray(r * (1 - r) * (self.first - self.second) ** 2 / self.sd**4 - 1 / self.sd**2)


# --- integrands: functions of eta, with m and s of a shape that broadcasts with it ----------------


def half_square(target: Target, m: Array, s: Array, eta: Array) -> Array:
    """Compute ``d^2 / 2``, whose mean is F."""
    d = -np.sign(eta) / s - target.score(m + s * eta)
    return 0.5 * d * d


def biased_sample(target: Target, m: Array, s: Array, eta: Array) -> Gradient:
    """Compute the derivative of ``d^2 / 2`` with x held fixed, almost everywhere: ``(0, d sigma / s^2)``."""
    sigma = np.sign(eta)
    d = -sigma / s - target.score(m + s * eta)
    return Gradient(np.zeros_like(d), d * sigma / s**2)


def unbiased_sample(target: Target, m: Array, s: Array, eta: Array) -> Gradient:
    """Compute the derivative of ``d^2 / 2`` with eta held fixed: ``(-d g', d (sigma / s^2 - eta g'))``."""
    sigma, x = np.sign(eta), m + s * eta
    d, slope = -sigma / s - target.score(x), target.slope(x)
    return Gradient(-d * slope, d * (sigma / s**2 - eta * slope))


def jump(target: Target, m: Array, s: Array) -> Array:
    """Compute what the score's jump at m adds to the biased gradient in m: ``-g(m) / s^2``."""
    return np.asarray(-target.score(m) / s**2)


# --- expectations ---------------------------------------------------------------------------------------

#: Borders of the panels of |eta|, finest where nearly all of the mass is; e^-40 of it lies beyond the last.
_BORDERS = np.concatenate([np.arange(0, 12, 0.5), np.arange(12, 41, 2)])
_NODES = 12
#: Half-width of the integral over t: sech(20)^2 is 1e-17.
_REACH = 20.0


@cache
def nodes() -> tuple[Array, Array]:
    """Return nodes and weights for expectations over ``eta ~ Laplace(0, 1)``, split at its kink.

    The rule is Gauss-Legendre on panels of ``(0, 40)`` and their mirror images; the weights include the
    density.
    """
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(_BORDERS)[:, None] / 2
    eta = (_BORDERS[:-1, None] + half * (node + 1)).ravel()
    mass = (half * weight).ravel() * np.exp(-eta) / 2
    return np.concatenate([-eta[::-1], eta]), np.concatenate([mass[::-1], mass])


def divergence(target: Target, m: Array, s: Array) -> Array:
    """Compute F by quadrature, for every pair ``m, s (...)``."""
    eta, weight = nodes()
    return np.asarray(half_square(target, m[..., None], s[..., None], eta) @ weight)


def biased(target: Target, m: Array, s: Array) -> Gradient:
    """Compute the gradient without reparametrisation, almost everywhere, by quadrature."""
    eta, weight = nodes()
    each = biased_sample(target, m[..., None], s[..., None], eta)
    return Gradient(each.m @ weight, each.s @ weight)


def with_jump(target: Target, m: Array, s: Array) -> Gradient:
    """Compute the gradient without reparametrisation with the score's jump kept, by quadrature."""
    almost = biased(target, m, s)
    return Gradient(almost.m + jump(target, m, s), almost.s)


def unbiased(target: Target, m: Array, s: Array) -> Gradient:
    """Compute the reparametrised gradient, which is that of F, by quadrature."""
    eta, weight = nodes()
    each = unbiased_sample(target, m[..., None], s[..., None], eta)
    return Gradient(each.m @ weight, each.s @ weight)


def mollified_sample(target: Target, m: Array, s: Array, width: float, eta: Array) -> Array:
    r"""Compute the derivative in m of ``d^2 / 2``, x held fixed, with the score of q smoothed over ``width``.

    With :math:`u = x - m = s \eta` and :math:`\sqrt{u^2 + \epsilon^2}` for :math:`|u|`, the score of q is
    :math:`-\frac{1}{s} u / \sqrt{u^2 + \epsilon^2}`, there is no jump, and the derivative is

    .. math:: d_\epsilon \, \frac{\epsilon^2}{s (u^2 + \epsilon^2)^{3/2}} .
    """
    u = s * eta
    root = np.hypot(u, width)
    d = -u / (root * s) - target.score(m + u)
    return np.asarray(d * width**2 / (s * root**3))


def mollified(target: Target, m: float, s: float, width: float) -> float:
    r"""Compute the mean of :func:`mollified_sample` by quadrature; its limit at width 0 is ``-g(m) / s^2``.

    For the target N(0, 1) it is :math:`\frac{m}{s^2} (1 - \epsilon/s + O(\epsilon^2 \log \epsilon))`.
    Substituting :math:`u = \epsilon \sinh t` turns the peak at m into :math:`\mathrm{sech}^2 t \, dt`.
    """
    node, weight = np.polynomial.legendre.leggauss(300)
    t = np.concatenate([-node - 1, node + 1]) * _REACH / 2  # split at the kink of q
    eta = width * np.sinh(t) / s
    mass = np.tile(weight, 2) * _REACH / 2 * width * np.cosh(t) / s * 0.5 * np.exp(-np.abs(eta))
    return float(mollified_sample(target, np.asarray(m), np.asarray(s), width, eta) @ mass)


def noise(k: Kernels, key: Key, samples: int) -> Array:
    """Draw ``eta ~ Laplace(0, 1)``, ``(R, S)``: a sign times an exponential, from separate streams."""
    uniform = key.on(Stream.INFERENCE, key.step).uniform(k, (samples,), np.float64)
    return key.on(Stream.PROBE, key.step).signs(k, (samples,), np.float64) * -np.log1p(-uniform)
