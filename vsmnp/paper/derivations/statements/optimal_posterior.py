"""Equation (10): the value and the place of the optimum of the posterior Fisher divergence."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ....objectives import KL, PosteriorFisher
from ....types import Array
from ..evidence import numeric, symbolic
from ..examples.expected import gradient_in_q, loss_of, with_q
from ..examples.linear_engine import at_decoded_datum
from ..examples.linear_posterior import LinearPosterior, root_of
from ..examples.minimum import minimise
from ..quadrature import normal_rule
from ..statement import Effort, Evidence, Form, Statement

_PRECISE = PosteriorFisher(reparametrised=True)


# --- (10): a claim is the q, as (mu, Lambda), at which the divergence is half |mu|^2 ---


def _at_that_q(claim: Any, effort: Effort) -> Evidence:
    toy = LinearPosterior()
    mu, precision = claim(toy.j, toy.gamma, toy.x)
    found = toy.fisher(mu, root_of(precision))
    return numeric("quadrature", 0.5 * mu @ mu, found, effort.tolerance(1e-10), "half |mu|^2 against D_F")


def _at_that_q_by_engine(claim: Any, effort: Effort) -> Evidence:
    example, jacobian, z0 = at_decoded_datum(1)
    mu, precision = claim(jacobian, example.gamma, jacobian @ z0)
    found = loss_of(with_q(example, mu, np.diag(precision) ** -0.5))
    return numeric(
        "quadrature", 0.5 * mu @ mu, found, effort.tolerance(1e-10), "half |mu|^2 against the loss"
    )


def _at_that_q_by_smoothing(claim: Any, effort: Effort) -> Evidence:
    toy = LinearPosterior()
    mu, precision = claim(toy.j, toy.gamma, toy.x)
    found = toy.fisher_by_smoothing(mu, precision)
    detail = "half |mu|^2 against the rate at which noise lowers KL"
    return numeric("finite differences", 0.5 * mu @ mu, found, effort.tolerance(1e-9), detail)


def _curvature(j: Array, gamma: float) -> Array:
    return np.asarray(j.T @ j / gamma)


def _precision(j: Array, gamma: float) -> Array:
    return np.eye(j.shape[1]) + _curvature(j, gamma)


def _inverse(j: Array, x: Array) -> Array:
    """Solve ``g(mu) = x`` for mu by least squares."""
    return np.asarray(np.linalg.lstsq(j, x, rcond=None)[0])


def _mean(j: Array, gamma: float, x: Array) -> Array:
    return np.asarray(np.linalg.solve(_precision(j, gamma), j.T @ x / gamma))


def _square(v: Array) -> float:
    return float(v @ v)


# --- linear g, any covariance: a claim is (mu, Lambda, value) ---


def _packed(mu: Array, precision: Array, value: float) -> Array:
    return np.concatenate([mu, precision.ravel(), [value]])


@cache
def _full_minimum() -> Array:
    """Minimise by least squares on the score difference at the nodes."""
    from scipy.optimize import least_squares

    toy = LinearPosterior()
    eps, w = normal_rule(3, 2)

    def unpack(v: Array) -> tuple[Array, Array]:
        return v[:2], np.array([[v[2], 0.0], [v[3], v[4]]])

    def residuals(v: Array) -> Array:
        mu, root = unpack(v)
        d = toy.score_difference(mu + eps @ root.T, mu, root)
        return np.asarray((np.sqrt(w)[:, None] * d).ravel())

    start = np.array([0.0, 0.0, 0.7, 0.1, 0.6])
    found = least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, jac="3-point")
    mu, root = unpack(found.x)
    return _packed(mu, np.linalg.inv(root @ root.T), toy.fisher(mu, root))


def _full_by_search(claim: Any, effort: Effort) -> Evidence:
    toy = LinearPosterior()
    claimed = _packed(*claim(toy.j, toy.gamma, toy.x))
    detail = "mu, Lambda and value at the minimum over all Gaussians"
    return numeric("search", claimed, _full_minimum(), effort.tolerance(1e-9), detail)


def _full_by_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare for one latent, without covariances: value and gradient at the claimed q."""
    example, jacobian, z0 = at_decoded_datum(1)
    mu, precision, value = claim(jacobian, example.gamma, jacobian @ z0)
    there = with_q(example, mu, np.diag(precision) ** -0.5)
    excess = [loss_of(there) - value, *gradient_in_q(there, _PRECISE)]
    return numeric("quadrature", excess, np.zeros(3), effort.tolerance(1e-10), "loss - value and slope, at q")


# --- linear g, diagonal covariance ---


def _diagonal_fit(f: Callable[[Array, Array], float], d_z: int) -> Array:
    """Find the minimiser ``(mu, log s)`` of a divergence over diagonal Gaussians."""
    return minimise(lambda v: f(v[:d_z], np.exp(v[d_z:])), np.r_[np.zeros(d_z), np.full(d_z, -0.5)])


@cache
def _diagonal_minima() -> tuple[float, Array, Array]:
    """Find the least Fisher divergence, and the precisions ``(2,)`` that minimise KL and Fisher."""
    toy = LinearPosterior()
    by_kl = _diagonal_fit(lambda mu, s: toy.kl(mu, np.diag(s)), 2)
    by_fd = _diagonal_fit(lambda mu, s: toy.fisher(mu, np.diag(s)), 2)
    least = toy.fisher(by_fd[:2], np.diag(np.exp(by_fd[2:])))
    return least, np.exp(-2 * by_kl[2:]), np.exp(-2 * by_fd[2:])


@cache
def _diagonal_minimum_of_engine() -> float:
    example, *_ = at_decoded_datum(2)
    best = _diagonal_fit(lambda mu, s: loss_of(with_q(example, mu, s)), 2)
    return loss_of(with_q(example, best[:2], np.exp(best[2:])))


def _diagonal_by_search(claim: Any, effort: Effort) -> Evidence:
    toy = LinearPosterior()
    claimed = claim(toy.precision, np.array(toy.z0), np.sqrt)
    detail = "least D_F over diagonal Gaussians"
    return numeric("search", claimed, _diagonal_minima()[0], effort.tolerance(1e-10), detail)


def _diagonal_by_engine(claim: Any, effort: Effort) -> Evidence:
    example, jacobian, z0 = at_decoded_datum(2)
    claimed = claim(_precision(jacobian, example.gamma), z0, np.sqrt)
    found = _diagonal_minimum_of_engine()
    return numeric("search", claimed, found, effort.tolerance(1e-10), "least loss over diagonal Gaussians")


def _diagonal_symbolic(claim: Any, effort: Effort) -> Evidence:
    """Compare for two latents, any P: ``d = P (z - mu) - (z - mu)/s^2`` at the best mean is linear in eps."""
    import sympy

    a, b = sympy.symbols("a b", positive=True)
    c, z1, z2 = sympy.symbols("c z1 z2", real=True)
    v = sympy.symbols("v1 v2", positive=True)  # variances of q
    p = sympy.Matrix([[a, c], [c, b]])
    of_eps = (p - sympy.diag(1 / v[0], 1 / v[1])) * sympy.diag(*map(sympy.sqrt, v))
    divergence = (of_eps.T * of_eps).trace() / 2
    best = [sympy.solve(sympy.diff(divergence, of), of) for of in v]
    least = divergence.subs({of: one for of, (one,) in zip(v, best, strict=True)})
    claimed = claim(np.array(p.tolist()), np.array([z1, z2]), np.frompyfunc(sympy.sqrt, 1, 1))
    return symbolic(claimed, least, "least D_F over diagonal Gaussians, two latents")


def _precisions_by_search(claim: Any, effort: Effort) -> Evidence:
    found = np.concatenate(_diagonal_minima()[1:])
    claimed = np.concatenate(claim(LinearPosterior().precision))
    return numeric("search", claimed, found, effort.tolerance(1e-8), "Lambda of KL and of FD, diagonal q")


def _precisions_by_engine(claim: Any, effort: Effort) -> Evidence:
    """Check that each objective has slope zero in s at its own precision; both decouple from mu."""
    example, jacobian, _ = at_decoded_datum(2)
    of_kl, of_fd = claim(_precision(jacobian, example.gamma))
    slopes = [
        gradient_in_q(with_q(example, np.zeros(2), precision**-0.5), objective)[2:]
        for objective, precision in ((KL(), of_kl), (_PRECISE, of_fd))
    ]
    detail = "slopes of both losses in s, at their Lambda"
    return numeric("quadrature", np.concatenate(slopes), np.zeros(4), effort.tolerance(1e-10), detail)


STATEMENTS = (
    Statement(
        id="10",
        section="3.3.1",
        title="Posterior Fisher divergence of a linear decoder: where it is half the squared mean",
        assumptions="g linear, x on its range.",
        form=Form(
            r"D_F[q \| p(z|x)] = \tfrac12 |\mu|^2 \text{ at } "
            r"g(\mu) = x, \; \Lambda = I + \tfrac1\gamma J^T J",
            lambda j, gamma, x: (_inverse(j, x), _precision(j, gamma)),
        ),
        printed=Form(
            r"D_F[q \| p(z|x)] \approx \tfrac12 |\mu^*|^2 \text{ at the optimal } q",
            lambda j, gamma, x: (_mean(j, gamma, x), _precision(j, gamma)),
        ),
        checks=(_at_that_q, _at_that_q_by_engine, _at_that_q_by_smoothing),
        mutations={
            "without the prior's precision": lambda j, gamma, x: (_inverse(j, x), _curvature(j, gamma)),
            "mean of the posterior, precision of the likelihood": lambda j, gamma, x: (
                _mean(j, gamma, x), _curvature(j, gamma)
            ),
        },
        consequence=(
            "The q with g(mu) = x is not the optimum: that one is the exact posterior, with divergence 0. So "
            "neither a regularisation of the mean nor a gap between joint and marginal divergence follows."
        ),
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="10-linear-full",
        section="3.3.1",
        title="Least posterior Fisher divergence of a linear decoder, any covariance",
        assumptions="g linear; q any Gaussian.",
        form=Form(
            r"\min_q D_F[q \| p(z|x)] = 0 \text{ at } \Lambda = P = I + \tfrac1\gamma J^T J, \; "
            r"\mu = \tfrac1\gamma P^{-1} J^T x",
            lambda j, gamma, x: (_mean(j, gamma, x), _precision(j, gamma), 0.0),
        ),
        printed=Form(
            r"\min_q D_F[q \| p(z|x)] \approx \tfrac12 |\mu^*|^2 \text{ at } \Lambda = P, \; g(\mu^*) = x",
            lambda j, gamma, x: (_inverse(j, x), _precision(j, gamma), 0.5 * _square(_inverse(j, x))),
            literal=False,
        ),
        checks=(_full_by_search, _full_by_engine),
        mutations={
            "mean without shrinkage": lambda j, gamma, x: (_inverse(j, x), _precision(j, gamma), 0.0),
            "likelihood alone": lambda j, gamma, x: (_mean(j, gamma, x), _curvature(j, gamma), 0.0),
        },
        consequence="For a linear decoder the optimal Gaussian q incurs no Fisher divergence at all.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="10-linear-diagonal",
        section="3.3.1",
        title="Least posterior Fisher divergence of a linear decoder, diagonal covariance",
        assumptions="g linear; q a Gaussian of diagonal covariance, P the precision of the posterior.",
        form=Form(
            r"\min_q D_F[q \| p(z|x)] = \sum_i \sqrt{(P^2)_{ii}} - P_{ii}",
            lambda p, z0, sqrt: (sqrt(np.diag(p @ p)) - np.diag(p)).sum(),
        ),
        printed=Form(
            r"\min_q D_F[q \| p(z|x)] \approx \tfrac12 |\mu^*|^2", lambda p, z0, sqrt: z0 @ z0 / 2,
            literal=False,
        ),
        checks=(_diagonal_by_search, _diagonal_by_engine, _diagonal_symbolic),
        mutations={
            "half": lambda p, z0, sqrt: (sqrt(np.diag(p @ p)) - np.diag(p)).sum() / 2,
            "at the precision of KL": lambda p, z0, sqrt: (
                (np.diag(p @ p) / np.diag(p) - np.diag(p)).sum() / 2
            ),
        },
        consequence="What is left depends on the correlations of the posterior and not on its mean.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="3.3.1-lambda",
        section="3.3.1",
        title="Optimal precisions of a diagonal q",
        assumptions="g linear, P the precision of the posterior; with full covariances both are P.",
        form=Form(
            r"\Lambda^*_{KL, i} = P_{ii}, \qquad \Lambda^*_{F, i} = \sqrt{(P^2)_{ii}}",
            lambda p: (np.diag(p), np.sqrt(np.diag(p @ p))),
        ),
        printed=Form(
            r"\Lambda^*_F = \Lambda^*_{KL} = P_{ii}", lambda p: (np.diag(p), np.diag(p)), literal=False
        ),
        checks=(_precisions_by_search, _precisions_by_engine),
        mutations={
            "exchanged": lambda p: (np.sqrt(np.diag(p @ p)), np.diag(p)),
            "marginal variances": lambda p: (1 / np.diag(np.linalg.inv(p)), np.sqrt(np.diag(p @ p))),
        },
        consequence=(
            "With the diagonal q that is used throughout, the Fisher divergence prefers a narrower q than "
            "the KL divergence wherever the posterior is correlated; what is said of one does not carry over."
        ),
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
