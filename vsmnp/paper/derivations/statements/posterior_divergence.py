"""Equations (26) and (27): the Fisher divergence between q and the posterior of a Gaussian VAE."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import PosteriorFisher
from ....types import Array
from ..checks import symbolic_sides, value_check
from ..evidence import derivative, gradient_in
from ..examples.engine import EngineExample
from ..examples.expected import loss_of
from ..examples.toy import Toy, square
from ..statement import Form, Statement

_TOY = Toy(z_nodes=60)
_X = np.array([[0.3, -0.8], [-0.6, 0.2], [0.9, 0.4]])


_EXAMPLE = EngineExample.build(nodes=40)
_OTHER = EngineExample.build(d_x=4, n=3, gamma=0.7, seed=5)


@cache
def _toy_divergence() -> Array:
    """Compute ``2 E_{p(z|x)} |grad_z sqrt(q/p)|^2``, which is ``D_F[q || p(z|x)]``, at a few x."""
    toy = Toy(z_nodes=60, prior_nodes=400)
    log_marginal = toy.log_marginal(_X)[:, None]

    def root(x: Array, z: Array) -> Array:
        log_posterior = toy.log_likelihood(x, z) + toy.log_prior(z) - log_marginal
        return np.asarray(np.exp(0.5 * (toy.log_q(x, z) - log_posterior)))

    return toy.expect_posterior(lambda x, z: 2 * derivative(lambda t: root(x, z + t)) ** 2, _X)


def _integrand(log_q: Any, log_joint: Any, z: Any) -> Any:
    """Compute ``2 p |d/dz sqrt(q/p)|^2`` over q, from expressions in z."""
    import sympy

    root = sympy.exp((log_q - log_joint) / 2)
    return 2 * sympy.diff(root, z) ** 2 / root**2


# --- the first display of A.4: a claim is the integrand, of three scores in z ---


def _definition_of_the_toy(claim: Any) -> Array:
    def integrand(x: Array, z: Array) -> Array:
        of_q, of_prior = _TOY.latent_score_q(x, z), -z
        of_likelihood = _TOY.latent_score_p(x, z) + z
        return np.asarray(claim(*(s[..., None] for s in (of_q, of_prior, of_likelihood))))

    return _TOY.expect_q(integrand, _X)


@symbolic_sides("integrand of D_F against 2 p |grad sqrt(q/p)|^2, any densities")
def _definition_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare in symbols, for one latent and any densities."""
    z = sympy.Symbol("z", real=True)
    logs = [sympy.Function(name, real=True)(z) for name in ("log_q", "log_prior", "log_likelihood")]
    claimed = claim(*(np.array([sympy.diff(log, z)]) for log in logs))
    return np.asarray(claimed).item(), _integrand(logs[0], logs[1] + logs[2], z)


def _definition_of_networks(claim: Any, weighted: bool = False) -> Any:
    """Evaluate the claim; the scores are differences of log-densities of the example's two networks.

    Weighted, each is multiplied by the standard deviations of q.
    """
    example = _EXAMPLE
    mu, s = example.q()
    log_densities = (
        lambda z: -0.5 * square((z - mu) / s),
        lambda z: -0.5 * square(z),
        example.log_likelihood,
    )
    by = s if weighted else np.ones_like(s)
    return example.expect(lambda eps, z: claim(*(by * gradient_in(f, z, 2e-3) for f in log_densities))).mean()


# --- (26), (27): claims of mu, s, z, the Jacobian (..., D, Z), x - g and gamma ---


def _at(claim: Any, z: Array, example: EngineExample = _EXAMPLE) -> Array:
    """Evaluate a claim for an example's networks at ``z (Q, N, Z)``, with the Jacobian by differences."""
    jacobian, error = gradient_in(example.g, z, 2e-3), example.data - example.g(z)
    return np.asarray(claim(*example.q(), z, jacobian, error, example.gamma))


@symbolic_sides("integrand of (26) against 2 p |grad sqrt(q/p)|^2, any decoder")
def _integral_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare in symbols, for one latent, one data dimension and any decoder."""
    z, x, mu = sympy.symbols("z x mu", real=True)
    s, gamma = sympy.symbols("s gamma", positive=True)
    g = sympy.Function("g", real=True)(z)
    mean, sd, at, j, error = (np.array([v]) for v in (mu, s, z, sympy.diff(g, z), x - g))
    claimed = claim(mean, sd, at, j[:, None], error, gamma)
    log_joint = -(z**2) / 2 - (x - g) ** 2 / (2 * gamma)
    return np.asarray(claimed).item(), _integrand(-((z - mu) ** 2) / (2 * s**2), log_joint, z)


def _integral_of_the_toy(claim: Any) -> Array:
    def integrand(x: Array, z: Array) -> Array:
        mu, s = (np.broadcast_to(v, z.shape)[..., None] for v in (_TOY.mu(x), _TOY.s(x)))
        return np.asarray(claim(mu, s, z[..., None], _TOY.dg(z)[..., None], x - _TOY.g(z), _TOY.gamma))

    return _TOY.expect_q(integrand, _X)


def _noise() -> Array:
    return np.random.default_rng(3).standard_normal((5, 1, 2))


def _d_by_differences() -> Array:
    example = _EXAMPLE
    mu, s = example.q()

    def log_ratio(z: Array) -> Array:
        return example.log_likelihood(z) - 0.5 * square(z) + 0.5 * square((z - mu) / s)

    return gradient_in(log_ratio, example.place(_noise()), 2e-3)


def _d_of_the_kernel() -> Array:
    """Compute minus the d of the kernel, which has the other sign."""
    example, eps = _OTHER, _noise()
    z = example.place(eps)
    mu, s = (m[None, None] for m in example.q())
    b = example.likelihood_score(z)[None]
    d, *_ = example.k.posterior_fisher(mu, s, np.broadcast_to(eps, z.shape)[None], b)
    return np.asarray(-d[0])


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
        latex=r"D_F[q \| p(z|x)] = \tfrac12 \int q(z|x) \, "
            r"|\nabla_z \log q(z|x) - \nabla_z \log p(z) - \nabla_z \log p(x|z)|^2 \, dz",
        claim=lambda of_q, of_prior, of_likelihood: square(of_q - of_prior - of_likelihood) / 2,
        printed=Form(
            r"D_F[q \| p(z|x)] = \int q(z|x) \, "
            r"\| \nabla_z \log q(z|x) - \nabla_z \log p(z) - \nabla_z \log p(x|z) \|_2 \, dx \, dz",
            lambda of_q, of_prior, of_likelihood: square(of_q - of_prior - of_likelihood) ** 0.5,
        ),
        error="square-of-the-norm",
        checks=(
            _definition_symbolic,
            value_check("quadrature", 1e-9, "D_F against 2 E_p |grad sqrt(q/p)|^2, at a few x",
                _definition_of_the_toy, _toy_divergence),
            value_check("quadrature", 1e-9,
                "D_F against the loss, half of the loss of weight 2, and with s d for d the weighted loss",
                lambda claim: [_definition_of_networks(claim)] * 2 + [
                    _definition_of_networks(claim, weighted=True)],
                lambda: [loss_of(_EXAMPLE), loss_of(_EXAMPLE, PosteriorFisher(weight=2)) / 2,
                    loss_of(_EXAMPLE, PosteriorFisher(fisher_weight="covariance"))]),
        ),
        mutations={
            "no half": lambda of_q, of_prior, of_likelihood: square(of_q - of_prior - of_likelihood),
            "without the prior": lambda of_q, of_prior, of_likelihood: square(of_q - of_likelihood) / 2,
        },
        consequence="The norm is not squared, the 1/2 of (5) is missing and x is integrated over although "
            "it is given (the literal integral over x is left out of the test). The next display squares "
            "the norm.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="26",
        section="A.4",
        title="Posterior Fisher divergence of a Gaussian VAE",
        assumptions="p(z) = N(0, I), p(x|z) = N(g(z), gamma I), q = N(mu, Lambda^-1); J the Jacobian of g.",
        latex=r"D_F[q \| p(z|x)] = \tfrac12 \int q(z|x) \, "
            r"\left| \Lambda (z - \mu) - z + J^T \tfrac{x - g(z)}{\gamma} \right|^2 dz",
        claim=lambda *at: square(_d(*at)) / 2,
        printed=Form(
            r"D_F[q \| p(z|x)] = \int q(z|x) \, "
            r"\left\| \Lambda (z - \mu) - z + \nabla_z g \tfrac{x - g(z)}{\gamma} \right\|_2^2 dx \, dz",
            lambda *at: square(_d(*at)),
        ),
        error="half-of-fd",
        checks=(
            _integral_symbolic,
            value_check("quadrature", 1e-9, "(26) against 2 E_p |grad sqrt(q/p)|^2, at a few x",
                _integral_of_the_toy, _toy_divergence),
            value_check("quadrature", 1e-9, "(26) against the loss",
                lambda claim: _EXAMPLE.expect(lambda eps, z: _at(claim, z)).mean(),
                lambda: loss_of(_EXAMPLE)),
        ),
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
        latex=r"d(x, z) = \Lambda(x) (z - \mu(x)) - z + \nabla_z g(z) \tfrac{x - g(z)}{\gamma} "
            r"= \nabla_z \log p(z|x) - \nabla_z \log q(z|x)",
        claim=_d,
        checks=(
            value_check("finite differences", 1e-9, "d = grad_z log p(z|x) - grad_z log q",
                lambda claim: _at(claim, _EXAMPLE.place(_noise())), _d_by_differences),
            value_check("closed form", 1e-9, "d against minus the one of the kernel",
                lambda claim: _at(claim, _OTHER.place(_noise()), _OTHER), _d_of_the_kernel),
        ),
        mutations={
            "as in the display before (26)": lambda *at: -_d(*at),
            "one coordinate of the data": lambda mu, s, z, j, error, gamma: (
                (z - mu) / s**2 - z + _pulled(j[..., :1, :], error[..., :1]) / gamma
            ),
            "sign of the likelihood": lambda mu, s, z, j, error, gamma: (
                (z - mu) / s**2 - z - _pulled(j, error) / gamma
            ),
        },
        consequence="It is minus the difference in the display before; the squares of the two are equal.",
        code="vsmnp.kernels.reference.kernel_set.posterior_fisher",
    ),
)  # fmt: skip
