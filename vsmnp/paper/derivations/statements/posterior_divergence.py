"""Equations (26) and (27): the Fisher divergence between q and the posterior of a Gaussian VAE."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ....objectives import PosteriorFisher
from ....types import Array
from ..evidence import derivative, gradient, numeric, symbolic
from ..examples.engine import EngineExample
from ..examples.expected import expected
from ..examples.toy import Toy, square
from ..statement import Effort, Evidence, Form, Statement


@cache
def _example() -> EngineExample:
    return replace(EngineExample.build(), nodes=40)


@cache
def _engine_loss() -> float:
    return float(expected(_example(), PosteriorFisher(), lambda o: o.loss))


@cache
def _toy_divergence() -> Array:
    """Compute ``2 E_{p(z|x)} |grad_z sqrt(q/p)|^2``, which is ``D_F[q || p(z|x)]``, at a few x."""
    toy, x = Toy(z_nodes=60, prior_nodes=400), _data()
    log_marginal = toy.log_marginal(x)[:, None]

    def root(x: Array, z: Array) -> Array:
        log_posterior = toy.log_likelihood(x, z) + toy.log_prior(z) - log_marginal
        return np.asarray(np.exp(0.5 * (toy.log_q(x, z) - log_posterior)))

    return toy.expect_posterior(lambda x, z: 2 * derivative(lambda t: root(x, z + t)) ** 2, x)


def _data() -> Array:
    return np.array([[0.3, -0.8], [-0.6, 0.2], [0.9, 0.4]])


def _integrand(log_q: Any, log_joint: Any, z: Any) -> Any:
    """Compute ``2 p |d/dz sqrt(q/p)|^2`` over q, from expressions in z."""
    import sympy

    root = sympy.exp((log_q - log_joint) / 2)
    return 2 * sympy.diff(root, z) ** 2 / root**2


# --- the first display of A.4: a claim is the integrand, of three scores in z ---


def _definition_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy = Toy(z_nodes=60)

    def integrand(x: Array, z: Array) -> Array:
        of_q, of_prior = toy.latent_score_q(x, z), -z
        of_likelihood = toy.latent_score_p(x, z) + z
        return np.asarray(claim(*(s[..., None] for s in (of_q, of_prior, of_likelihood))))

    claimed = toy.expect_q(integrand, _data())
    detail = "D_F against 2 E_p |grad sqrt(q/p)|^2, at a few x"
    return numeric("quadrature", claimed, _toy_divergence(), effort.tolerance(1e-9), detail)


def _definition_symbolic(claim: Any, effort: Effort) -> Evidence:
    """Compare in symbols, for one latent and any densities."""
    import sympy

    z = sympy.Symbol("z", real=True)
    logs = [sympy.Function(name, real=True)(z) for name in ("log_q", "log_prior", "log_likelihood")]
    claimed = claim(*(np.array([sympy.diff(log, z)]) for log in logs))
    truth = _integrand(logs[0], logs[1] + logs[2], z)
    detail = "integrand of D_F against 2 p |grad sqrt(q/p)|^2, any densities"
    return symbolic(np.asarray(claimed).item(), truth, detail)


def _definition_by_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with the engine; the scores are differences of log-densities of the example's two networks."""
    example = _example()
    mu, s = example.q()

    def integrand(eps: Array, z: Array) -> Array:
        def score(log_density: Any) -> Array:
            return gradient(lambda t: log_density(z + t), np.zeros(2), 2e-3)

        of_q = score(lambda z: -0.5 * square((z - mu) / s))
        of_prior = score(lambda z: -0.5 * square(z))
        of_likelihood = score(lambda z: -0.5 * square(example.data - example.g(z)) / example.gamma)
        return np.asarray(claim(of_q, of_prior, of_likelihood))

    claimed = example.expect(integrand).mean()
    return numeric("quadrature", claimed, _engine_loss(), effort.tolerance(1e-9), "D_F against the loss")


# --- (26), (27): claims of mu, s, z, the Jacobian (..., D, Z), x - g and gamma ---


def _jacobian(example: EngineExample, z: Array) -> Array:
    return gradient(lambda t: example.g(z + t), np.zeros(2), 2e-3)


def _integral_by_engine(claim: Any, effort: Effort) -> Evidence:
    example = _example()
    mu, s = example.q()

    def integrand(eps: Array, z: Array) -> Array:
        error = example.data - example.g(z)
        return np.asarray(claim(mu, s, z, _jacobian(example, z), error, example.gamma))

    claimed = example.expect(integrand).mean()
    return numeric("quadrature", claimed, _engine_loss(), effort.tolerance(1e-9), "(26) against the loss")


def _integral_symbolic(claim: Any, effort: Effort) -> Evidence:
    """Compare in symbols, for one latent, one data dimension and any decoder."""
    import sympy

    z, x, mu = sympy.symbols("z x mu", real=True)
    s, gamma = sympy.symbols("s gamma", positive=True)
    g = sympy.Function("g", real=True)(z)
    mean, sd, at, j, error = (np.array([v]) for v in (mu, s, z, sympy.diff(g, z), x - g))
    claimed = claim(mean, sd, at, j[:, None], error, gamma)
    log_joint = -(z**2) / 2 - (x - g) ** 2 / (2 * gamma)
    truth = _integrand(-((z - mu) ** 2) / (2 * s**2), log_joint, z)
    detail = "integrand of (26) against 2 p |grad sqrt(q/p)|^2, any decoder"
    return symbolic(np.asarray(claimed).item(), truth, detail)


def _integral_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy = Toy(z_nodes=60)

    def integrand(x: Array, z: Array) -> Array:
        mu, s = (np.broadcast_to(v, z.shape)[..., None] for v in (toy.mu(x), toy.s(x)))
        return np.asarray(claim(mu, s, z[..., None], toy.dg(z)[..., None], x - toy.g(z), toy.gamma))

    claimed = toy.expect_q(integrand, _data())
    detail = "(26) against 2 E_p |grad sqrt(q/p)|^2, at a few x"
    return numeric("quadrature", claimed, _toy_divergence(), effort.tolerance(1e-9), detail)


def _points() -> tuple[EngineExample, Array, Array]:
    example, eps = _example(), np.random.default_rng(3).standard_normal((5, 1, 2))
    mu, s = example.q()
    return example, eps, mu + s * eps


def _claimed_d(claim: Any) -> Array:
    example, _, z = _points()
    error = example.data - example.g(z)
    return np.asarray(claim(*example.q(), z, _jacobian(example, z), error, example.gamma))


def _d_by_differences(claim: Any, effort: Effort) -> Evidence:
    example, _, z = _points()
    mu, s = example.q()

    def log_ratio(t: Array) -> Array:
        moved = z + t
        log_p = -0.5 * square(moved) - 0.5 * square(example.data - example.g(moved)) / example.gamma
        return np.asarray(log_p + 0.5 * square((moved - mu) / s))

    truth = gradient(log_ratio, np.zeros(2), 2e-3)
    detail = "d = grad_z log p(z|x) - grad_z log q"
    return numeric("finite differences", _claimed_d(claim), truth, effort.tolerance(1e-9), detail)


def _d_by_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with minus the d of the kernel, which has the other sign."""
    example, eps, z = _points()
    g, cache_of_g = example.model.decode(example.k, example.theta, z[None])
    v = (example.x - g) / example.gamma
    part = example.model.decoder_part(example.theta)
    b = example.model.decoder.vjp(example.k, part, cache_of_g, v, None)
    assert b is not None
    mu, s = (m[None, None] for m in example.q())
    d, *_ = example.k.posterior_fisher(mu, s, np.broadcast_to(eps, z.shape)[None], b)
    detail = "d against minus the one of the kernel"
    return numeric("closed form", _claimed_d(claim), -d[0], effort.tolerance(1e-9), detail)


def _pulled(j: Array, error: Array) -> Array:
    return np.asarray((j * error[..., None]).sum(-2))


def _d(mu: Array, s: Array, z: Array, j: Array, error: Array, gamma: float) -> Array:
    return np.asarray((z - mu) / s**2 - z + _pulled(j, error) / gamma)


STATEMENTS = (
    Statement(
        id="A.4-definition",
        section="A.4",
        title="Fisher divergence between the approximate and the exact posterior",
        assumptions="q and p(z|x) are smooth and positive.",
        form=Form(
            r"D_F[q \| p(z|x)] = \tfrac12 \int q(z|x) \, "
            r"|\nabla_z \log q(z|x) - \nabla_z \log p(z) - \nabla_z \log p(x|z)|^2 \, dz",
            lambda of_q, of_prior, of_likelihood: square(of_q - of_prior - of_likelihood) / 2,
        ),
        printed=Form(
            r"D_F[q \| p(z|x)] = \int q(z|x) \, "
            r"\| \nabla_z \log q(z|x) - \nabla_z \log p(z) - \nabla_z \log p(x|z) \|_2 \, dx \, dz",
            lambda of_q, of_prior, of_likelihood: square(of_q - of_prior - of_likelihood) ** 0.5,
        ),
        checks=(_definition_symbolic, _definition_by_quadrature, _definition_by_engine),
        mutations={
            "no half": lambda of_q, of_prior, of_likelihood: square(of_q - of_prior - of_likelihood),
            "without the prior": lambda of_q, of_prior, of_likelihood: square(of_q - of_likelihood) / 2,
        },
        consequence=(
            "The norm is not squared, the 1/2 of (5) is missing and x is integrated over although it is "
            "given (the literal integral over x is left out of the test). The next display squares the norm."
        ),
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="26",
        section="A.4",
        title="Posterior Fisher divergence of a Gaussian VAE",
        assumptions="p(z) = N(0, I), p(x|z) = N(g(z), gamma I), q = N(mu, Lambda^-1); J the Jacobian of g.",
        form=Form(
            r"D_F[q \| p(z|x)] = \tfrac12 \int q(z|x) \, "
            r"\left| \Lambda (z - \mu) - z + J^T \tfrac{x - g(z)}{\gamma} \right|^2 dz",
            lambda *at: square(_d(*at)) / 2,
        ),
        printed=Form(
            r"D_F[q \| p(z|x)] = \int q(z|x) \, "
            r"\left\| \Lambda (z - \mu) - z + \nabla_z g \tfrac{x - g(z)}{\gamma} \right\|_2^2 dx \, dz",
            lambda *at: square(_d(*at)),
        ),
        checks=(_integral_symbolic, _integral_by_quadrature, _integral_by_engine),
        mutations={
            "norm not squared": lambda *at: square(_d(*at)) ** 0.5,
            "no gamma": lambda mu, s, z, j, error, gamma: square(_d(mu, s, z, j, error, 1.0)) / 2,
            "standard deviation for variance": lambda mu, s, z, j, error, gamma: (
                square((z - mu) / s - z + _pulled(j, error) / gamma) / 2
            ),
        },
        consequence="Twice the divergence of (5); (10) has its 1/2 again, so nothing follows from it.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="27",
        section="A.4",
        title="Difference of the scores of the posterior and of q",
        assumptions="As in (26); nabla g is the transposed Jacobian, d_z rows and d_x columns.",
        form=Form(
            r"d(x, z) = \Lambda(x) (z - \mu(x)) - z + \nabla_z g(z) \tfrac{x - g(z)}{\gamma} "
            r"= \nabla_z \log p(z|x) - \nabla_z \log q(z|x)",
            _d,
        ),
        checks=(_d_by_differences, _d_by_engine),
        mutations={
            "as in the display before (26)": lambda *at: -_d(*at),
            "Jacobian not transposed": lambda mu, s, z, j, error, gamma: (
                (z - mu) / s**2 - z + (j * error[..., None, :]).sum(-1) / gamma
            ),
            "sign of the likelihood": lambda mu, s, z, j, error, gamma: (
                (z - mu) / s**2 - z - _pulled(j, error) / gamma
            ),
        },
        consequence=(
            "Its sign is the opposite of the difference in the display before, which the square does not see."
        ),
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
