"""The identities behind the evaluation: the score by draws from the prior, the importance-weighted bound."""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

from ....metrics import Subject, iwae_bound, log_prob_and_score, prior_estimate
from ....model.likelihood import kl_to_normal, log_likelihood
from ....rng import Key
from ....types import Array
from ..checks import both_sides, sampling_check, value_check
from ..evidence import divergence_in, gradient_in, mean_and_error
from ..examples.engine import EngineExample
from ..examples.toy import Toy, square
from ..quadrature import normal_log_density, normal_rule
from ..statement import Claim, Effort, Evidence, Statement

#: Number of models that differ only in their noise: independent estimates by the engine.
_MODELS = 32
_TOY = Toy()
_X = np.array([[0.3, -0.8], [-0.9, 0.4], [1.1, 0.5]])

# --- log p(x), its gradient and the score-matching loss, by weights on draws from the prior ---


#: A model of one latent, for which quadrature over the prior and over two draws of q is cheap.
_EXAMPLE = EngineExample.build(d_z=1, gamma=0.5)


def _log_p(z: Array, x: Array) -> Array:
    """Compute ``log p(x|z)`` of the example by the engine."""
    e = _EXAMPLE
    return log_likelihood(square(e.g(z) - x), np.asarray(0.5 * np.log(e.gamma)), e.model.d_x)


def _subject(x: Array) -> Subject:
    """Return the example as models that differ only in their noise, with the data ``x``."""
    e = _EXAMPLE
    phi, theta = (np.repeat(parameters, _MODELS, axis=0) for parameters in (e.phi, e.theta))
    return Subject(e.k, e.model, phi, theta, x, Key(tuple(range(_MODELS))))


def _engine_draws() -> tuple[Array, Array, Array]:
    """Return ``w (Q,)`` of the prior's nodes, ``log p(x|z) (N, Q)`` and ``s^p (N, Q, D)`` of the example."""
    e, (z, w) = _EXAMPLE, normal_rule(120, 1)
    x = e.data[:, None]
    return w, _log_p(z, x), (e.g(z) - x) / e.gamma


def _toy_draws() -> tuple[Array, Array, Array]:
    z, x = np.linspace(-9, 9, 200), _X[:, None]
    w = np.exp(_TOY.log_prior(z))
    return w / w.sum(), _TOY.log_likelihood(x, z), _TOY.score_p(x, z)


@both_sides("closed form", 1e-10, "grad_x log p(x), linear decoder")
def _score_of_a_linear_model(claim: Claim) -> tuple[Any, Any]:
    """Compare for ``g(z) = W z + c``: p(x) is Gaussian with the covariance ``W W' + gamma``."""
    weight, offset, gamma = np.array([[0.8, -0.3], [0.4, 0.9], [-0.2, 0.5]]), np.array([0.1, -0.4, 0.3]), 0.6
    x = np.array([[0.5, -1.0, 0.7], [1.2, 0.3, -0.4]])
    z, w = normal_rule(60, 2)
    score = (z @ weight.T + offset - x[:, None]) / gamma
    covariance = weight @ weight.T + gamma * np.eye(3)
    truth = -np.linalg.solve(covariance, (x - offset).T).T
    return claim(w, -0.5 * gamma * square(score), score), truth


def _scores_of_the_engine(draws: int) -> tuple[Array, Array]:
    return mean_and_error(log_prob_and_score(_subject(_EXAMPLE.data), draws)[1])


def _losses_of_the_engine(draws: int) -> tuple[Array, Array]:
    return mean_and_error(prior_estimate(_subject(_EXAMPLE.data), draws).sm_loss)


def _posterior(w: Array, log_p: Array) -> Array:
    """Compute ``w_i p(x|z_i)``, normalised, ``(N, Q)``: the weights of the module's formulas."""
    weights = w * np.exp(log_p - log_p.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def _prior_score(w: Array, log_p: Array, score: Array) -> Array:
    return np.asarray(np.einsum("nq,nqd->nd", _posterior(w, log_p), score))


def _prior_loss(
    w: Array, log_p: Array, score: Array, d_x: int, gamma: float, of_square: float = 1, of_mean: float = 0.5
) -> Array:
    """Compute the loss, or a mutation of it with other factors of its two squares."""
    mean_square = (_posterior(w, log_p) * square(score)).sum(-1)
    return np.asarray(of_square * mean_square - d_x / gamma - of_mean * square(_prior_score(w, log_p, score)))


# --- the importance-weighted bound ---


@cache
def _weighted(samples: int) -> tuple[Array, Array, Array]:
    """Return ``log p(x, z)``, ``log q(z|x)``, ``(Q, K, N)``, at the nodes of K draws; weights ``(Q,)``."""
    eps, w = normal_rule(48, samples)
    mu, s = _EXAMPLE.q()
    z = _EXAMPLE.place(eps[..., None, None])  # (Q, K, N, 1)
    log_p = _log_p(z, _EXAMPLE.data) + normal_log_density(z[..., 0], 0.0, 1.0)
    return log_p, normal_log_density(z, mu, s**2)[..., 0], w


def _bound(claim: Claim, samples: int) -> Array:
    log_p, log_q, w = _weighted(samples)
    return np.asarray(w @ claim(log_p, log_q))


def _elbo() -> Array:
    """Compute the evidence lower bound by the reconstruction term and the divergence in closed form."""
    e = _EXAMPLE
    return e.expect(lambda eps, z: _log_p(z, e.data)) - kl_to_normal(*e.q())


def _bound_in_order(claim: Claim, effort: Effort) -> Evidence:
    """Check that the bound rises with the draws towards log p(x) from below; the error is 1 if not."""
    w, log_p, _ = _engine_draws()
    steps = [_bound(claim, 1), _bound(claim, 2), _bound(claim, 3), np.log(np.exp(log_p) @ w)]
    rising = all((after - before).min() > 1e-3 for before, after in pairwise(steps))
    means = ", ".join(f"{step.mean():.6g}" for step in steps)
    return Evidence("quadrature", 0.0 if rising else 1.0, 0.0, f"K = 1, 2, 3 and log p(x), means: {means}")


def _bounds_of_the_engine(copies: int) -> tuple[Array, Array]:
    x = np.tile(_EXAMPLE.data, (copies, 1))
    return mean_and_error(iwae_bound(_subject(x), 2))


def _log_mean_exp(log_p: Array, log_q: Array) -> Array:
    return np.asarray(np.log(np.exp(log_p - log_q).mean(1)))


STATEMENTS = (
    Statement(
        id="engine-prior-score",
        title="The score of the marginal as a weighted mean of scores",
        assumptions="z_i are draws from p(z), or nodes with weights v_i that stand for it.",
        latex=r"\nabla_x \log p(x) = \sum_i w_i s^p_i, \quad w_i \propto v_i \, p(x|z_i), \quad "
            r"\sum_i w_i = 1",
        claim=_prior_score,
        checks=(
            value_check("finite differences", 1e-9, "grad_x log p(x) at three data",
                lambda claim: claim(*_toy_draws()), lambda: gradient_in(_TOY.log_marginal, _X)),
            _score_of_a_linear_model,
            sampling_check(30_000, f"grad_x log p(x) by the engine, {_MODELS} x {{samples:,}} draws",
                lambda claim: claim(*_engine_draws()), _scores_of_the_engine),
        ),
        mutations={
            "weights of the prior": lambda w, log_p, score: _prior_score(w, 0 * log_p, score),
            "likelihood squared": lambda w, log_p, score: _prior_score(w, 2 * log_p, score),
            "sign": lambda w, log_p, score: -_prior_score(w, log_p, score),
            "weights not normalised": lambda w, log_p, score: np.einsum(
                "nq,nqd->nd", w * np.exp(log_p), score
            ),
        },
        code="vsmnp.metrics.prior.log_prob_and_score",
    ),
    Statement(
        id="engine-prior-loss",
        title="The score-matching loss by draws from the prior",
        assumptions="As for the score of the marginal; p(x|z) = N(x; g(z), gamma I).",
        latex=r"\tfrac12 |\nabla_x \log p|^2 + \nabla_x^2 \log p = "
            r"\sum_i w_i |s^p_i|^2 - \frac{d_x}{\gamma} - \tfrac12 \Big| \sum_i w_i s^p_i \Big|^2",
        claim=_prior_loss,
        checks=(
            value_check("finite differences", 1e-9, "|grad log p|^2/2 + Laplacian of log p, at three data",
                lambda claim: claim(*_toy_draws(), _TOY.d_x, _TOY.gamma),
                lambda: 0.5 * square(gradient_in(_TOY.log_marginal, _X))
                + divergence_in(_TOY.score_marginal, _X)),
            sampling_check(30_000, f"score-matching loss by the engine, {_MODELS} x {{samples:,}} draws",
                lambda claim: claim(*_engine_draws(), _EXAMPLE.model.d_x, _EXAMPLE.gamma).mean(),
                _losses_of_the_engine),
        ),
        mutations={
            "half of the squares": partial(_prior_loss, of_square=0.5),
            "square of the mean in full": partial(_prior_loss, of_mean=1),
            "sign of the square of the mean": partial(_prior_loss, of_mean=-0.5),
            "one dimension": lambda w, log_p, score, d_x, gamma: _prior_loss(w, log_p, score, 1, gamma),
        },
        code="vsmnp.metrics.prior.prior_estimate",
    ),
    Statement(
        id="engine-iwae",
        title="The importance-weighted bound",
        assumptions="z_1 ... z_K are independent draws from q(z|x), which is not the exact posterior.",
        latex=r"\text{ELBO} = L_1 < L_2 < L_3 < \dots < \log p(x), \quad "
            r"L_K = E \log \frac1K \sum_i \frac{p(x, z_i)}{q(z_i|x)}",
        claim=_log_mean_exp,
        checks=(
            value_check("quadrature", 1e-10, "K = 1 against the evidence lower bound",
                lambda claim: _bound(claim, 1), _elbo),
            _bound_in_order,
            sampling_check(2_500,
                f"K = 2 against the engine's bound, {_MODELS} x {{samples:,}} draws for each datum",
                lambda claim: -_bound(claim, 2).mean(), _bounds_of_the_engine),
        ),
        mutations={
            "mean of the logarithms": lambda log_p, log_q: (log_p - log_q).mean(1),
            "sum for mean": lambda log_p, log_q: _log_mean_exp(log_p, log_q) + np.log(log_p.shape[1]),
            "not divided by q": lambda log_p, log_q: _log_mean_exp(log_p, 0 * log_q),
            "sign": lambda log_p, log_q: _log_mean_exp(log_p, -log_q),
        },
        code="vsmnp.metrics.posterior_means.iwae_bound",
    ),
)  # fmt: skip
