r"""Linear VAEs by their modes: fixed points of the objectives, with q an exact posterior.

The decoder is :math:`g(z) = U \operatorname{diag}(w) z + b` with orthonormal columns of U, so that every
posterior is diagonal. The data have the covariance :math:`U \operatorname{diag}(\lambda) U^T` plus a rest
in the other directions, to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....model.gaussian import DiagonalGaussian
from ....objectives import Objective, Outcome
from ....rng import Key
from ....types import Array
from ..quadrature import normal_mean
from .engine import EngineExample
from .linear_engine import LinearVAE
from .moments import evaluate


@dataclass(frozen=True)
class Modes:
    """Data of known covariance, and the linear VAEs along their main directions.

    Attributes
    ----------
    active, rest : tuple of float
        Variances of the data in the directions that the decoder has, and in the others.
    mean : float
        Mean of the data in every coordinate.
    """

    active: tuple[float, ...]
    rest: tuple[float, ...]
    mean: float = 0.2

    @classmethod
    def of_truth(cls, widths: Sequence[float], gamma: float, d_x: int) -> Modes:
        """Return the data of the model with these widths w and this variance gamma."""
        return cls(tuple(w**2 + gamma for w in widths), (gamma,) * (d_x - len(widths)))

    @property
    def d_x(self) -> int:
        """Dimension d_x of the data."""
        return len(self.active) + len(self.rest)

    @property
    def axes(self) -> Array:
        """Orthonormal directions, ``(D, D)``; the first are those of the decoder."""
        return np.asarray(np.linalg.qr(np.random.default_rng(5).standard_normal((self.d_x, self.d_x)))[0])

    @property
    def data(self) -> Array:
        """Return ``2 D`` data with the mean and the covariance."""
        root = self.axes * np.sqrt(np.array(self.active + self.rest))
        return data_of(np.full(self.d_x, self.mean), root)

    def vae(self, w: Array, gamma: float) -> LinearVAE:
        """Build the model of widths ``w (Z,)``, q its exact posterior."""
        jacobian = self.axes[:, : len(w)] * w
        return LinearVAE.of(jacobian, np.full(self.d_x, self.mean), gamma, self.data).with_exact_posterior()

    @staticmethod
    def loss(objective: Objective, vae: LinearVAE) -> float:
        """Compute the expected loss of an objective."""
        return float(evaluate(vae.example, objective).loss[0])

    def slope(self, objective: Objective, vae: LinearVAE) -> Array:
        """Compute the gradient of an objective in ``(w, l)``, ``(Z + 1,)``."""
        return np.asarray(self._along(vae.example, evaluate(vae.example, objective))[0])

    def _along(self, example: EngineExample, outcome: Outcome) -> Array:
        """Compute the parts of the theta-gradients along ``(w, l)``, ``(R, Z + 1)``."""
        assert outcome.g_theta is not None
        (_, g), *_ = example.model.theta_layout.named(outcome.g_theta)
        along = np.einsum("dz,rdz->rz", self.axes[:, : example.model.d_z], g)
        return np.column_stack([along, example.model.log_sd(outcome.g_theta)])

    def sampled_slopes(
        self, objective: Objective, frozen: LinearVAE, w: Array, gamma: float, models: int
    ) -> Array:
        """Compute independent gradients in ``(w, l)`` with random samples of a frozen q, ``(R, Z + 1)``."""
        example = held(frozen, self.vae(w, gamma)).example
        model = replace(example.model, posterior=DiagonalGaussian(len(w)))
        key, phi, theta = Key(tuple(range(models))), example.phi, example.theta
        outcome = objective(example.k, model, phi.repeat(models, 0), theta.repeat(models, 0), example.x, key)
        return self._along(example, outcome)

    def stationary(self, slope: Callable[[Array, float], Array], w: Sequence[float], gamma: float) -> Array:
        """Find ``(w, gamma)`` with a vanishing slope by a search from the given values, ``(Z + 1,)``.

        The search is in ``(w / gamma, 1 / gamma)``, of which a loss with a frozen q is a quadratic function.

        Raises
        ------
        ArithmeticError
            If the search does not converge.
        """
        from scipy.optimize import root

        def of(at: Array) -> Array:
            tau = at[-1]
            *in_w, in_l = slope(at[:-1] / tau, float(1 / tau))
            return np.append(np.array(in_w) / tau, -(at[:-1] @ in_w / tau + in_l / 2) / tau)

        found = root(of, np.append(w, 1.0) / gamma, tol=1e-13)
        if np.abs(found.fun).max() > 1e-9:
            raise ArithmeticError(f"The search for a fixed point of {self} failed: {found.message}")
        return np.asarray(np.append(found.x[:-1], 1.0) / found.x[-1])


def data_of(mean: Array, root: Array) -> Array:
    """Return ``2 D`` data with exactly this mean ``(D,)`` and the covariance ``root root'``, ``(2 D, D)``."""
    corners = np.sqrt(len(mean)) * root.T
    return np.asarray(mean + np.concatenate([corners, -corners]))


def held(frozen: LinearVAE, moving: LinearVAE) -> LinearVAE:
    """Return the model of ``moving`` with the encoder of ``frozen``."""
    return replace(moving, example=moving.example.at(phi=frozen.example.phi))


# --- the same losses in symbols ---


def mean_loss(sympy: Any, c: Any, d_x: Any, gamma: Any, mode: Any, rest: Any) -> Any:
    """Compute the mean of ``(B + c T)/(2 gamma^2) - d_x/gamma`` by its definition, for one latent.

    Parameters
    ----------
    mode : tuple
        Variance of x along the decoder, width w of the decoder, and q: its mean over x, and its variance.
    rest : sympy.Expr
        Sum of the variances of x in the other directions.
    """
    x, eps = sympy.symbols("x eps", real=True)
    variance, w, gain, spread = mode
    error = w * (gain * x + sympy.sqrt(spread) * eps) - x
    each = c * normal_mean(error**2, eps) - (c - 1) * normal_mean(error, eps) ** 2
    return (rest + normal_mean(each, x, variance)) / (2 * gamma**2) - d_x / gamma


def coefficients(sympy: Any, slopes: list[Any], symbols: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """Return the coefficients of the numerators of slopes that should vanish, and as many zeros."""
    numerators = [sympy.fraction(sympy.together(slope))[0] for slope in slopes]
    found = [each for numerator in numerators for each in sympy.Poly(numerator, *symbols).coeffs()]
    return found, [0] * len(found)
