"""The identities behind the engine's gradients of the posterior Fisher divergence, beyond the paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....objectives import KL, PosteriorFisher
from ....types import Array, Grads, Tangents
from ..checks import symbolic_sides, value_check
from ..evidence import derivative, gradient, gradient_in
from ..examples.engine import EngineExample
from ..examples.expected import gradient_in_q
from ..examples.target import Q, TiltedPosterior, nodes
from ..statement import Statement

_TARGET = TiltedPosterior(ripple=0.4)


_ONE_DATUM = EngineExample.build(n=1, nodes=40)


# --- z held fixed: a claim turns the gradient of KL in (mu, s) into the one of the Fisher divergence ---


def _fixed_of_the_engine(claim: Any) -> Array:
    of_kl = gradient_in_q(_ONE_DATUM, KL())
    return np.concatenate(claim(of_kl[:2], of_kl[2:], _ONE_DATUM.q()[1][0]))


# --- weighted by the covariance: a claim turns the gradient of KL in (mu, s) into the weighted one ---

_WIDE = EngineExample.build(3, 2, hidden=(4,), n=1, gamma=0.6, nodes=40)


def _weighted_by_stencils() -> Array:
    """Compute ``E_q`` of the slopes in ``(mu, s)`` of ``|s d|^2/2``, z and the weight s held fixed."""
    _, w, z = nodes(Q)
    return np.asarray(w @ gradient(lambda q: Q[1] ** 2 * _TARGET.half_square(z, q), Q, 4e-4))


_EPS = np.random.default_rng(9).standard_normal((5, 2))


def _path_of_the_engine(claim: Any) -> Array:
    """Evaluate the claim for each of a few samples: KL without the derivative of log q in its parameters."""
    mu, s = (moment[0] for moment in _WIDE.q())

    def log_ratio(z: Array) -> Array:
        log_q = -0.5 * (((z - mu) / s) ** 2).sum(-1)
        return np.asarray(log_q + 0.5 * (z**2).sum(-1) - _WIDE.log_likelihood(z[:, None])[:, 0])

    d = gradient_in(log_ratio, mu + s * _EPS, 2e-3)
    return np.concatenate(claim(d, d * _EPS, s), -1)


def _weighted_samples() -> Array:
    """Compute the engine's gradients in ``(mu, s)`` of single samples."""
    weighted = PosteriorFisher(fisher_weight="covariance")
    return np.stack([gradient_in_q(_WIDE, weighted, (eps[None], np.ones(1))) for eps in _EPS])


# --- reparametrised: a claim makes the gradient in (mu, s) of d, H d, eps and s ---


def _moving_by_stencils(claim: Any) -> list[Any]:
    """Evaluate the claim; H, the Hessian of the log-likelihood, is that of the log-joint plus 1."""
    e, w, z = nodes(Q)
    d = _TARGET.difference(z, Q)
    return [w @ part for part in claim(d, (_TARGET.curvature(z) + 1) * d, e, Q[1])]


def _moving_of_networks(claim: Any) -> Array:
    """Evaluate the claim; d and H d of two networks are differences of the log-likelihood."""
    example = _ONE_DATUM
    s = example.q()[1]

    def b(z: Array) -> Array:
        return gradient_in(example.log_likelihood, z, 5e-3)

    def both(eps: Array, z: Array) -> Array:
        d = z - eps / s - b(z)
        return np.concatenate(claim(d, derivative(lambda t: b(z + t * d), 2e-3), eps, s), -1)

    return np.asarray(example.expect(both)[0])


# --- H d by one tangent sweep: a claim is the tangent of the cotangent (x - g)/gamma ---


def _points() -> tuple[EngineExample, Array, Array]:
    """Return an example of four data, and points z and directions d, ``(4, 2)``."""
    return EngineExample.build(n=4), *np.random.default_rng(5).standard_normal((2, 4, 2))


def _sweep(claim: Any) -> Array:
    """Compute the result of the engine's sweep along d."""
    example, z, d = _points()
    k, decoder, p = example.k, example.model.decoder, example.model.decoder_part(example.theta)
    g, c = example.model.decode(k, example.theta, z[None, None])
    dg, dc = decoder.jvp(k, p, c, None, d[None, None])
    v = (example.x - g) / example.gamma
    _, found = decoder.vjp_jvp(k, p, c, v, Tangents(None, dc, claim(dg, v, example.gamma)), Grads())
    assert found is not None
    return np.asarray(found[0, 0])


@symbolic_sides("Hessian of log p(x|z) times d, any decoder")
def _sweep_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare with the product rule for J' v, for two latents, two data dimensions and any decoder."""
    z, d, x = (sympy.symbols(f"{name}1 {name}2", real=True) for name in "zdx")
    gamma = sympy.Symbol("gamma", positive=True)
    g = sympy.Matrix([sympy.Function(name, real=True)(*z) for name in ("g1", "g2")])
    j, way = g.jacobian(z), sympy.Matrix(d)
    v = (sympy.Matrix(x) - g) / gamma
    turned = sum((sympy.diff(j, at) * along for at, along in zip(z, d, strict=True)), sympy.zeros(2, 2))
    truth = sympy.hessian(-gamma * v.dot(v) / 2, z) * way
    return list(turned.T * v + j.T * claim(j * way, v, gamma)), list(truth)


def _sweep_by_backward() -> Array:
    """Compute differences of the engine's own backward sweep."""
    example, z, d = _points()
    return derivative(lambda t: example.likelihood_score((z + t * d)[None])[0])


def _sweep_by_likelihood() -> Array:
    """Compute differences of the log-likelihood, which needs the forward sweep only."""
    example, z, d = _points()
    return derivative(lambda t: gradient_in(example.log_likelihood, z + t * d, 2e-3), 2e-3)


STATEMENTS = (
    Statement(
        id="engine-fisher-information",
        title="Fisher gradient with the samples held fixed as a scaled KL gradient",
        assumptions="q a diagonal Gaussian; the target smooth and otherwise arbitrary.",
        latex=r"\nabla^b_{(\mu, s)} D_F = \left( \tfrac1{s^2} \nabla_\mu D_{KL}, \; "
            r"\tfrac2{s^2} \nabla_s D_{KL} \right)",
        claim=lambda in_mu, in_s, s: (in_mu / s**2, 2 * in_s / s**2),
        checks=(
            value_check("finite differences", 1e-8,
                "gradient with z held fixed from the one of KL, a target of many modes",
                lambda claim: claim(*gradient(_TARGET.kl, Q), Q[1]),
                lambda: nodes(Q)[1] @ gradient(lambda q: _TARGET.half_square(nodes(Q)[2], q), Q, 4e-4)),
            value_check("quadrature", 1e-9, "Fisher objective against KL objective",
                _fixed_of_the_engine, lambda: gradient_in_q(_ONE_DATUM, PosteriorFisher())),
        ),
        mutations={
            "same factor": lambda in_mu, in_s, s: (in_mu / s**2, in_s / s**2),
            "one power of s": lambda in_mu, in_s, s: (in_mu / s, 2 * in_s / s),
        },
        consequence="The factors are the Fisher information of q: A.5.1 holds for every target, not only a "
            "Gaussian one, and the fixed points are those of KL inference.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="engine-covariance-weight",
        title="Fisher gradient weighted by the covariance of q",
        assumptions="q a diagonal Gaussian; the samples and the weight are held fixed; the target arbitrary.",
        latex=r"\nabla^b_{(\mu, s)} \tfrac12 E_q \left| s \odot \nabla_z \log \tfrac{q(z|x)}{p(z|x)} "
            r"\right|^2 = ( \nabla_\mu D_{KL}, \; 2 \nabla_s D_{KL} )",
        claim=lambda in_mu, in_s, s: (in_mu, 2 * in_s),
        checks=(
            value_check("finite differences", 1e-8,
                "gradient with z and weight held fixed from the one of KL, a target of many modes",
                lambda claim: claim(*gradient(_TARGET.kl, Q), Q[1]), _weighted_by_stencils),
            value_check("quadrature", 1e-9, "weighted Fisher objective against KL objective",
                lambda claim: np.concatenate(
                    claim(*np.split(gradient_in_q(_WIDE, KL()), 2), _WIDE.q()[1][0])),
                lambda: gradient_in_q(_WIDE, PosteriorFisher(fisher_weight="covariance"))),
            value_check("finite differences", 1e-8,
                "weighted Fisher objective against the path gradient of KL, sample by sample",
                _path_of_the_engine, _weighted_samples),
        ),
        mutations={
            "same factor": lambda in_mu, in_s, s: (in_mu, in_s),
            "without the weight": lambda in_mu, in_s, s: (in_mu / s**2, 2 * in_s / s**2),
            "standard deviation for covariance": lambda in_mu, in_s, s: (in_mu / s, 2 * in_s / s),
            "factors exchanged": lambda in_mu, in_s, s: (2 * in_mu, in_s),
        },
        consequence="|s d|^2 is the divergence of Batch-and-Match (Cai et al. 2024). Inference by it differs "
            "from KL inference by the step size of s alone, and from Fisher inference by the weight 1/s^2.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="engine-fd-reparametrised",
        title="Fisher gradient with reparametrised samples",
        assumptions="Standard normal prior, H the Hessian in z of log p(x|z), smooth.",
        latex=r"\nabla_{(\mu, s)} D_F = E_\epsilon \left( c, \; c \epsilon + "
            r"\tfrac{d \epsilon}{s^2} \right), "
            r"\quad c = d - H d",
        claim=lambda d, hd, eps, s: (d - hd, (d - hd) * eps + d * eps / s**2),
        checks=(
            value_check("finite differences", 1e-8, "gradient of D_F in mu, s",
                _moving_by_stencils, lambda: gradient(_TARGET.fisher, Q, 4e-4)),
            value_check("quadrature", 1e-7, "reparametrised Fisher objective",
                _moving_of_networks,
                lambda: gradient_in_q(_ONE_DATUM, PosteriorFisher(reparametrised=True))),
        ),
        mutations={
            "sign of H": lambda d, hd, eps, s: (d + hd, (d + hd) * eps + d * eps / s**2),
            "no direct term": lambda d, hd, eps, s: (d - hd, (d - hd) * eps),
            "no second order": lambda d, hd, eps, s: (d, d * eps + d * eps / s**2),
        },
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="engine-hessian-direction",
        title="Hessian times a vector from one tangent of the backward sweep",
        assumptions="Smooth decoder; the sweep runs along z-direction d with cotangent v = (x - g)/gamma.",
        latex=r"\dot v = -\tfrac1\gamma J d \implies \partial_d [J^T v] = H d, \quad "
            r"H = \nabla_z^2 \log p(x|z)",
        claim=lambda dg, v, gamma: -dg / gamma,
        checks=(
            _sweep_symbolic,
            value_check("finite differences", 1e-9, "tangent of b along d", _sweep, _sweep_by_backward),
            value_check("finite differences", 1e-7, "Hessian of log p(x|z) times d",
                _sweep, _sweep_by_likelihood),
        ),
        mutations={
            "cotangent held fixed": lambda dg, v, gamma: 0 * dg,
            "sign": lambda dg, v, gamma: dg / gamma,
            "no gamma": lambda dg, v, gamma: -dg,
        },
        code="vsmnp.layers.compose.Chain",
    ),
)  # fmt: skip
