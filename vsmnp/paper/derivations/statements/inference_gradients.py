"""Algorithm 1: the gradients that it uses, and the sign of its updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ....objectives import KL, M1, Objective, PosteriorFisher
from ....training.optimizers import SGD
from ....types import Array
from ..checks import both_sides, value_check
from ..evidence import derivative, divergence_in, gradient, gradient_in
from ..examples.engine import EngineExample
from ..examples.expected import expected, phi_gradient, theta_gradient
from ..examples.linear_joint import LINEAR
from ..examples.target import Q, TiltedPosterior, nodes
from ..examples.toy import square
from ..statement import Form, Statement

_TARGET = TiltedPosterior()


_EXAMPLE = EngineExample.build(nodes=40)


@cache
def _direction(size: int) -> Array:
    return np.random.default_rng(7).standard_normal((1, size))


# --- the engine's example: E claim in (mu, s), and its slope along a direction in phi ---


def _score(z: Array) -> Array:
    """Compute ``grad_z log p(z, x)`` by differences, ``(Q, N, Z)``."""
    return gradient_in(lambda z: _EXAMPLE.log_likelihood(z) - 0.5 * square(z), z, 2e-3)


def _along_phi(integrand: Callable[[Array, Array, Array], tuple[Array, Array]]) -> float:
    """Compute the slope of the mean loss along a direction in phi, from slopes in mu and s ``(Q, N, Z)``."""
    example = _EXAMPLE
    u = _direction(example.phi.shape[1])
    dmu, ds = derivative(lambda t: np.stack(example.at(phi=example.phi + t * u).q()))

    def slope(eps: Array, z: Array) -> Array:
        in_mu, in_s = integrand(eps, z, example.q()[1])
        return np.asarray((in_mu * dmu + in_s * ds).sum(-1))

    return float(example.expect(slope).mean())


def _engine_along_phi(objective: Objective) -> float:
    gradient = expected(_EXAMPLE, objective, phi_gradient)
    return float(gradient @ _direction(gradient.size)[0])


def _kl_by_stencils(claim: Any) -> list[Any]:
    eps, w, z = nodes(Q)
    return [w @ part for part in claim(_TARGET.score(z), eps, Q[1])]


@both_sides("finite differences", 1e-9, "E_q d/d(mu, s) of |d|^2/2, z fixed")
def _fd_by_differences(claim: Any) -> tuple[Any, Any]:
    eps, w, z = nodes(Q)
    claimed = [w @ part for part in claim(_TARGET.difference(z, Q), eps, Q[1])]
    return claimed, w @ gradient(lambda q: _TARGET.half_square(z, q), Q, 4e-4)


# --- M1 in theta ---


def _m1(example: EngineExample) -> float:
    """Compute ``E_q [|s^p|^2/2 + div_x s^p]`` by differences of the log-likelihood, exact for quadratics."""

    def integrand(eps: Array, z: Array) -> Array:
        g = example.g(z)
        x = np.broadcast_to(example.data, g.shape)

        def score(x: Array) -> Array:
            return gradient_in(lambda x: -0.5 * square(x - g) / example.gamma, x, 0.5)

        return 0.5 * square(score(x)) + divergence_in(score, x, 0.5)

    return float(example.expect(integrand).mean())


#: Two examples of unlike sizes and gamma, at which M1's slope along a direction in theta is compared.
_TWO = (_EXAMPLE, EngineExample.build(d_x=4, d_z=1, hidden=(3,), n=2, gamma=0.7, seed=5, nodes=40))


def _theta_along(example: EngineExample, t: float) -> EngineExample:
    return example.at(theta=example.theta + t * _direction(example.theta.shape[1]))


def _m1_claimed(claim: Any) -> list[float]:
    return [_slope_claimed(claim, example) for example in _TWO]


def _slope_claimed(claim: Any, example: EngineExample) -> float:
    dgamma = float(derivative(lambda t: _theta_along(example, t).gamma))

    def integrand(eps: Array, z: Array) -> Array:
        dg = derivative(lambda t: _theta_along(example, t).g(z))
        return np.asarray(claim(example.g(z) - example.data, dg, example.gamma, dgamma, example.model.d_x))

    return float(example.expect(integrand).mean())


# --- the sign of an update: a claim maps a gradient and a mask of gamma's slot to an update ---


def _kl_of(example: EngineExample) -> float:
    """Compute the mean KL divergence of the batch up to ``log p(x)``."""
    log_joint = example.expect(lambda eps, z: example.log_likelihood(z) - 0.5 * square(z))
    return float((-log_joint - np.log(example.q()[1]).sum(-1)).mean())


def _slope_of_the_engine(example: EngineExample) -> float:
    gradient = expected(example, M1(), theta_gradient)
    return float(gradient @ _direction(gradient.size)[0])


@cache
def _gradients() -> tuple[Array, Array]:
    example = _EXAMPLE
    return expected(example, KL(), phi_gradient), expected(example, M1(), theta_gradient)


@both_sides("finite differences", 1e-8, "slope of KL along the update against -|gradient|^2")
def _inference_step(claim: Any) -> tuple[Any, Any]:
    example, g = _EXAMPLE, _gradients()[0]
    step = claim(g, np.zeros(g.shape, bool))
    return derivative(lambda t: _kl_of(example.at(phi=example.phi + t * step)), 1e-4), -(g @ g)


@both_sides("finite differences", 1e-7, "slope of M1 along the update against -|gradient|^2")
def _learning_step(claim: Any) -> tuple[Any, Any]:
    example, g = _EXAMPLE, _gradients()[1]
    of_gamma = np.zeros(g.shape, bool)
    of_gamma[example.model.theta_layout.slots[-1].start] = True
    step = claim(g, of_gamma)
    return derivative(lambda t: _m1(example.at(theta=example.theta + t * step)), 1e-5), -(g @ g)


@both_sides("closed form", 1e-12, "step of the engine's SGD over its step size")
def _step_of_sgd(claim: Any) -> tuple[Any, Any]:
    k, rate = _EXAMPLE.k, np.array([0.3])
    of_gamma = np.zeros(_EXAMPLE.theta.shape, bool)
    _EXAMPLE.model.log_sd(of_gamma)[:] = True
    g, theta = _gradients()[1].reshape(of_gamma.shape), _EXAMPLE.theta.copy()
    SGD().update(k, theta, g, SGD().remember(k, theta), rate, np.array([True]))
    return claim(g, of_gamma), (theta - _EXAMPLE.theta) / rate


@both_sides("closed form", 1e-10, "phi and theta of a linear VAE after 150 steps")
def _where_they_end(claim: Any) -> tuple[Any, Any]:
    """Compare the limits for linear models: inference reaches the posterior, learning the regression on z."""
    example = replace(LINEAR.engine(), nodes=3)
    free, of_gamma = np.zeros(example.phi.shape, bool), np.zeros(example.theta.shape, bool)
    example.model.log_sd(of_gamma)[:] = True
    phi, theta = example.phi, example.theta
    for _ in range(150):
        phi = phi + 0.15 * claim(expected(example.at(phi=phi), KL(), phi_gradient)[None], free)
        theta = theta + 0.2 * claim(expected(example.at(theta=theta), M1(), theta_gradient)[None], of_gamma)
        if max(np.abs(phi).max(), np.abs(theta).max()) > 5:
            break  # diverged: the updates go uphill
    truth = np.concatenate([LINEAR.exact().engine().phi, LINEAR.regressed().engine().theta], -1)
    return np.concatenate([phi, theta], -1), truth


STATEMENTS = (
    Statement(
        id="algorithm-1-kl",
        section="3.3.2",
        title="Gradient of the KL divergence with reparametrised samples",
        assumptions="z = mu + s eps; p(z, x) differentiable in z.",
        latex=r"\nabla_{(\mu, s)} D_{KL} = E_\epsilon \left( -\nabla_z \log p(z, x), \; "
            r"-\epsilon \nabla_z \log p(z, x) - \tfrac1s \right)",
        claim=lambda score, eps, s: (-score, -score * eps - 1 / s),
        checks=(
            value_check("finite differences", 1e-9, "gradient of KL in mu and s",
                _kl_by_stencils, lambda: gradient(_TARGET.kl, Q)),
            value_check("quadrature", 1e-9, "KL objective along phi",
                lambda claim: _along_phi(lambda eps, z, s: claim(_score(z), eps, s)),
                lambda: _engine_along_phi(KL())),
        ),
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
        latex=r"\nabla^b_{(\mu, s)} D_F = E_q \left( \tfrac{d}{s^2}, \; \tfrac{2 \epsilon d}{s^2} \right)",
        claim=lambda d, eps, s: (d / s**2, 2 * eps * d / s**2),
        checks=(
            _fd_by_differences,
            value_check("quadrature", 1e-9, "Fisher objective along phi",
                lambda claim: _along_phi(lambda eps, z, s: claim(-eps / s - _score(z), eps, s)),
                lambda: _engine_along_phi(PosteriorFisher())),
        ),
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
        latex=r"\dot M_1 = E_q \left[ \tfrac{(g - x) \cdot \dot g}{\gamma^2} "
            r"- \tfrac{|x - g|^2}{\gamma^3} \dot\gamma \right] + \tfrac{d_x}{\gamma^2} \dot\gamma",
        claim=lambda e, dg, gamma, dgamma, d_x: (
            (e * dg).sum(-1) / gamma**2 + (d_x / gamma**2 - square(e) / gamma**3) * dgamma
        ),
        checks=(
            value_check("finite differences", 1e-8, "slope of M1",
                _m1_claimed,
                lambda: [derivative(lambda t, e=e: _m1(_theta_along(e, t)), 5e-4) for e in _TWO]),  # type: ignore[misc]
            value_check("quadrature", 1e-9, "M1 objective",
                _m1_claimed, lambda: list(map(_slope_of_the_engine, _TWO))),
        ),
        mutations={
            "gamma fixed": lambda e, dg, gamma, dgamma, d_x: (e * dg).sum(-1) / gamma**2,
            "sign of the divergence": lambda e, dg, gamma, dgamma, d_x: (
                (e * dg).sum(-1) / gamma**2 - (d_x / gamma**2 + square(e) / gamma**3) * dgamma
            ),
            "gradient of the ELBO": lambda e, dg, gamma, dgamma, d_x: (
                (e * dg).sum(-1) / gamma + (d_x / gamma - square(e) / gamma**2) * dgamma / 2
            ),
        },
        code="vsmnp.objectives.M1",
    ),
    Statement(
        id="algorithm-1-direction",
        section="3.3.2",
        title="Direction of the updates",
        assumptions="Updates proportional to the exact gradient, by small steps; gamma is part of theta.",
        latex=r"\Delta\phi \propto -\nabla_\phi D, \qquad \Delta\theta \propto -\nabla_\theta M_1",
        claim=lambda g, of_gamma: -g,
        printed=Form(
            r"\Delta\phi \propto \nabla_\phi D, \qquad \Delta\theta \propto \nabla_\theta M_1",
            lambda g, of_gamma: g,
        ),
        error="ascent",
        checks=(_inference_step, _learning_step, _step_of_sgd, _where_they_end),
        mutations={
            "gamma left where it is": lambda g, of_gamma: np.where(of_gamma, 0.0, -g),
        },
        consequence="Both losses would rise; the published code descends.",
        code="vsmnp.training.optimizers.SGD",
    ),
)  # fmt: skip
