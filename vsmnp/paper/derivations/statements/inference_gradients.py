"""Algorithm 1: the gradients that it uses, and the sign of its updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ....objectives import KL, M1, Objective, Outcome, PosteriorFisher
from ....types import Array
from ..evidence import derivative, gradient, numeric
from ..examples.engine import EngineExample
from ..examples.expected import expected
from ..examples.linear_joint import LINEAR
from ..examples.toy import Toy, square
from ..quadrature import normal_rule
from ..statement import Effort, Evidence, Form, Statement

_Q = np.array([0.4, 0.7])  # mu and s of a q that is not an encoder's output
_X = np.array([0.3, -0.8])


@cache
def _example() -> EngineExample:
    return replace(EngineExample.build(), nodes=40)


@cache
def _direction(size: int) -> Array:
    return np.random.default_rng(7).standard_normal((1, size))


# --- one datum of the toy, arbitrary q: z (Q,) ---


def _log_joint(z: Array) -> Array:
    toy = Toy()
    return toy.log_likelihood(_X, z) + toy.log_prior(z)


def _score(z: Array) -> Array:
    return derivative(lambda t: _log_joint(z + t), 2e-3)


def _nodes(q: Array) -> tuple[Array, Array, Array]:
    eps, w = normal_rule(60)
    return eps[:, 0], w, q[0] + q[1] * eps[:, 0]


def _kl(q: Array) -> float:
    """Compute the KL divergence up to ``log p(x)``."""
    eps, w, z = _nodes(q)
    return float(w @ (-0.5 * eps * eps - np.log(q[1]) - _log_joint(z)))


def _difference(z: Array, q: Array) -> Array:
    """Compute the score difference ``d/dz log q/p``."""
    return np.asarray(-(z - q[0]) / q[1] ** 2 - _score(z))


# --- the engine's example: E claim in (mu, s), and its slope along a direction in phi ---


def _example_score(z: Array) -> Array:
    """Compute ``grad_z log p(z, x)`` by differences, ``(Q, N, Z)``."""
    example = _example()

    def log_joint(t: Array) -> Array:
        error = example.data - example.g(z + t)
        return np.asarray(-0.5 * square(error) / example.gamma - 0.5 * square(z + t))

    return gradient(log_joint, np.zeros(2), 2e-3)


def _along_phi(integrand: Callable[[Array, Array], tuple[Array, Array]]) -> float:
    """Compute the slope of the mean loss along a direction in phi, from slopes in mu and s ``(Q, N, Z)``."""
    example = _example()
    u = _direction(example.phi.shape[1])
    dmu, ds = derivative(lambda t: np.stack(example.at(phi=example.phi + t * u).q()))

    def slope(eps: Array, z: Array) -> Array:
        in_mu, in_s = integrand(eps, z)
        return np.asarray((in_mu * dmu + in_s * ds).sum(-1))

    return float(example.expect(slope).mean())


def _engine_along_phi(objective: Objective) -> float:
    example = _example()
    return float(expected(example, objective, _g_phi) @ _direction(example.phi.shape[1])[0])


def _g_phi(outcome: Outcome) -> Array:
    assert outcome.g_phi is not None
    return outcome.g_phi


def _g_theta(outcome: Outcome) -> Array:
    assert outcome.g_theta is not None
    return outcome.g_theta


def _kl_by_differences(claim: Any, effort: Effort) -> Evidence:
    eps, w, z = _nodes(_Q)
    claimed = [w @ part for part in claim(_score(z), eps, _Q[1])]
    detail = "gradient of KL in mu and s"
    return numeric("finite differences", claimed, gradient(_kl, _Q), effort.tolerance(1e-9), detail)


def _kl_by_engine(claim: Any, effort: Effort) -> Evidence:
    s = _example().q()[1]
    claimed = _along_phi(lambda eps, z: claim(_example_score(z), eps, s))
    truth = _engine_along_phi(KL())
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-9), "KL objective along phi")


def _fd_by_differences(claim: Any, effort: Effort) -> Evidence:
    eps, w, z = _nodes(_Q)
    claimed = [w @ part for part in claim(_difference(z, _Q), eps, _Q[1])]
    truth = w @ gradient(lambda q: 0.5 * _difference(z, q) ** 2, _Q, 4e-4)
    detail = "E_q d/d(mu, s) of |d|^2/2, z fixed"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), detail)


def _fd_by_engine(claim: Any, effort: Effort) -> Evidence:
    s = _example().q()[1]
    claimed = _along_phi(lambda eps, z: claim(-eps / s - _example_score(z), eps, s))
    truth = _engine_along_phi(PosteriorFisher())
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-9), "Fisher objective along phi")


# --- M1 in theta ---


def _m1(example: EngineExample) -> float:
    """Compute ``E_q [|s^p|^2/2 + div_x s^p]`` by differences of the log-likelihood, exact for quadratics."""

    def integrand(eps: Array, z: Array) -> Array:
        g = example.g(z)

        def score(at: Array) -> Array:
            return gradient(lambda t: -0.5 * square(example.data + t - g) / example.gamma, at, 0.5)

        jacobian = gradient(score, np.zeros(2), 0.5)
        return np.asarray(0.5 * square(score(np.zeros(2))) + np.trace(jacobian, axis1=-2, axis2=-1))

    return float(example.expect(integrand).mean())


def _theta_along(t: float) -> EngineExample:
    example = _example()
    return example.at(theta=example.theta + t * _direction(example.theta.shape[1]))


def _m1_claimed(claim: Any) -> float:
    example = _example()
    dgamma = float(derivative(lambda t: _theta_along(t).gamma))

    def integrand(eps: Array, z: Array) -> Array:
        dg = derivative(lambda t: _theta_along(t).g(z))
        return np.asarray(claim(example.g(z) - example.data, dg, example.gamma, dgamma))

    return float(example.expect(integrand).mean())


@cache
def _m1_slope() -> float:
    return float(derivative(lambda t: _m1(_theta_along(t)), 5e-4))


def _m1_by_differences(claim: Any, effort: Effort) -> Evidence:
    return numeric(
        "finite differences", _m1_claimed(claim), _m1_slope(), effort.tolerance(1e-8), "slope of M1"
    )


def _m1_by_engine(claim: Any, effort: Effort) -> Evidence:
    example = _example()
    truth = expected(example, M1(), _g_theta) @ _direction(example.theta.shape[1])[0]
    return numeric("quadrature", _m1_claimed(claim), truth, effort.tolerance(1e-9), "M1 objective")


# --- the sign of an update: a claim maps a gradient and a mask of gamma's slot to an update ---


def _kl_of(example: EngineExample) -> float:
    """Compute the mean KL divergence of the batch up to ``log p(x)``."""

    def integrand(eps: Array, z: Array) -> Array:
        error = example.data - example.g(z)
        return np.asarray(0.5 * square(error) / example.gamma + 0.5 * square(z))

    return float((example.expect(integrand) - np.log(example.q()[1]).sum(-1)).mean())


@cache
def _gradients() -> tuple[Array, Array]:
    example = _example()
    return expected(example, KL(), _g_phi), expected(example, M1(), _g_theta)


def _inference_step(claim: Any, effort: Effort) -> Evidence:
    example, g = _example(), _gradients()[0]
    step = claim(g, np.zeros(g.shape, bool))
    slope = derivative(lambda t: _kl_of(example.at(phi=example.phi + t * step)), 1e-4)
    detail = "slope of KL along the update against -|gradient|^2"
    return numeric("finite differences", slope, -(g @ g), effort.tolerance(1e-8), detail)


def _learning_step(claim: Any, effort: Effort) -> Evidence:
    example, g = _example(), _gradients()[1]
    of_gamma = np.zeros(g.shape, bool)
    of_gamma[example.model.theta_layout.slots[-1].start] = True
    step = claim(g, of_gamma)
    slope = derivative(lambda t: _m1(example.at(theta=example.theta + t * step)), 1e-5)
    detail = "slope of M1 along the update against -|gradient|^2"
    return numeric("finite differences", slope, -(g @ g), effort.tolerance(1e-7), detail)


def _where_they_end(claim: Any, effort: Effort) -> Evidence:
    """Compare the limits for linear models: inference reaches the posterior, learning the regression on z."""
    example = replace(LINEAR.engine(), nodes=3)
    free, of_gamma = np.zeros(example.phi.shape, bool), np.zeros(example.theta.shape, bool)
    example.model.log_sd(of_gamma)[:] = True
    phi, theta = example.phi, example.theta
    for _ in range(150):
        phi = phi + 0.15 * claim(expected(example.at(phi=phi), KL(), _g_phi)[None], free)
        theta = theta + 0.2 * claim(expected(example.at(theta=theta), M1(), _g_theta)[None], of_gamma)
        if max(np.abs(phi).max(), np.abs(theta).max()) > 5:
            break  # diverged: the updates go uphill
    truth = np.concatenate([LINEAR.exact().engine().phi, LINEAR.regressed().engine().theta], -1)
    detail = "phi and theta of a linear VAE after 150 steps"
    return numeric("closed form", np.concatenate([phi, theta], -1), truth, effort.tolerance(1e-10), detail)


STATEMENTS = (
    Statement(
        id="algorithm-1-kl",
        section="3.3.2",
        title="Gradient of the KL divergence with reparametrised samples",
        assumptions="z = mu + s eps; p(z, x) differentiable in z.",
        form=Form(
            r"\nabla_{(\mu, s)} D_{KL} = E_\epsilon \left( -\nabla_z \log p(z, x), \; "
            r"-\epsilon \nabla_z \log p(z, x) - \tfrac1s \right)",
            lambda score, eps, s: (-score, -score * eps - 1 / s),
        ),
        checks=(_kl_by_differences, _kl_by_engine),
        mutations={
            "sign": lambda score, eps, s: (score, score * eps - 1 / s),
            "no entropy": lambda score, eps, s: (-score, -score * eps),
        },
        code="vsmnp.objectives.KL",
    ),
    Statement(
        id="algorithm-1-fd",
        section="3.3.2",
        title="Gradient of the Fisher divergence with the samples held fixed",
        assumptions="d = grad_z log q - grad_z log p(z|x); the derivative is taken before the expectation.",
        form=Form(
            r"\nabla^b_{(\mu, s)} D_F = E_q \left( \tfrac{d}{s^2}, \; \tfrac{2 \epsilon d}{s^2} \right)",
            lambda d, eps, s: (d / s**2, 2 * eps * d / s**2),
        ),
        checks=(_fd_by_differences, _fd_by_engine),
        mutations={
            "one power of s": lambda d, eps, s: (d / s, 2 * eps * d / s),
            "no factor 2": lambda d, eps, s: (d / s**2, eps * d / s**2),
        },
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="algorithm-1-m1",
        section="3.3.2",
        title="Gradient of the learning objective",
        assumptions="q fixed; theta contains the decoder's weights and gamma; dots are slopes in theta.",
        form=Form(
            r"\dot M_1 = E_q \left[ \tfrac{(g - x) \cdot \dot g}{\gamma^2} "
            r"- \tfrac{|x - g|^2}{\gamma^3} \dot\gamma \right] + \tfrac{d_x}{\gamma^2} \dot\gamma",
            lambda e, dg, gamma, dgamma: (
                (e * dg).sum(-1) / gamma**2 + (2 / gamma**2 - square(e) / gamma**3) * dgamma
            ),
        ),
        checks=(_m1_by_differences, _m1_by_engine),
        mutations={
            "gamma fixed": lambda e, dg, gamma, dgamma: (e * dg).sum(-1) / gamma**2,
            "sign of the divergence": lambda e, dg, gamma, dgamma: (
                (e * dg).sum(-1) / gamma**2 - (2 / gamma**2 + square(e) / gamma**3) * dgamma
            ),
            "gradient of the ELBO": lambda e, dg, gamma, dgamma: (
                (e * dg).sum(-1) / gamma + (1 / gamma - square(e) / (2 * gamma**2)) * dgamma
            ),
        },
        code="vsmnp.objectives.M1",
    ),
    Statement(
        id="algorithm-1-direction",
        section="3.3.2",
        title="Direction of the updates",
        assumptions="Updates proportional to the exact gradient, by small steps; gamma is part of theta.",
        form=Form(
            r"\Delta\phi \propto -\nabla_\phi D, \qquad \Delta\theta \propto -\nabla_\theta M_1",
            lambda g, of_gamma: -g,
        ),
        printed=Form(
            r"\Delta\phi \propto \nabla_\phi D, \qquad \Delta\theta \propto \nabla_\theta M_1",
            lambda g, of_gamma: g,
        ),
        checks=(_inference_step, _learning_step, _where_they_end),
        mutations={
            "gamma left where it is": lambda g, of_gamma: np.where(of_gamma, 0.0, -g),
        },
        consequence="Both losses would rise; the published code descends.",
        code="vsmnp.training.optimizers.Adam",
    ),
)  # fmt: skip
