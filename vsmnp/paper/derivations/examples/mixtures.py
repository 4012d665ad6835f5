"""Gaussian mixtures by their densities, and two separated modes whose weights differ from the target's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..quadrature import normal_log_density


@dataclass(frozen=True, eq=False)
class DiagonalMixture:
    """The density ``sum_k w_k N(z; m_k, diag s_k^2)`` with weights ``w = softmax(logits)``.

    Attributes
    ----------
    logits, means, sds : Array
        Arrays ``(K,)``, ``(K, Z)`` and ``(K, Z)``.
    """

    logits: Array
    means: Array
    sds: Array

    def joint(self, z: Array) -> Array:
        """Compute ``w_k N_k(z)`` at ``z (Q, Z)``, ``(Q, K)``."""
        log_normal = normal_log_density(z[:, None], self.means, self.sds**2).sum(-1)
        weights = np.exp(self.logits - np.logaddexp.reduce(self.logits))
        return np.asarray(weights * np.exp(log_normal))

    def density(self, z: Array) -> Array:
        """Compute the density at ``z (Q, Z)``, ``(Q,)``."""
        return np.asarray(self.joint(z).sum(-1))

    def score_of(self, z: Array, group: list[int]) -> Array:
        """Compute the score of the mixture of the components of a group alone, ``(Q, Z)``."""
        joint = self.joint(z)[:, group]
        each = (self.means[group] - z[:, None]) / self.sds[group] ** 2
        return np.asarray((joint[..., None] * each).sum(1) / joint.sum(1)[:, None])

    def score(self, z: Array) -> Array:
        """Compute the score at ``z (Q, Z)``, ``(Q, Z)``."""
        return self.score_of(z, list(range(len(self.logits))))

    def share(self, z: Array, group: list[int]) -> Array:
        """Compute the responsibility of a group, ``(Q,)``."""
        return np.asarray(self.joint(z)[:, group].sum(-1) / self.density(z))


def plane(reach: float = 7.0, cells: int = 60) -> tuple[Array, float]:
    """Return the midpoints ``(Q, 2)`` of a grid over a square, and the area of a cell."""
    axis = (np.arange(cells) + 0.5) * (2 * reach / cells) - reach
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2), (2 * reach / cells) ** 2


#: q of three components in the plane and a target of three others.
FITTED = DiagonalMixture(
    np.array([0.3, -0.4, 0.6]),
    np.array([[1.0, 0.4], [-0.8, 0.9], [-0.5, -1.1]]),
    np.array([[0.9, 0.7], [0.8, 1.1], [1.0, 0.6]]),
)
TARGET = DiagonalMixture(
    np.array([0.0, 0.5, -0.7]),
    np.array([[1.2, 0.1], [-0.9, 0.6], [-0.2, -1.4]]),
    np.array([[0.8, 0.9], [1.0, 0.9], [0.7, 0.8]]),
)


@dataclass(frozen=True)
class TwoModes:
    """The modes ``N(m, s^2)`` and ``N(-m, s^2)``, with weight w of the first in q and omega in the target.

    Attributes
    ----------
    m, sd : float
        Half the distance of the modes and their standard deviation.
    w, omega : float
        Weights of the first mode.
    """

    m: float
    sd: float
    w: float
    omega: float

    @cached_property
    def u(self) -> Array:
        """Midpoints of ``u = 2 m z / s^2``, the log-ratio of the modes, that cover both of them."""
        reach = 2 * self.m * (self.m + 9 * self.sd) / self.sd**2
        cells = int(reach / 0.05)
        return (np.arange(-cells, cells) + 0.5) * (reach / cells)

    def log_ratio(self, u: Array) -> Array:
        """Compute ``log q/p`` from the densities of both modes, up to their common factor."""
        q, p = (np.logaddexp(np.log(a) + u / 2, np.log(1 - a) - u / 2) for a in (self.w, self.omega))
        return np.asarray(q - p)

    def log_q(self, u: Array) -> Array:
        """Compute ``log q`` at ``z = s^2 u / (2 m)``, plus ``m^2 / (2 s^2)``."""
        z = self.sd**2 * u / (2 * self.m)
        modes = np.logaddexp(np.log(self.w) + u / 2, np.log(1 - self.w) - u / 2)
        return np.asarray(modes - 0.5 * (z / self.sd) ** 2 - 0.5 * np.log(2 * np.pi * self.sd**2))

    def expect(self, f: Array) -> float:
        """Compute ``e^(m^2/2s^2) E_q f`` from the values of f at :attr:`u`."""
        width = (self.u[1] - self.u[0]) * self.sd**2 / (2 * self.m)
        return float((np.exp(self.log_q(self.u)) * f).sum() * width)

    def fisher(self) -> float:
        """Compute ``e^(m^2/2s^2) D_F[q || p]``, the slope of the log-ratio by differences.

        The integrand decays like ``e^(-3|u|/2)``; beyond ``|u| = 40`` rounding errors would be larger.
        """
        slope = derivative(lambda t: self.log_ratio(self.u + t), 5e-3) * 2 * self.m / self.sd**2
        return self.expect(np.where(abs(self.u) < 40, 0.5 * slope**2, 0.0))

    def kl(self) -> float:
        """Compute ``D_KL[q || p]``."""
        return self.expect(self.log_ratio(self.u)) * float(np.exp(-0.5 * (self.m / self.sd) ** 2))

    @property
    def scale(self) -> float:
        """The factor ``m / s^3`` of the limit."""
        return self.m / self.sd**3


@cache
def separated(sd: float, w: float, omega: float) -> float:
    """Compute the limit of ``e^(m^2/2s^2) D_F s^3/m`` for distant modes, by extrapolation in ``s^2/m^2``."""
    values = [TwoModes(ratio * sd, sd, w, omega) for ratio in (6.0, 12.0, 24.0)]
    near, middle, far = (modes.fisher() / modes.scale for modes in values)
    once = (4 * middle - near) / 3, (4 * far - middle) / 3
    return (16 * once[1] - once[0]) / 15
