"""Equation (10): the value and the place of the optimum of the posterior Fisher divergence."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ....objectives import KL, PosteriorFisher
from ....types import Array
from ..checks import both_sides, symbolic_sides, value_check
from ..examples.expected import gradient_in_q, loss_of, with_q
from ..examples.linear_engine import at_decoded_datum
from ..examples.linear_posterior import LinearPosterior, root_of
from ..examples.minimum import minimise
from ..quadrature import normal_rule
from ..statement import Form, Statement

_LINEAR = LinearPosterior()
_PRECISE = PosteriorFisher(reparametrised=True)


def _of_linear(claim: Any) -> Any:
    return claim(_LINEAR.j, _LINEAR.gamma, _LINEAR.x)


def _of_engine(claim: Any) -> Any:
    """Evaluate a claim for the engine's linear VAE of one latent, whose covariances are variances."""
    example, jacobian, z0 = at_decoded_datum(1)
    return claim(jacobian, example.gamma, jacobian @ z0)


# --- (10): a claim is the q, as (mu, Lambda), at which the divergence is half |mu|^2 ---


@both_sides("quadrature", 1e-10, "half |mu|^2 against D_F")
def _at_that_q(claim: Any) -> tuple[Any, Any]:
    mu, precision = _of_linear(claim)
    return 0.5 * mu @ mu, _LINEAR.fisher(mu, root_of(precision))


@both_sides("quadrature", 1e-10, "half |mu|^2 against the loss")
def _at_that_q_by_engine(claim: Any) -> tuple[Any, Any]:
    mu, precision = _of_engine(claim)
    return 0.5 * mu @ mu, loss_of(with_q(at_decoded_datum(1)[0], mu, np.diag(precision) ** -0.5))


@both_sides("finite differences", 1e-9, "half |mu|^2 against the rate at which noise lowers KL")
def _at_that_q_by_smoothing(claim: Any) -> tuple[Any, Any]:
    mu, precision = _of_linear(claim)
    return 0.5 * mu @ mu, _LINEAR.fisher_by_smoothing(mu, precision)


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


def _full_minimum() -> Array:
    """Minimise by least squares on the score difference at the nodes."""
    from scipy.optimize import least_squares

    eps, w = normal_rule(3, 2)

    def unpack(v: Array) -> tuple[Array, Array]:
        return v[:2], np.array([[v[2], 0.0], [v[3], v[4]]])

    def residuals(v: Array) -> Array:
        mu, root = unpack(v)
        d = _LINEAR.score_difference(mu + eps @ root.T, mu, root)
        return np.asarray((np.sqrt(w)[:, None] * d).ravel())

    start = np.array([0.0, 0.0, 0.7, 0.1, 0.6])
    found = least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, jac="3-point")
    mu, root = unpack(found.x)
    return _packed(mu, np.linalg.inv(root @ root.T), _LINEAR.fisher(mu, root))


def _excess_of_the_engine(claim: Any) -> list[Any]:
    """Compute excess and gradient of the loss at the claimed q, for one latent."""
    mu, precision, value = _of_engine(claim)
    there = with_q(at_decoded_datum(1)[0], mu, np.diag(precision) ** -0.5)
    return [loss_of(there) - value, *gradient_in_q(there, _PRECISE)]


# --- linear g, diagonal covariance ---


def _diagonal_fit(f: Callable[[Array, Array], float]) -> tuple[Array, float]:
    """Find s ``(2,)`` of the diagonal Gaussian that minimises a divergence of (mu, s), and the minimum."""
    best = minimise(lambda v: f(v[:2], np.exp(v[2:])), np.array([0.0, 0.0, -0.5, -0.5]))
    return np.exp(best[2:]), f(best[:2], np.exp(best[2:]))


@cache
def _diagonal_minimum() -> tuple[Array, float]:
    return _diagonal_fit(lambda mu, s: _LINEAR.fisher(mu, np.diag(s)))


def _diagonal_minimum_of_engine() -> float:
    example, *_ = at_decoded_datum(2)
    return _diagonal_fit(lambda mu, s: loss_of(with_q(example, mu, s)))[1]


def _engine_precision() -> Array:
    example, jacobian, _ = at_decoded_datum(2)
    return _precision(jacobian, example.gamma)


@symbolic_sides("least D_F over diagonal Gaussians, two latents")
def _diagonal_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare for two latents, any P: ``d = P (z - mu) - (z - mu)/s^2`` at the best mean is linear in eps."""
    a, b = sympy.symbols("a b", positive=True)
    c, z1, z2 = sympy.symbols("c z1 z2", real=True)
    v = sympy.symbols("v1 v2", positive=True)  # variances of q
    p = sympy.Matrix([[a, c], [c, b]])
    of_eps = (p - sympy.diag(1 / v[0], 1 / v[1])) * sympy.diag(*map(sympy.sqrt, v))
    divergence = (of_eps.T * of_eps).trace() / 2
    best = [sympy.solve(sympy.diff(divergence, of), of) for of in v]
    least = divergence.subs({of: one for of, (one,) in zip(v, best, strict=True)})
    return claim(np.array(p.tolist()), np.array([z1, z2]), np.frompyfunc(sympy.sqrt, 1, 1)), least


def _precisions_by_search() -> Array:
    by_kl, _ = _diagonal_fit(lambda mu, s: _LINEAR.kl(mu, np.diag(s)))
    return np.concatenate([by_kl**-2, _diagonal_minimum()[0] ** -2])


def _slopes_of_the_engine(claim: Any) -> Array:
    """Compute each objective's slope in s at its own precision, which is zero; both decouple from mu."""
    example, *_ = at_decoded_datum(2)
    of_kl, of_fisher = (with_q(example, np.zeros(2), p**-0.5) for p in claim(_engine_precision()))
    return np.concatenate([gradient_in_q(of_kl, KL())[2:], gradient_in_q(of_fisher, _PRECISE)[2:]])


STATEMENTS = (
    Statement(
        id="10",
        section="3.3.1",
        title="The q at which the posterior Fisher divergence of a linear decoder is half the squared mean",
        assumptions="g linear, x on its range.",
        latex=r"D_F[q \| p(z|x)] = \tfrac12 |\mu|^2 \text{ at } "
            r"g(\mu) = x, \; \Lambda = I + \tfrac1\gamma J^T J",
        claim=lambda j, gamma, x: (_inverse(j, x), _precision(j, gamma)),
        printed=Form(
            r"D_F[q \| p(z|x)] \approx \tfrac12 |\mu^*|^2 \text{ at the optimal } q",
            lambda j, gamma, x: (_mean(j, gamma, x), _precision(j, gamma)),
        ),
        error="zero-at-the-optimum",
        checks=(_at_that_q, _at_that_q_by_engine, _at_that_q_by_smoothing),
        mutations={
            "without the prior's precision": lambda j, gamma, x: (_inverse(j, x), _curvature(j, gamma)),
            "mean of the posterior, precision of the likelihood": lambda j, gamma, x: (
                _mean(j, gamma, x), _curvature(j, gamma)
            ),
        },
        consequence="The q with g(mu) = x is not the optimum: that one is the exact posterior, with "
            "divergence 0. So neither a regularisation of the mean nor a gap between joint and marginal "
            "divergence follows.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="10-linear-full",
        section="3.3.1",
        title="Least posterior Fisher divergence of a linear decoder, any covariance",
        assumptions="g linear; q any Gaussian.",
        latex=r"\min_q D_F[q \| p(z|x)] = 0 \text{ at } \Lambda = P = I + \tfrac1\gamma J^T J, \; "
            r"\mu = \tfrac1\gamma P^{-1} J^T x",
        claim=lambda j, gamma, x: (_mean(j, gamma, x), _precision(j, gamma), 0.0),
        printed=Form(
            r"\min_q D_F[q \| p(z|x)] \approx \tfrac12 |\mu^*|^2 \text{ at } \Lambda = P, \; g(\mu^*) = x",
            lambda j, gamma, x: (_inverse(j, x), _precision(j, gamma), 0.5 * _square(_inverse(j, x))),
            literal=False,
        ),
        error="zero-at-the-optimum",
        checks=(
            value_check("search", 1e-9, "mu, Lambda and value at the minimum over all Gaussians",
                lambda claim: _packed(*_of_linear(claim)), _full_minimum),
            value_check("quadrature", 1e-10, "loss - value and slope, at q",
                _excess_of_the_engine, lambda: np.zeros(3)),
        ),
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
        latex=r"\min_q D_F[q \| p(z|x)] = \sum_i \sqrt{(P^2)_{ii}} - P_{ii}",
        claim=lambda p, z0, sqrt: (sqrt(np.diag(p @ p)) - np.diag(p)).sum(),
        printed=Form(
            r"\min_q D_F[q \| p(z|x)] \approx \tfrac12 |\mu^*|^2", lambda p, z0, sqrt: z0 @ z0 / 2,
            literal=False,
        ),
        error="zero-at-the-optimum",
        checks=(
            value_check("search", 1e-10, "least D_F over diagonal Gaussians",
                lambda claim: claim(_LINEAR.precision, np.array(_LINEAR.z0), np.sqrt),
                lambda: _diagonal_minimum()[1]),
            value_check("search", 1e-10, "least loss over diagonal Gaussians",
                lambda claim: claim(_engine_precision(), at_decoded_datum(2)[2], np.sqrt),
                _diagonal_minimum_of_engine),
            _diagonal_symbolic,
        ),
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
        latex=r"\Lambda^*_{KL, i} = P_{ii}, \qquad \Lambda^*_{F, i} = \sqrt{(P^2)_{ii}}",
        claim=lambda p: (np.diag(p), np.sqrt(np.diag(p @ p))),
        printed=Form(
            r"\Lambda^*_F = \Lambda^*_{KL} = P_{ii}", lambda p: (np.diag(p), np.diag(p)), literal=False
        ),
        error="full-covariance",
        checks=(
            value_check("search", 1e-8, "Lambda of KL and of FD, diagonal q",
                lambda claim: np.concatenate(claim(_LINEAR.precision)), _precisions_by_search),
            value_check("quadrature", 1e-10, "slopes of both losses in s, at their Lambda",
                _slopes_of_the_engine, lambda: np.zeros(4)),
        ),
        mutations={
            "exchanged": lambda p: (np.sqrt(np.diag(p @ p)), np.diag(p)),
            "marginal variances": lambda p: (1 / np.diag(np.linalg.inv(p)), np.sqrt(np.diag(p @ p))),
        },
        consequence="With full covariances, as in (3), the printed sentence is right. With the diagonal q of "
            "the experiments the Fisher divergence prefers a narrower q than the KL divergence wherever the "
            "posterior is correlated; what is said of one does not carry over.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
