"""The identities behind the engine's gradients of the posterior Fisher divergence, beyond the paper."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ....objectives import KL, PosteriorFisher
from ....types import Array, Grads, Tangents
from ..evidence import derivative, gradient, numeric, symbolic
from ..examples.engine import EngineExample
from ..examples.expected import gradient_in_q
from ..examples.toy import Toy, square
from ..quadrature import normal_rule
from ..statement import Effort, Evidence, Form, Statement

_Q = np.array([0.4, 0.7])  # mu and s of a q that is not an encoder's output
_X = np.array([0.3, -0.8])


@cache
def _one_datum() -> EngineExample:
    return replace(EngineExample.build(n=1), nodes=40)


def _log_joint(z: Array) -> Array:
    """Compute the log-density of a strongly non-Gaussian target: the toy's posterior times a ripple."""
    toy = Toy()
    return np.asarray(toy.log_likelihood(_X, z) + toy.log_prior(z) + 0.4 * np.sin(1.5 * z))


def _score(z: Array, step: float = 2e-3) -> Array:
    return derivative(lambda t: _log_joint(z + t), step)


def _curvature(z: Array) -> Array:
    return derivative(lambda t: _score(z + t, 4e-3), 4e-3)


def _kl(q: Array) -> float:
    eps, w = normal_rule(60)
    e = eps[:, 0]
    return float(w @ (-0.5 * e * e - np.log(q[1]) - _log_joint(q[0] + q[1] * e)))


def _fisher_at(z: Array, q: Array) -> Array:
    """Compute half the squared difference of the scores at z."""
    return np.asarray(0.5 * ((z - q[0]) / q[1] ** 2 + _score(z)) ** 2)


def _fisher(q: Array) -> float:
    eps, w = normal_rule(60)
    return float(w @ _fisher_at(q[0] + q[1] * eps[:, 0], q))


# --- z held fixed: a claim turns the gradient of KL in (mu, s) into the one of the Fisher divergence ---


def _fixed_by_differences(claim: Any, effort: Effort) -> Evidence:
    eps, w = normal_rule(60)
    z = _Q[0] + _Q[1] * eps[:, 0]
    truth = w @ gradient(lambda q: _fisher_at(z, q), _Q, 4e-4)
    claimed = claim(*gradient(_kl, _Q), _Q[1])
    detail = "gradient with z held fixed from the one of KL, a target of many modes"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-8), detail)


def _fixed_by_engine(claim: Any, effort: Effort) -> Evidence:
    example = _one_datum()
    of_kl = gradient_in_q(example, KL())
    claimed = np.concatenate(claim(of_kl[:2], of_kl[2:], example.q()[1][0]))
    truth = gradient_in_q(example, PosteriorFisher())
    detail = "Fisher objective against KL objective"
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-9), detail)


# --- reparametrised: a claim makes the gradient in (mu, s) of d, H d, eps and s ---


def _moving_by_differences(claim: Any, effort: Effort) -> Evidence:
    """Compare with differences; H, the Hessian of the log-likelihood, is that of the log-joint plus 1."""
    eps, w = normal_rule(60)
    e = eps[:, 0]
    z = _Q[0] + _Q[1] * e
    d = -e / _Q[1] - _score(z)
    claimed = [w @ part for part in claim(d, (_curvature(z) + 1) * d, e, _Q[1])]
    truth = gradient(_fisher, _Q, 4e-4)
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-8), "gradient of D_F in mu, s")


def _moving_by_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with the engine; d and H d of two networks are differences of the log-likelihood."""
    example = _one_datum()
    s = example.q()[1]

    def log_likelihood(z: Array) -> Array:
        return np.asarray(-0.5 * square(example.data - example.g(z)) / example.gamma)

    def b(z: Array) -> Array:
        return gradient(lambda t: log_likelihood(z + t), np.zeros(2), 5e-3)

    def both(eps: Array, z: Array) -> Array:
        d = z - eps / s - b(z)
        return np.concatenate(claim(d, derivative(lambda t: b(z + t * d), 2e-3), eps, s), -1)

    truth = gradient_in_q(example, PosteriorFisher(reparametrised=True))
    detail = "reparametrised Fisher objective"
    return numeric("quadrature", example.expect(both)[0], truth, effort.tolerance(1e-7), detail)


# --- H d by one tangent sweep: a claim is the tangent of the cotangent (x - g)/gamma ---


def _sweep(claim: Any) -> tuple[EngineExample, Array, Array, Array]:
    """Return the example, points z, directions d and the result of the engine's sweep along d."""
    example = EngineExample.build(n=4)
    k, decoder, p = example.k, example.model.decoder, example.model.decoder_part(example.theta)
    z, d = np.random.default_rng(5).standard_normal((2, 4, 2))
    g, c = example.model.decode(k, example.theta, z[None, None])
    dg, dc = decoder.jvp(k, p, c, None, d[None, None])
    v = (example.x - g) / example.gamma
    _, found = decoder.vjp_jvp(k, p, c, v, Tangents(None, dc, claim(dg, v, example.gamma)), Grads())
    assert found is not None
    return example, z, d, found[0, 0]


def _sweep_symbolic(claim: Any, effort: Effort) -> Evidence:
    """Compare with the product rule for J' v, for two latents, two data dimensions and any decoder."""
    import sympy

    z, d, x = (sympy.symbols(f"{name}1 {name}2", real=True) for name in "zdx")
    gamma = sympy.Symbol("gamma", positive=True)
    g = sympy.Matrix([sympy.Function(name, real=True)(*z) for name in ("g1", "g2")])
    j, way = g.jacobian(z), sympy.Matrix(d)
    v = (sympy.Matrix(x) - g) / gamma
    moved = claim(j * way, v, gamma)
    turned = sum((sympy.diff(j, at) * along for at, along in zip(z, d, strict=True)), sympy.zeros(2, 2))
    truth = sympy.hessian(-gamma * v.dot(v) / 2, z) * way
    return symbolic(
        list(turned.T * v + j.T * moved), list(truth), "Hessian of log p(x|z) times d, any decoder"
    )


def _sweep_by_backward(claim: Any, effort: Effort) -> Evidence:
    """Compare with differences of the engine's own backward sweep."""
    example, z, d, found = _sweep(claim)
    k, decoder, p = example.k, example.model.decoder, example.model.decoder_part(example.theta)

    def b(t: float) -> Array:
        g, c = example.model.decode(k, example.theta, (z + t * d)[None, None])
        pulled = decoder.vjp(k, p, c, (example.x - g) / example.gamma, None)
        assert pulled is not None
        return np.asarray(pulled[0, 0])

    return numeric("finite differences", found, derivative(b), effort.tolerance(1e-9), "tangent of b along d")


def _sweep_by_likelihood(claim: Any, effort: Effort) -> Evidence:
    """Compare with differences of the log-likelihood, which needs the forward sweep only."""
    example, z, d, found = _sweep(claim)

    def log_likelihood(at: Array) -> Array:
        return np.asarray(-0.5 * square(example.data - example.g(at)) / example.gamma)

    def b(t: float) -> Array:
        return gradient(lambda shift: log_likelihood(z + t * d + shift), np.zeros(2), 2e-3)

    truth = derivative(b, 2e-3)
    return numeric(
        "finite differences", found, truth, effort.tolerance(1e-7), "Hessian of log p(x|z) times d"
    )


STATEMENTS = (
    Statement(
        id="engine-fisher-information",
        section="engine",
        title="Fisher gradient with the samples held fixed as a scaled KL gradient",
        assumptions="q a diagonal Gaussian; the target smooth and otherwise arbitrary.",
        form=Form(
            r"\nabla^b_{(\mu, s)} D_F = \left( \tfrac1{s^2} \nabla_\mu D_{KL}, \; "
            r"\tfrac2{s^2} \nabla_s D_{KL} \right)",
            lambda in_mu, in_s, s: (in_mu / s**2, 2 * in_s / s**2),
        ),
        checks=(_fixed_by_differences, _fixed_by_engine),
        mutations={
            "same factor": lambda in_mu, in_s, s: (in_mu / s**2, in_s / s**2),
            "one power of s": lambda in_mu, in_s, s: (in_mu / s, 2 * in_s / s),
        },
        consequence=(
            "The factors are the Fisher information of q: A.5.1 holds for every target, not only a Gaussian "
            "one, and the fixed points are those of KL inference."
        ),
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="engine-fd-reparametrised",
        section="engine",
        title="Fisher gradient with reparametrised samples",
        assumptions="Standard normal prior, H the Hessian in z of log p(x|z), smooth.",
        form=Form(
            r"\nabla_{(\mu, s)} D_F = E_\epsilon \left( c, \; c \epsilon + \tfrac{d \epsilon}{s^2} \right), "
            r"\quad c = d - H d",
            lambda d, hd, eps, s: (d - hd, (d - hd) * eps + d * eps / s**2),
        ),
        checks=(_moving_by_differences, _moving_by_engine),
        mutations={
            "sign of H": lambda d, hd, eps, s: (d + hd, (d + hd) * eps + d * eps / s**2),
            "no direct term": lambda d, hd, eps, s: (d - hd, (d - hd) * eps),
            "no second order": lambda d, hd, eps, s: (d, d * eps + d * eps / s**2),
        },
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="engine-hessian-direction",
        section="engine",
        title="Hessian times a vector from one tangent of the backward sweep",
        assumptions="Smooth decoder; the sweep runs along z-direction d with cotangent v = (x - g)/gamma.",
        form=Form(
            r"\dot v = -\tfrac1\gamma J d \implies \partial_d [J^T v] = H d, \quad "
            r"H = \nabla_z^2 \log p(x|z)",
            lambda dg, v, gamma: -dg / gamma,
        ),
        checks=(_sweep_symbolic, _sweep_by_backward, _sweep_by_likelihood),
        mutations={
            "cotangent held fixed": lambda dg, v, gamma: 0 * dg,
            "sign": lambda dg, v, gamma: dg / gamma,
            "no gamma": lambda dg, v, gamma: -dg,
        },
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
