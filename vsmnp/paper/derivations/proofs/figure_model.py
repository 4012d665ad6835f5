"""Derive the model of Figure 1 and both of its joint divergences in closed form."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..examples import linear_joint as joint
from ..examples.linear_joint import LinearModel
from ..proof import Proofs, Step

_ALPHA, _GAMMA, _THETA, _PHI, _TRUE = 0.6, 0.5, 1.2, 0.45, 2.0
_P = 1 + _THETA**2 / _GAMMA
_MODEL = LinearModel(_THETA, _GAMMA, _PHI, _ALPHA / _P, _TRUE**2 + _GAMMA)
_EXACT = _MODEL.exact()
_RATIO, _V, _SQUARE = _THETA / _GAMMA, _MODEL.v, _MODEL.variance
_X, _Z = np.array([[0.7], [-1.2], [2.0]]), np.array([0.3, -0.8, 1.1])
_NOISE = _Z - _PHI * _X[:, 0]


def _log_joint(z: Array) -> Array:
    return _MODEL.log_prior(z) + _MODEL.log_likelihood(_X, z)


def _integral_over_z() -> Array:
    """Compute ``p(x)`` at each x as the integral of ``p(z) p(x|z)``."""
    z = np.linspace(-9, 9, 400)
    densities = np.exp(_MODEL.log_prior(z) + _MODEL.log_likelihood(_X[:, None], z))
    return np.asarray(densities.sum(-1) * (z[1] - z[0]))


def _in_z() -> float:
    """Compute the mean square of the slope in z."""
    return float(_V * (_P - 1 / _V) ** 2 + _SQUARE * (_P * _PHI - _RATIO) ** 2)


def _in_x() -> float:
    """Compute the mean square of the slope in x."""
    of_data = _SQUARE * (1 / _GAMMA - 1 / _SQUARE - _RATIO * _PHI) ** 2
    return float(of_data + _V * (_PHI / _V - _RATIO) ** 2)


def _posterior_kl() -> float:
    shift = _P * _SQUARE * (_PHI - _RATIO / _P) ** 2
    return float(_ALPHA - 1 - np.log(_ALPHA) + shift) / 2


def _marginal_kl() -> float:
    rho = _SQUARE / (_THETA**2 + _GAMMA)
    return float(rho - 1 - np.log(rho)) / 2


def _gaussian_kl(x: Array) -> Array:
    """Compute the KL divergence between q and the posterior at each x as in A.5.1."""
    shift = _PHI * x[..., 0] - _RATIO * x[..., 0] / _P
    return np.asarray((_V * _P - 1 - np.log(_V * _P) + _P * shift**2) / 2)


PROOFS: Proofs = {
    "figure-1-model": (
        Step(
            r"p(x|z) = N(x; \theta z, \gamma) \Rightarrow \log p(z|x) = -\tfrac12 z^2 "
            r"- \tfrac{(x - \theta z)^2}{2\gamma} + c(x)",
            "Bayes' rule with the prior N(0, 1); c(x) does not depend on z.",
            lambda: (
                _EXACT.log_q(_X, _Z) - _EXACT.log_q(_X, 0 * _Z),
                -(_Z**2) / 2 - ((_X[:, 0] - _THETA * _Z) ** 2 - _X[:, 0] ** 2) / (2 * _GAMMA),
            ),
            kind="closed form",
        ),
        Step(
            r"-\partial_z^2 \log p(z|x) = 1 + \tfrac{\theta^2}{\gamma} = \tfrac1{v^*}",
            "The precision of a Gaussian is minus the second derivative, and its inverse is what the text "
            "calls the exact variance; with the mean theta x that is printed, p(x|z) would not depend on z "
            "and v* would be 1.",
            lambda: (
                -derivative(lambda t: derivative(lambda u: _log_joint(_Z + t + u), 0.5), 0.5),
                np.full(3, _P),
            ),
            kind="finite differences",
        ),
        Step(
            r"p(x|z) = N(x; \theta z, \gamma)",
            "A mean a z would have a^2 in the place of theta^2, so that v* fixes it up to its sign.",
        ),
    ),
    "engine-closed-form-jfd": (
        Step(
            r"\nabla_z \log r = -\tfrac{z - \phi x}{v} + z - \tfrac\theta\gamma (x - \theta z) "
            r"= (P - \tfrac1v)(z - \phi x) + (P\phi - \tfrac\theta\gamma) x",
            "The slope in z of log q pi / p(z) p(x|z), with z = (z - phi x) + phi x and P = 1 + theta^2 / "
            "gamma.",
            lambda: (
                derivative(lambda t: joint.log_ratio(_MODEL, _X, _Z + t)),
                (_P - 1 / _V) * _NOISE + (_P * _PHI - _RATIO) * _X[:, 0],
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_x \log r = -\tfrac{x}{\sigma^2} + \tfrac{\phi (z - \phi x)}{v} "
            r"+ \tfrac{x - \theta z}{\gamma} = (\tfrac\phi v - \tfrac\theta\gamma)(z - \phi x) "
            r"+ (\tfrac1\gamma - \tfrac1{\sigma^2} - \tfrac{\theta\phi}\gamma) x",
            "The slope in x of the same log-ratio, rearranged in the same way.",
            lambda: (
                derivative(lambda t: joint.log_ratio(_MODEL, _X + t, _Z)),
                (_PHI / _V - _RATIO) * _NOISE + (1 / _GAMMA - 1 / _SQUARE - _RATIO * _PHI) * _X[:, 0],
            ),
            kind="finite differences",
        ),
        Step(
            r"E_{q\pi} (a (z - \phi x) + b x)^2 = a^2 v + b^2 \sigma^2",
            "Under q pi the noise z - phi x and x are independent, with mean 0 and variances v and sigma^2.",
            lambda: ([2 * joint.posterior_part(_MODEL), 2 * joint.data_part(_MODEL)], [_in_z(), _in_x()]),
        ),
        Step(
            r"D_F = \tfrac12 [ v (P - \tfrac1v)^2 + \sigma^2 (P\phi - \tfrac\theta\gamma)^2 + "
            r"\sigma^2 (\tfrac1\gamma - \tfrac1{\sigma^2} - \tfrac{\theta\phi}\gamma)^2 "
            r"+ v (\tfrac\phi v - \tfrac\theta\gamma)^2 ]",
            "Half the sum of both mean squares (6).",
            lambda: (_MODEL.joint_fisher(), (_in_z() + _in_x()) / 2),
            kind="closed form",
        ),
    ),
    "engine-closed-form-jkl": (
        Step(
            r"p(z|x) = N( \tfrac{\theta x}{\gamma P}, \tfrac1P ), \quad P = 1 + \tfrac{\theta^2}\gamma",
            "The square is completed in z^2 / 2 + (x - theta z)^2 / (2 gamma).",
            lambda: (
                _log_joint(_Z) - _log_joint(0 * _Z),
                -_P * ((_Z - _RATIO * _X[:, 0] / _P) ** 2 - (_RATIO * _X[:, 0] / _P) ** 2) / 2,
            ),
            kind="closed form",
        ),
        Step(
            r"D_{KL}[q \| p(z|x)] = \tfrac12 [ \alpha - 1 - \log\alpha "
            r"+ P x^2 (\phi - \tfrac\theta{\gamma P})^2 ]",
            "The divergence of two Gaussians (A.5.1-kl), whose ratio of variances is v P = alpha.",
            lambda: (
                _MODEL.expect_q(lambda x, z: _MODEL.log_q(x, z) - _MODEL.log_posterior(x, z), _X),
                _gaussian_kl(_X),
            ),
        ),
        Step(
            r"E_\pi D_{KL}[q \| p(z|x)] = \tfrac12 [ \alpha - 1 - \log\alpha "
            r"+ P\sigma^2 (\phi - \tfrac\theta{\gamma P})^2 ]",
            "The mean of x^2 under pi is sigma^2.",
            lambda: (_MODEL.expect_pi(_gaussian_kl), _posterior_kl()),
        ),
        Step(
            r"p(x) = N(0, \theta^2 + \gamma), \quad \pi(x) = N(0, \sigma^2), \; \sigma^2 = \theta_*^2 + "
            r"\gamma",
            "The data are theta z plus independent noise of variance gamma; pi is the same with the true "
            "theta.",
            lambda: (np.exp(_MODEL.log_marginal(_X)), _integral_over_z()),
        ),
        Step(
            r"D_{KL}[\pi \| p(x)] = \tfrac12 [\rho - 1 - \log\rho], \quad "
            r"\rho = \tfrac{\sigma^2}{\theta^2 + \gamma}",
            "The formula of A.5.1-kl for two Gaussians of mean 0, whose ratio of variances is rho.",
            lambda: (_MODEL.expect_pi(lambda x: _MODEL.log_pi(x) - _MODEL.log_marginal(x)), _marginal_kl()),
        ),
        Step(
            r"D_{KL} = \tfrac12 [\alpha - 1 - \log\alpha + P\sigma^2 (\phi - \tfrac{\theta}{\gamma P})^2] + "
            r"\tfrac12 [\rho - 1 - \log\rho]",
            "The joint divergence is the sum of both (2).",
            lambda: (_MODEL.joint_kl(), _posterior_kl() + _marginal_kl()),
            kind="closed form",
        ),
    ),
}
