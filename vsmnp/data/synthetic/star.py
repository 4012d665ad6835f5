r"""The paper's two-dimensional dataset of four spikes, with its exact density.

``x = z A + 0.01 eps`` with ``z_i = sign(n_i) n_i^2``. A is a rotation times a scale, ``A A' = c I``, so
``y = x A^{-1} = z + tau e`` has independent coordinates, ``tau = 0.01/sqrt(c)``, and
``p(x) = f(y_1) f(y_2)/det A``.
The density of ``z_i`` is ``exp(-|z|/2) / (2 sqrt(2 pi |z|))``; with the moments

.. math:: I_\mu(y) = \int_0^\infty z^{\mu - 1} e^{-z/2 - (y - z)^2/(2 \tau^2)} dz
          = \tau^\mu \Gamma(\mu)\, e^{-y^2/(2\tau^2)} e^{w^2/4} D_{-\mu}(w), \qquad w = \tau/2 - y/\tau,

:math:`4\pi\tau f(y) = I_{1/2}(y) + I_{1/2}(-y)`, where the parabolic cylinder functions are Bessel functions
of :math:`t = w^2/4` and, for w < 0, every term is positive (DLMF 12.5.1, 12.7.10):

.. math:: D_{-1/2}(w) = \sqrt{w/2\pi}\, K_{1/4}(t), \qquad
          D_{-1/2}(-w) = \tfrac{\sqrt{\pi w}}{2} (I_{1/4} + I_{-1/4})(t), \qquad w > 0.

The derivative is :math:`D_{-1/2}'(w) = -\tfrac12 w^{3/2} K_{3/4}(t)/\sqrt{2\pi}`; likewise on the other side.
Bessel functions are scaled by their exponential, so that nothing overflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...types import Array
from ..dataset import Bounds
from .synthetic import Synthetic

_MIX = np.array([[1.0, 0.3], [-0.3, 1.0]]) / 10
_NOISE = 0.01
_DET = 1.09 / 100
_UNMIX = _MIX.T / _DET
_TAU = _NOISE / np.sqrt(_DET)
#: Lower limit of |w|, below which w K(w^2/4) would be 0 times infinity with a finite limit.
_SMALLEST = 1e-30
#: Above this |w| the Bessel functions equal their asymptotes to 1e-8 of a term that is itself tiny.
_LARGEST = 1e4


@dataclass(frozen=True, repr=False)
class Star(Synthetic):
    """Four spikes on two turned axes: x = z A + .01 eps, z_i = sign(n_i) n_i^2, A = [[1, .3], [-.3, 1]]/10.

    The paper's two-dimensional example (its published code says "sparse"); n and eps are standard normal,
    x and z row vectors. The covariance is .0328 I.
    """

    name: ClassVar[str] = "star"
    bounds: ClassVar[Bounds] = Bounds(nll=-1.320505, sm_loss=-681.471306)
    normals: ClassVar[int] = 4

    def transform(self, n: Array, u: Array) -> Array:
        """Map the normals ``(n1, n2, eps1, eps2)`` to points ``sign(n) n^2 A + 0.01 eps``."""
        return np.asarray((n[:, :2] * np.abs(n[:, :2])) @ _MIX + _NOISE * n[:, 2:])

    def log_density(self, x: Array) -> Array:
        """Compute ``log f(y_1) + log f(y_2) - log det A`` with ``y = x A^{-1}``, ``(N,)``."""
        y = np.asarray(x, float) @ _UNMIX
        return np.asarray(_log_f(y)[0].sum(-1) - np.log(_DET))

    def score(self, x: Array) -> Array:
        """Compute the score ``(log f)'(y) A^{-T}``, ``(N, 2)``."""
        y = np.asarray(x, float) @ _UNMIX
        return np.asarray(_log_f(y)[1] @ _UNMIX.T)


def _log_f(y: Array) -> tuple[Array, Array]:
    """Compute ``log f(y)`` and its derivative: f is even, half from z > 0 and half from z < 0."""
    (right, d_right), (left, d_left) = _log_half(y), _log_half(-y)
    log_f = np.logaddexp(right, left)
    return log_f, np.exp(right - log_f) * d_right - np.exp(left - log_f) * d_left


def _log_half(y: Array) -> tuple[Array, Array]:
    """Compute the log of ``I_{1/2}(y)/(4 pi tau)``, the part of f from z > 0, and its derivative in y."""
    w = _TAU / 2 - y / _TAU
    size = np.clip(np.abs(w), _SMALLEST, None)
    near = np.minimum(size, _LARGEST)
    t = near**2 / 4
    inside = w < 0  # y is on the side of z > 0: the sum of two I's; otherwise K
    value, slope = (_bessel(order, t, inside) for order in (0.25, 0.75))
    # log(sqrt|w| B(t)) without the exponential of B, and its derivative in |w|
    log_b = np.log(value) + 0.5 * np.log(near) - 0.5 * np.log(size / near)
    side = np.where(inside, 1.0, -1.0)
    d_log_b = np.where(size > near, -0.5 / size, side * 0.5 * near * (slope / value - 1))
    scale = np.where(inside, np.sqrt(np.pi) / 2, np.sqrt(0.5 / np.pi))
    exponent = np.where(inside, _TAU**2 / 8 - y / 2, -((y / _TAU) ** 2) / 2)
    d_exponent = np.where(inside, -0.5, -y / _TAU**2)
    log_half = exponent + log_b + np.log(scale * np.sqrt(np.pi * _TAU) / (4 * np.pi * _TAU))
    return log_half, d_exponent + side * d_log_b / _TAU


def _bessel(order: float, t: Array, inside: Array) -> Array:
    """Compute ``e^{-t} (I_v + I_{-v})(t)`` if ``inside``, else ``e^t K_v(t)``, for v = 1/4 and 3/4.

    Inside, ``I_{-v} = I_v + (2/pi) sin(pi v) K_v`` (DLMF 10.27.2) with ``sin(pi v) = sqrt(1/2)``.
    """
    from scipy.special import ive, kve

    k = kve(order, t)
    return np.asarray(np.where(inside, 2 * ive(order, t) + np.sqrt(2) / np.pi * np.exp(-2 * t) * k, k))
