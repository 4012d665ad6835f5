"""Derive the score and the score-matching loss of the marginal by draws, and the order of the bounds."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....model.likelihood import kl_to_normal
from ....types import Array
from ..evidence import divergence_in, gradient_in
from ..examples.moments import FEW
from ..examples.toy import Toy, square
from ..proof import Proofs, Step

_TOY = Toy()
_GAMMA, _D_X = _TOY.gamma, _TOY.d_x


def _density(x: Array) -> Array:
    return np.asarray(np.exp(_TOY.log_marginal(x)))


def _weighted_score() -> Array:
    """Compute the mean of s^p with the weights of the likelihood on the nodes of the prior."""
    return _TOY.expect_posterior(_TOY.score_p, FEW)


def _mean_square() -> Array:
    return _TOY.expect_posterior(lambda x, z: square(_TOY.score_p(x, z)), FEW)


def _laplacian_of_density() -> Array:
    """Compute the Laplacian of p(x) by differences, over p(x)."""
    return divergence_in(lambda x: gradient_in(_density, x, 4e-3), FEW, 4e-3) / _density(FEW)


def _laplacian_of_log() -> Array:
    return divergence_in(lambda x: gradient_in(_TOY.log_marginal, x, 4e-3), FEW, 4e-3)


# --- the bound, for two and three draws of q on a trapezoidal grid ---


@cache
def _draws() -> tuple[Array, Array]:
    """Return ``log p(x, z)/q(z|x) (N, Q)`` at nodes of eps, and their weights ``(Q,)``."""
    eps = np.linspace(-14, 14, 401)
    w = np.exp(-0.5 * eps**2)
    x = FEW[:, None]
    z = _TOY.mu(x) + _TOY.s(x) * eps
    log_ratio = _TOY.log_likelihood(x, z) + _TOY.log_prior(z) - _TOY.log_q(x, z)
    return log_ratio, w / w.sum()


def _bound(draws: int) -> Array:
    """Compute the bound of one or two draws of each datum, ``(N,)``."""
    log_ratio, w = _draws()
    if draws == 1:
        return np.asarray(log_ratio @ w)
    pairs = np.logaddexp(log_ratio[:, :, None], log_ratio[:, None]) - np.log(2)
    return np.asarray(np.einsum("nij,i,j->n", pairs, w, w))


def _gap() -> Array:
    """Compute ``E log cosh`` of half the difference of two log-ratios, ``(N,)``."""
    log_ratio, w = _draws()
    half = 0.5 * (log_ratio[:, :, None] - log_ratio[:, None])
    return np.asarray(np.einsum("nij,i,j->n", np.logaddexp(half, -half) - np.log(2), w, w))


def _elbo() -> Array:
    mu, s = _TOY.mu(FEW), _TOY.s(FEW)
    return _TOY.expect_q(_TOY.log_likelihood, FEW) - kl_to_normal(mu[:, None], s[:, None])


def _mean_ratio() -> tuple[Array, Array]:
    log_ratio, w = _draws()
    mean = 0.5 * (np.exp(log_ratio)[:, :, None] + np.exp(log_ratio)[:, None])
    return np.einsum("nij,i,j->n", mean, w, w), _density(FEW)


def _leave_one_out() -> tuple[float, float]:
    """Compute the mean of four ratios, and the mean of their four means without one."""
    ratios = np.exp(_draws()[0][0, [150, 180, 210, 240]])
    return float(ratios.mean()), float(np.mean([np.delete(ratios, i).mean() for i in range(4)]))


_WEIGHTS = Step(
    r"p(x) = \int p(z)\, p(x|z)\, dz = \sum_i v_i\, p(x|z_i)",
    "The marginal is a mean over the prior, which the nodes or draws stand for.",
)

PROOFS: Proofs = {
    "engine-prior-score": (
        _WEIGHTS,
        Step(
            r"\nabla_x p(x) = \sum_i v_i\, \nabla_x p(x|z_i) = \sum_i v_i\, p(x|z_i)\, s^p_i",
            "The gradient of a density is the density times its score.",
            lambda: (gradient_in(_density, FEW), _density(FEW)[:, None] * _weighted_score()),
            kind="finite differences",
        ),
        Step(
            r"\nabla_x \log p(x) = \frac{\nabla_x p(x)}{p(x)} = \sum_i w_i s^p_i, \quad w_i = \frac{v_i\, "
            r"p(x|z_i)}"
            r"{\sum_j v_j\, p(x|z_j)} \propto v_i \, p(x|z_i), \quad \sum_i w_i = 1",
            "Divided by p(x), which is the sum of the numerators: these are the weights of the posterior.",
            lambda: (gradient_in(_TOY.log_marginal, FEW), _weighted_score()),
            kind="finite differences",
        ),
    ),
    "engine-prior-loss": (
        _WEIGHTS,
        Step(
            r"\nabla_x^2 \log p = \nabla_x \cdot \frac{\nabla_x p}{p} = \frac{\nabla_x^2 p}{p} - |\nabla_x "
            r"\log p|^2",
            "The quotient rule for the divergence.",
            lambda: (_laplacian_of_log(), _laplacian_of_density() - square(_weighted_score())),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\frac{\nabla_x^2 p}{p} = \sum_i w_i \frac{\nabla_x^2 p(x|z_i)}{p(x|z_i)} = \sum_i w_i \bigl( "
            r"|s^p_i|^2 + \nabla_x \cdot s^p_i \bigr) = \sum_i w_i |s^p_i|^2 - \frac{d_x}{\gamma}",
            "The same rule for each p(x|z_i), whose score has the divergence -d_x/gamma; the weights sum "
            "to 1.",
            lambda: (_laplacian_of_density(), _mean_square() - _D_X / _GAMMA),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\tfrac12 |\nabla_x \log p|^2 + \nabla_x^2 \log p = \sum_i w_i |s^p_i|^2 - \frac{d_x}{\gamma} "
            r"- \tfrac12 \Big| \sum_i w_i s^p_i \Big|^2",
            "Of the square of the score, 1 is subtracted and 1/2 is added; it is that of "
            "(engine-prior-score).",
            lambda: (
                0.5 * square(gradient_in(_TOY.log_marginal, FEW)) + _laplacian_of_log(),
                _mean_square() - _D_X / _GAMMA - 0.5 * square(_weighted_score()),
            ),
            tolerance=1e-8,
            kind="finite differences",
        ),
    ),
    "engine-iwae": (
        Step(
            r"R_K = \tfrac1K \sum_i \tfrac{p(x, z_i)}{q(z_i|x)}, \quad E R_K = \int q(z|x) \tfrac{p(x, "
            r"z)}{q(z|x)} "
            r"dz = p(x)",
            "Each ratio has the mean p(x), whatever q is.",
            _mean_ratio,
        ),
        Step(
            r"L_1 = E_q \log \tfrac{p(x|z)\, p(z)}{q(z|x)} = E_q \log p(x|z) - D_{KL}[q \| p(z)] = "
            r"\text{ELBO}",
            "The logarithm of the quotient is split: this is (1).",
            lambda: (_bound(1), _elbo()),
        ),
        Step(
            r"L_K = E \log R_K < \log E R_K = \log p(x)",
            "Jensen's inequality: the logarithm is strictly concave, and R_K is not constant unless q is the "
            "posterior.",
        ),
        Step(
            r"R_{K+1} = \tfrac{1}{K + 1} \sum_i R_K^{(-i)}",
            "The mean of K + 1 ratios is the mean of the K + 1 means in which one of them is left out.",
            _leave_one_out,
            kind="closed form",
        ),
        Step(
            r"\log R_{K+1} \ge \tfrac{1}{K + 1} \sum_i \log R_K^{(-i)} \implies L_{K+1} > L_K",
            "Jensen's inequality again; every R^(-i) has the law of R_K, so the mean on the right is L_K.",
        ),
        Step(
            r"L_2 = L_1 + E \log \cosh \bigl( \tfrac12 \log \tfrac{p(x, z_1) q(z_2|x)}{q(z_1|x) p(x, z_2)} "
            r"\bigr)",
            "The gap for K = 1, where log of the mean less the mean of the logarithms is log cosh of half "
            "their "
            "difference, which is positive.",
            lambda: (_bound(2), _bound(1) + _gap()),
        ),
        Step(
            r"\text{ELBO} = L_1 < L_2 < L_3 < \dots < \log p(x)", "The second, the third and the fifth line."
        ),
    ),
}
