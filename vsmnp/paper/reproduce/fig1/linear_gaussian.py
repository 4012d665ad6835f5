r"""Compute joint divergences of the one-dimensional linear model of Section 3.1 in closed form.

With prior N(0, 1), likelihood :math:`N(\theta z, \gamma)` and data :math:`\pi = N(0, \sigma^2)`,
:math:`\sigma^2 = \theta_*^2 + \gamma`, the posterior :math:`q = N(\phi x, v)` has the exact posterior's
variance but for a factor: :math:`v = \alpha / P` with :math:`P = 1 + \theta^2 / \gamma`. This variance
depends on theta, and the derivatives below include it. Both divergences are unchanged if phi and theta
change sign together; the solution with ``theta >= 0`` is meant.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ....types import Array

#: Number of values of theta among which the slope is searched for changes of sign.
_SCAN = 1_000


@dataclass(frozen=True)
class Minimum:
    """A local minimum over ``(phi, theta)``, and the divergence at it in its own unit."""

    theta: float
    phi: float
    value: float


@dataclass(frozen=True)
class JointDivergence(ABC):
    """A divergence between ``q(z|x) pi(x)`` and ``p(z, x)``; every argument broadcasts."""

    #: Ratio of the posterior's variance to the exact posterior's.
    alpha: float
    #: Variance of the likelihood.
    gamma: float
    #: Name of the divergence in a figure.
    name: ClassVar[str]

    @abstractmethod
    def value(self, theta: Array | float, phi: Array | float, theta_star: Array | float) -> Array:
        """Compute the divergence at the given parameters."""

    @abstractmethod
    def slope(self, theta: Array | float, phi: Array | float, theta_star: Array | float) -> Array:
        """Compute the partial derivative in theta, including that of the posterior's variance."""

    @abstractmethod
    def best_phi(self, theta: Array | float, theta_star: Array | float) -> Array:
        """Compute the phi that minimises the divergence, a quadratic in phi, for given theta."""

    def minima(self, theta_star: float) -> list[Minimum]:
        """Find all local minima with ``theta >= 0``, the lowest first.

        As phi has a closed form, they are those zeros of the slope along ``best_phi(theta)`` at which it
        turns positive: a search in one dimension that needs no starting point. ``theta = 0`` is always
        stationary and counts where the slope beside it is positive.
        """
        from scipy.optimize import brentq

        def along(theta: Any) -> Any:
            return self.slope(theta, self.best_phi(theta, theta_star), theta_star)

        scan = np.linspace(0, 4 * theta_star + 2.1, _SCAN + 1)[1:]  # theta_star is none of its nodes
        rises = along(scan) > 0
        turns = np.flatnonzero(~rises[:-1] & rises[1:])
        thetas = [0.0] if rises[0] else []
        thetas += [float(brentq(along, scan[i], scan[i + 1], xtol=1e-14, rtol=1e-14)) for i in turns]
        phis = [float(self.best_phi(theta, theta_star)) for theta in thetas]
        found = [
            Minimum(theta, phi, float(self.value(theta, phi, theta_star)))
            for theta, phi in zip(thetas, phis, strict=True)
        ]
        return sorted(found, key=lambda minimum: minimum.value)

    def covariances(self, theta: float, phi: float, theta_star: float) -> tuple[Array, Array]:
        """Compute covariances of (z, x), each ``(2, 2)``: under ``q(z|x) pi(x)`` and under ``p(z, x)``."""
        square, v = float(self.data_variance(theta_star)), float(self.alpha / self.exact_precision(theta))
        q = np.array([[phi**2 * square + v, phi * square], [phi * square, square]])
        return q, np.array([[1.0, theta], [theta, theta**2 + self.gamma]])

    def exact_precision(self, theta: Array | float) -> Array:
        """Compute ``P = 1 + theta^2 / gamma``, the precision of the exact posterior."""
        return np.asarray(1 + np.square(theta) / self.gamma)

    def data_variance(self, theta_star: Array | float) -> Array:
        """Compute the data variance ``sigma^2 = theta_*^2 + gamma``."""
        return np.asarray(np.square(theta_star) + self.gamma)


@dataclass(frozen=True)
class JointFisherDivergence(JointDivergence):
    r"""The divergence of equation (6), half the mean square of the difference of scores in z and in x.

    .. math:: \tfrac12 \Big[ v (P - 1/v)^2 + \sigma^2 (P \phi - \theta/\gamma)^2
              + \sigma^2 (1/\gamma - 1/\sigma^2 - \theta\phi/\gamma)^2 + v (\phi/v - \theta/\gamma)^2 \Big].
    """

    name: ClassVar[str] = "joint Fisher"

    def value(self, theta: Array | float, phi: Array | float, theta_star: Array | float) -> Array:
        p, square = self.exact_precision(theta), self.data_variance(theta_star)
        v, ratio = self.alpha / p, np.asarray(theta) / self.gamma
        in_z = v * (p - 1 / v) ** 2 + square * (p * phi - ratio) ** 2
        in_x = square * (1 / self.gamma - 1 / square - ratio * phi) ** 2 + v * (phi / v - ratio) ** 2
        return np.asarray((in_z + in_x) / 2)

    def slope(self, theta: Array | float, phi: Array | float, theta_star: Array | float) -> Array:
        p, square = self.exact_precision(theta), self.data_variance(theta_star)
        alpha, gamma, theta, phi = self.alpha, self.gamma, np.asarray(theta), np.asarray(phi)
        v, ratio, dp = alpha / p, theta / gamma, 2 * theta / gamma
        dv = -v * dp / p
        in_z = dp * (1 - alpha) ** 2 / alpha + 2 * square * (p * phi - ratio) * (dp * phi - 1 / gamma)
        in_x = -2 * square * (1 / gamma - 1 / square - ratio * phi) * phi / gamma
        in_x = in_x + phi**2 * dp / alpha - 2 * phi / gamma + dv * ratio**2 + 2 * v * ratio / gamma
        return np.asarray((in_z + in_x) / 2)

    def best_phi(self, theta: Array | float, theta_star: Array | float) -> Array:
        p, square = self.exact_precision(theta), self.data_variance(theta_star)
        ratio = np.asarray(theta) / self.gamma
        curvature = square * (p**2 + ratio**2) + p / self.alpha
        return np.asarray(ratio * square * (p + 1 / self.gamma) / curvature)

    def collapse(self) -> float:
        """Compute the largest ``theta_*`` whose minimum lies at ``theta = 0``.

        At this value the curvature in theta at the origin, with ``phi = best_phi(theta)``, vanishes:
        ``(s + 1/alpha)(s + alpha + gamma (1-alpha)^2/alpha) = s^2 (1 + 1/gamma)^2``, ``s = sigma^2``.
        """
        inverse, constant = 1 / self.alpha, self.alpha + self.gamma * (1 - self.alpha) ** 2 / self.alpha
        quadratic = [1 - (1 + 1 / self.gamma) ** 2, inverse + constant, inverse * constant]
        return float(np.sqrt(max(np.roots(quadratic).real.max() - self.gamma, 0)))


@dataclass(frozen=True)
class JointKL(JointDivergence):
    r"""The divergence of equation (2), in nats; ``rho = sigma^2 / (theta^2 + gamma)``.

    .. math:: \tfrac12 \Big[ \alpha - 1 - \log\alpha + P \sigma^2 \big(\phi - \tfrac{\theta}{\gamma P}\big)^2
              \Big] + \tfrac12 \Big[ \rho - 1 - \log \rho \Big].

    The first bracket is the posterior's and the second the marginal's; as alpha is a constant, they vanish
    together but for ``alpha - 1 - log alpha``, and the minimum is at ``theta = theta_*`` for every alpha.
    """

    name: ClassVar[str] = "joint KL"

    def value(self, theta: Array | float, phi: Array | float, theta_star: Array | float) -> Array:
        p, square = self.exact_precision(theta), self.data_variance(theta_star)
        rho = square / (self.gamma * p)
        posterior = self.alpha - 1 - np.log(self.alpha)
        posterior = posterior + p * square * (phi - self.best_phi(theta, theta_star)) ** 2
        return np.asarray((posterior + rho - 1 - np.log(rho)) / 2)

    def slope(self, theta: Array | float, phi: Array | float, theta_star: Array | float) -> Array:
        p, square = self.exact_precision(theta), self.data_variance(theta_star)
        theta, best = np.asarray(theta), self.best_phi(theta, theta_star)
        variance = self.gamma * p
        dp, dbest = 2 * theta / self.gamma, (1 - 2 * theta * best) / variance
        off = phi - best
        marginal = 2 * theta * (1 - square / variance) / variance
        return np.asarray((dp * square * off**2 - 2 * p * square * off * dbest + marginal) / 2)

    def best_phi(self, theta: Array | float, theta_star: Array | float) -> Array:
        return np.asarray(np.asarray(theta) / (self.gamma + np.square(theta)))
