"""The identities behind the evaluation: the score by draws from the prior, the importance-weighted bound."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from ....metrics import Subject, iwae_bound, log_prob_and_score, prior_estimate
from ....model.likelihood import kl_to_normal, log_likelihood
from ....rng import Key
from ....types import Array
from ..evidence import gradient, numeric, statistical
from ..examples.engine import EngineExample
from ..examples.toy import Toy, square
from ..quadrature import normal_log_density, normal_rule
from ..statement import Claim, Effort, Evidence, Form, Statement

#: Number of models that differ only in their noise: independent estimates by the engine.
_MODELS = 32
_X = np.array([[0.3, -0.8], [-0.9, 0.4], [1.1, 0.5]])

# --- log p(x), its gradient and the score-matching loss, by weights on draws from the prior ---


@cache
def _example() -> EngineExample:
    """Build a model of one latent, for which quadrature over the prior and over two draws of q is cheap."""
    return EngineExample.build(d_z=1, gamma=0.5)


def _engine_draws() -> tuple[Array, Array, Array]:
    """Return ``w (Q,)`` of the prior's nodes, ``log p(x|z) (N, Q)`` and ``s^p (N, Q, D)`` of the example."""
    e = _example()
    z, w = normal_rule(120, 1)
    score = (e.g(z) - e.data[:, None]) / e.gamma
    log_sd = np.asarray(0.5 * np.log(e.gamma))
    return w, log_likelihood(e.gamma**2 * square(score), log_sd, e.model.d_x), score


def _toy_draws() -> tuple[Array, Array, Array]:
    toy = Toy()
    z = np.linspace(-9, 9, 200)
    x = _X[:, None]
    w = np.exp(toy.log_prior(z))
    return w / w.sum(), toy.log_likelihood(x, z), toy.score_p(x, z)


def _score_by_differences(claim: Claim, effort: Effort) -> Evidence:
    toy = Toy()
    truth = gradient(lambda shift: toy.log_marginal(_X + shift), np.zeros(2))
    detail = "grad_x log p(x) at three data"
    return numeric("finite differences", claim(*_toy_draws()), truth, effort.tolerance(1e-9), detail)


def _score_of_a_linear_model(claim: Claim, effort: Effort) -> Evidence:
    """Compare for ``g(z) = W z + c``: p(x) is Gaussian with the covariance ``W W' + gamma``."""
    weight, offset, gamma = np.array([[0.8, -0.3], [0.4, 0.9], [-0.2, 0.5]]), np.array([0.1, -0.4, 0.3]), 0.6
    x = np.array([[0.5, -1.0, 0.7], [1.2, 0.3, -0.4]])
    z, w = normal_rule(60, 2)
    score = (z @ weight.T + offset - x[:, None]) / gamma
    covariance = weight @ weight.T + gamma * np.eye(3)
    truth = -np.linalg.solve(covariance, (x - offset).T).T
    claimed = claim(w, -0.5 * gamma * square(score), score)
    return numeric("closed form", claimed, truth, effort.tolerance(1e-10), "grad_x log p(x), linear decoder")


def _score_of_the_engine(claim: Claim, effort: Effort) -> Evidence:
    draws = effort.samples(30_000)
    mean, error = _spread(_engine_scores(draws))
    detail = f"grad_x log p(x) by the engine, {_MODELS} x {draws:,} draws"
    return statistical(claim(*_engine_draws()), mean, error, detail)


@cache
def _engine_scores(draws: int) -> Array:
    e = _example()
    theta = np.repeat(e.theta, _MODELS, axis=0)
    return log_prob_and_score(Subject(e.k, e.model, e.phi, theta, e.data, _keys()), draws)[1]


def _loss_by_differences(claim: Claim, effort: Effort) -> Evidence:
    toy, origin = Toy(), np.zeros(2)
    slope = gradient(lambda shift: toy.log_marginal(_X + shift), origin)
    hessian = gradient(lambda shift: toy.score_marginal(_X + shift), origin)
    truth = 0.5 * square(slope) + np.trace(hessian, axis1=1, axis2=2)
    claimed = claim(*_toy_draws(), 2, toy.gamma)
    detail = "|grad log p|^2/2 + Laplacian of log p, at three data"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), detail)


def _loss_of_the_engine(claim: Claim, effort: Effort) -> Evidence:
    draws = effort.samples(30_000)
    mean, error = _spread(_engine_losses(draws))
    e = _example()
    claimed = np.mean(claim(*_engine_draws(), e.model.d_x, e.gamma))
    detail = f"score-matching loss by the engine, {_MODELS} x {draws:,} draws"
    return statistical(claimed, mean, error, detail)


@cache
def _engine_losses(draws: int) -> Array:
    e = _example()
    theta = np.repeat(e.theta, _MODELS, axis=0)
    return prior_estimate(Subject(e.k, e.model, e.phi, theta, e.data, _keys()), draws).sm_loss


def _keys() -> Key:
    return Key(tuple(range(_MODELS)))


def _spread(values: Array) -> tuple[Array, Array]:
    """Compute mean and standard error over the models."""
    return values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values))


def _posterior(w: Array, log_p: Array) -> Array:
    """Compute ``w_i p(x|z_i)``, normalised, ``(N, Q)``: the weights of the module's formulas."""
    weights = w * np.exp(log_p - log_p.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def _prior_score(w: Array, log_p: Array, score: Array) -> Array:
    return np.asarray(np.einsum("nq,nqd->nd", _posterior(w, log_p), score))


def _prior_square(w: Array, log_p: Array, score: Array) -> Array:
    return np.asarray((_posterior(w, log_p) * square(score)).sum(-1))


# --- the importance-weighted bound ---


@cache
def _weighted(samples: int) -> tuple[Array, Array, Array]:
    """Return ``log p(x, z)``, ``log q(z|x)``, ``(Q, K, N)``, at the nodes of K draws; weights ``(Q,)``."""
    e = _example()
    eps, w = normal_rule(48, samples)
    mu, s = e.q()
    z = mu + s * eps[..., None, None]  # (Q, K, N, 1)
    log_sd = np.asarray(0.5 * np.log(e.gamma))
    log_p = log_likelihood(square(e.g(z) - e.data), log_sd, 2) + normal_log_density(z[..., 0], 0.0, 1.0)
    return log_p, normal_log_density(z, mu, s**2)[..., 0], w


def _bound(claim: Claim, samples: int) -> Array:
    log_p, log_q, w = _weighted(samples)
    return np.asarray(w @ claim(log_p, log_q))


def _log_marginal() -> Array:
    w, log_p, _ = _engine_draws()
    return np.asarray(np.log(np.exp(log_p) @ w))


def _bound_of_one(claim: Claim, effort: Effort) -> Evidence:
    """Compare at K = 1 with the reconstruction term and the divergence in closed form."""
    e = _example()
    error = e.expect(lambda eps, z: square(e.g(z) - e.data))
    truth = log_likelihood(error, np.asarray(0.5 * np.log(e.gamma)), 2) - kl_to_normal(*e.q())
    detail = "K = 1 against the evidence lower bound"
    return numeric("quadrature", _bound(claim, 1), truth, effort.tolerance(1e-10), detail)


def _bound_in_order(claim: Claim, effort: Effort) -> Evidence:
    """Check that the bound rises with the draws towards log p(x) from below; the error is 1 if not."""
    steps = [_bound(claim, 1), _bound(claim, 2), _bound(claim, 3), _log_marginal()]
    rising = all((after - before).min() > 1e-3 for before, after in pairwise(steps))
    means = ", ".join(f"{step.mean():.6g}" for step in steps)
    return Evidence("quadrature", 0.0 if rising else 1.0, 0.0, f"K = 1, 2, 3 and log p(x), means: {means}")


def _bound_of_the_engine(claim: Claim, effort: Effort) -> Evidence:
    copies = effort.samples(2_500)
    mean, error = _spread(_engine_bounds(copies))
    detail = f"K = 2 against the engine's bound, {_MODELS} x {copies:,} draws for each datum"
    return statistical(-np.mean(_bound(claim, 2)), mean, error, detail)


@cache
def _engine_bounds(copies: int) -> Array:
    e = _example()
    phi, theta = (np.repeat(p, _MODELS, axis=0) for p in (e.phi, e.theta))
    x = np.tile(e.data, (copies, 1))
    return iwae_bound(Subject(e.k, e.model, phi, theta, x, _keys()), 2)


def _log_mean_exp(log_p: Array, log_q: Array) -> Array:
    return np.asarray(np.log(np.exp(log_p - log_q).mean(1)))


def _prior_loss(w: Array, log_p: Array, score: Array, d_x: int, gamma: float) -> Array:
    mean = _prior_score(w, log_p, score)
    return np.asarray(_prior_square(w, log_p, score) - d_x / gamma - 0.5 * square(mean))


STATEMENTS = (
    Statement(
        id="engine-prior-score",
        section="engine",
        title="The score of the marginal as a weighted mean of scores",
        assumptions="z_i are draws from p(z), or nodes with weights v_i that stand for it.",
        form=Form(
            r"\nabla_x \log p(x) = \sum_i w_i s^p_i, \quad w_i \propto v_i \, p(x|z_i), \quad \sum_i w_i = 1",
            _prior_score,
        ),
        checks=(_score_by_differences, _score_of_a_linear_model, _score_of_the_engine),
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
        section="engine",
        title="The score-matching loss by draws from the prior",
        assumptions="As for the score of the marginal; p(x|z) = N(x; g(z), gamma I).",
        form=Form(
            r"\tfrac12 |\nabla_x \log p|^2 + \nabla_x^2 \log p = "
            r"\sum_i w_i |s^p_i|^2 - \frac{d_x}{\gamma} - \tfrac12 \Big| \sum_i w_i s^p_i \Big|^2",
            _prior_loss,
        ),
        checks=(_loss_by_differences, _loss_of_the_engine),
        mutations={
            "half of the squares": lambda w, log_p, score, d_x, gamma: (
                _prior_loss(w, log_p, score, d_x, gamma) - 0.5 * _prior_square(w, log_p, score)
            ),
            "square of the mean in full": lambda w, log_p, score, d_x, gamma: (
                _prior_loss(w, log_p, score, d_x, gamma) - 0.5 * square(_prior_score(w, log_p, score))
            ),
            "sign of the square of the mean": lambda w, log_p, score, d_x, gamma: (
                _prior_loss(w, log_p, score, d_x, gamma) + square(_prior_score(w, log_p, score))
            ),
            "one dimension": lambda w, log_p, score, d_x, gamma: _prior_loss(w, log_p, score, 1, gamma),
        },
        code="vsmnp.metrics.prior.prior_estimate",
    ),
    Statement(
        id="engine-iwae",
        section="engine",
        title="The importance-weighted bound",
        assumptions="z_1 ... z_K are independent draws from q(z|x), which is not the exact posterior.",
        form=Form(
            r"\text{ELBO} = L_1 < L_2 < L_3 < \dots < \log p(x), \quad "
            r"L_K = E \log \frac1K \sum_i \frac{p(x, z_i)}{q(z_i|x)}",
            _log_mean_exp,
        ),
        checks=(_bound_of_one, _bound_in_order, _bound_of_the_engine),
        mutations={
            "mean of the logarithms": lambda log_p, log_q: (log_p - log_q).mean(1),
            "sum for mean": lambda log_p, log_q: _log_mean_exp(log_p, log_q) + np.log(log_p.shape[1]),
            "not divided by q": lambda log_p, log_q: _log_mean_exp(log_p, 0 * log_q),
            "sign": lambda log_p, log_q: _log_mean_exp(log_p, -log_q),
        },
        code="vsmnp.metrics.posterior_means.iwae_bound",
    ),
)  # fmt: skip
