r"""The joint Fisher divergence as the Fisher autoencoder minimises it: both gradients, the optimal gamma.

.. math:: L = \tfrac12 E_q |d|^2 + \tfrac12 \tau^2 E_q |e|^2 - \tau d_x + \tfrac12 E_q |s^q|^2,
    \qquad d = c_0 - b, \quad c_0 = z - \epsilon / s, \quad b = \tau J_g^T (x - g), \quad e = g - x .
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....objectives import JointFisher, OptimalGamma, Outcome
from ....objectives.score_norm import ScoreNormTerm
from ....rng import Key
from ....types import Array
from ..checks import symbolic_sides, value_check
from ..evidence import derivative, gradient
from ..examples.engine import EngineExample
from ..examples.toy import Toy, dot, square
from ..statement import Claim, Statement

_TOY = Toy(gamma=1.0, x_nodes=24, z_nodes=30)
_KEY = Key((17,))
_SAMPLES = 2
_OBJECTIVE = JointFisher(_SAMPLES)

# --- the toy: one datum, one draw, all quantities written out ---

_POINT = np.array([0.4, 0.8, 0.1])


def _toy_terms(at: Array) -> SimpleNamespace:
    """Compute all quantities of the divergence at ``at = (mu, s, l)``; the latent is one number."""
    mu, s, log_sd = at
    x, eps, tau = np.array([0.3, -0.8]), 0.7, np.exp(-2 * log_sd)
    toy = Toy()
    z = np.asarray(mu + s * eps)
    e = toy.g(z) - x
    b = -tau * dot(toy.dg(z), e)
    hessian = -tau * (dot(toy.d2g(z), e) + square(toy.dg(z)))
    d = z - eps / s - b
    return SimpleNamespace(eps=eps, s=s, tau=tau, d=d, b=b, hd=hessian * d, e2=square(e), d_x=2, dot=d * b)


def _toy_loss(at: Array) -> Array:
    v = _toy_terms(at)
    return np.asarray(0.5 * v.d**2 + 0.5 * v.tau**2 * v.e2 - v.tau * v.d_x)


def _gradient(claim: Claim, v: SimpleNamespace) -> list[Any]:
    """Evaluate the claimed gradient of one sample in (mu, s, l)."""
    gz = claim.gz(v)
    return [gz, claim.gs(v, gz), claim.gl(v)]


@symbolic_sides("gradient of one sample in (mu, s, l)")
def _gradient_symbolic(claim: Claim, sympy: Any) -> tuple[Any, Any]:
    """Compare in symbols; only value, slope and curvature of ``|g - x|^2`` at z matter, hence a parabola."""
    mu, eps, t, k0, k1, k2 = sympy.symbols("mu eps t k0 k1 k2", real=True)
    s, tau = sympy.symbols("s tau", positive=True)
    z = mu + s * eps
    square_of_e = k0 + k1 * t + k2 * t**2
    b, hessian = (sympy.diff(-tau * square_of_e / 2, t, n).subs(t, z) for n in (1, 2))
    d, e2 = z - eps / s - b, square_of_e.subs(t, z)
    v = SimpleNamespace(eps=eps, s=s, tau=tau, d=d, b=b, hd=hessian * d, e2=e2, d_x=1, dot=d * b)
    loss = d**2 / 2 + tau**2 * e2 / 2 - tau
    truth = [sympy.diff(loss, mu), sympy.diff(loss, s), -2 * tau * sympy.diff(loss, tau)]  # tau = exp(-2 l)
    return _gradient(claim, v), truth


# --- the engine: the same noise, all parameters vary ---


#: Two examples of unlike sizes and gamma; the second is for theta alone.
_EXAMPLES = (
    EngineExample.build(hidden=(4,), gamma=0.6),
    EngineExample.build(d_x=4, d_z=1, hidden=(3,), n=3, gamma=0.9, seed=5),
)
_EXAMPLE = _EXAMPLES[0]


def _outcome(e: EngineExample, objective: JointFisher = _OBJECTIVE) -> Outcome:
    return objective(e.k, e.model, e.phi, e.theta, e.x, _KEY)


def _loss(e: EngineExample) -> float:
    return float(_outcome(e).loss[0])


@cache
def _terms(example: int = 0) -> SimpleNamespace:
    """Compute all quantities for every sample ``(S, N, ...)``; H d by differences of b."""
    e = _EXAMPLES[example]
    eps = e.model.gaussian_posterior.noise(e.k, _KEY, _SAMPLES, e.x)[0]
    s, z, b = e.q()[1], e.place(eps), e.likelihood_score(e.place(eps))
    d = z - eps / s - b
    hd = derivative(lambda t: e.likelihood_score(z + t * d))
    return SimpleNamespace(
        eps=eps, s=s, tau=1 / e.gamma, z=z, d_x=e.model.d_x, e2=square(e.g(z) - e.data), b=b, d=d, hd=hd,
        dot=dot(d, b),
    )  # fmt: skip


def _directions(size: int) -> Array:
    return np.random.default_rng(8).standard_normal((6, 1, size)) / 20


def _slopes(f: Callable[[Array], float], at: Array, ways: Array) -> list[Array]:
    """Compute the derivatives of f at ``at`` along every one of the ways."""
    return [derivative(lambda t, way=way: f(at + t * way)) for way in ways]  # type: ignore[misc]


@cache
def _phi_slopes() -> list[list[Any]]:
    """Compute differences of the loss along directions of phi, and the engine's slopes."""
    e = _EXAMPLE
    ways, g = _directions(e.phi.shape[1]), _outcome(e).g_phi
    return [_slopes(lambda phi: _loss(e.at(phi=phi)), e.phi, ways), [np.vdot(g, way) for way in ways]]


@cache
def _theta_slopes() -> list[list[Any]]:
    """Compute differences of the loss along directions of theta and along l, and the engine's slopes."""
    differences, slopes = list[Any](), list[Any]()
    for e in _EXAMPLES:
        ways, g = _theta_directions(e), _outcome(e).g_theta
        differences += _slopes(lambda theta, e=e: _loss(e.at(theta=theta)), e.theta, ways)  # type: ignore[misc]
        slopes += [np.vdot(g, way) for way in ways]
    return [differences, slopes]


def _theta_directions(e: EngineExample) -> Array:
    ways = _directions(e.theta.shape[1])
    for way in ways:
        e.model.log_sd(way)[:] = 0  # l has a direction of its own, the last
    last = np.zeros((1, 1, e.theta.shape[1]))
    e.model.log_sd(last[0])[:] = 1
    return np.concatenate([ways, last])


def _phi_gradient(claim: Claim) -> list[list[Any]]:
    """Map the claim in (mu, s) through the encoder, and add the score norm's own gradient."""
    e, v = _EXAMPLE, _terms()
    gz = claim.gz(v)
    rows = gz.shape[0] * gz.shape[1]
    gmu, gs = (part.sum(0)[None, None] / rows for part in (gz, claim.gs(v, gz)))
    q, c = e.model.encode(e.k, e.phi, e.x)
    g = np.zeros_like(e.phi)
    part, pulled = e.model.encoder_part, e.model.gaussian_posterior.vjp(e.k, q, gmu, gs)
    e.model.encoder.vjp(e.k, part(e.phi), c, pulled, part(g))
    ScoreNormTerm("pathwise", True)(e.k, e.model, e.phi, q, c, v.eps[None], _KEY, g)
    return [[np.vdot(g, way) for way in _directions(e.phi.shape[1])]] * 2


def _theta_gradient(claim: Claim) -> list[list[Any]]:
    """Compute slopes of the claimed surrogate, d fixed, along directions of theta; the claimed one in l."""
    found: list[Any] = []
    for i, e in enumerate(_EXAMPLES):
        v = _terms(i)

        def surrogate(theta: Array, e: EngineExample = e, v: SimpleNamespace = v) -> float:
            there = e.at(theta=theta)
            e2 = square(there.g(v.z) - e.data)
            moved = SimpleNamespace(**{**vars(v), "b": there.likelihood_score(v.z), "e2": e2})
            return float(claim.surrogate(moved).mean())

        found += [*_slopes(surrogate, e.theta, _theta_directions(e)[:-1]), np.mean(claim.gl(v))]
    return [found] * 2


# --- the optimal gamma ---


def _vertex(f: Callable[[float], float]) -> float:
    """Compute ``1 / tau`` at the minimum of a parabola in tau, from three of its values."""
    one, two, three = (f(tau) for tau in (0.5, 1.0, 1.5))
    return 1 / (1.0 - 0.25 * (three - one) / (three - 2 * two + one))


def _divergence(tau: float) -> float:
    """Compute the divergence between the joints of the toy."""
    toy = replace(_TOY, gamma=1 / tau)
    latent = toy.expect(lambda x, z: (toy.latent_score_q(x, z) - toy.latent_score_p(x, z)) ** 2)
    data = toy.expect(lambda x, z: square(toy.score_pi(x) + toy.score_q(x, z) - toy.score_p(x, z)))
    return float(0.5 * (latent + data))


@cache
def _toy_moments() -> tuple[Array, Array, Array]:
    """Compute ``E c0.b0, E|b0|^2, A``."""
    toy = _TOY
    return (
        toy.expect(lambda x, z: (toy.latent_score_q(x, z) + z) * dot(toy.dg(z), x - toy.g(z))),
        toy.expect(lambda x, z: dot(toy.dg(z), x - toy.g(z)) ** 2),
        toy.expect(lambda x, z: square(x - toy.g(z))),
    )


def _gamma_of_networks(claim: Claim) -> list[Any]:
    e, v = _EXAMPLE, _terms()
    c0, b0 = v.z - v.eps / v.s, v.b * e.gamma
    return [claim(dot(c0, b0).mean(), square(b0).mean(), v.e2.mean(), e.model.d_x)] * 2


def _gamma_of_the_engine() -> list[float]:
    """Compute the engine's choice on a batch and the minimum of its loss over gamma, on equal noise."""
    e = _EXAMPLE
    choice = _outcome(e, JointFisher(_SAMPLES, gamma=OptimalGamma())).gamma
    assert choice is not None

    def loss(tau: float) -> float:
        theta = e.theta.copy()
        e.model.log_sd(theta)[:] = -0.5 * np.log(tau)
        return _loss(e.at(theta=theta))

    return [np.exp(2 * choice.log_sd[0]), _vertex(loss)]


_GRADIENT = SimpleNamespace(
    gz=lambda v: v.d - v.tau * v.b - v.hd,
    gs=lambda v, gz: gz * v.eps + v.d * v.eps / v.s**2,
    gl=lambda v: 2 * v.dot - 2 * v.tau * (v.tau * v.e2 - v.d_x),
    surrogate=lambda v: -dot(v.d, v.b) + 0.5 * v.tau**2 * v.e2,
)


def _but(**rules: Callable[..., Array]) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(_GRADIENT), **rules})


STATEMENTS = (
    Statement(
        id="engine-joint-fisher-gradient",
        title="Both gradients of the joint Fisher divergence",
        assumptions="One sample z = mu + s eps; z follows phi; H is the Hessian of log p(x|z) in z; the "
            "score norm has a gradient of its own. In theta, d is held where it is.",
        latex=r"\nabla_z L = d - \tau b - H d, \quad \nabla_\mu L = \nabla_z L, \quad "
            r"\nabla_s L = \epsilon \nabla_z L + \frac{d \epsilon}{s^2}, \quad "
            r"\partial_l L = 2 d \cdot b - 2 \tau (\tau |e|^2 - d_x), \quad "
            r"\nabla_\theta L = \nabla_\theta (-d \cdot b + \tfrac12 \tau^2 |e|^2)",
        claim=_GRADIENT,
        checks=(
            _gradient_symbolic,
            value_check("finite differences", 1e-9,
                "gradient of one sample in (mu, s, l), without the score norm",
                lambda claim: _gradient(claim, _toy_terms(_POINT)), lambda: gradient(_toy_loss, _POINT)),
            value_check("finite differences", 1e-9,
                "the loss along 6 directions of phi, by differences and by the engine's gradient",
                _phi_gradient, _phi_slopes),
            value_check("finite differences", 1e-9,
                "the loss along 6 directions of theta and along l, by differences and by the engine's "
                "gradient",
                _theta_gradient, _theta_slopes),
        ),
        mutations={
            "no curvature": _but(gz=lambda v: v.d - v.tau * v.b),
            "sign of H": _but(gz=lambda v: v.d - v.tau * v.b + v.hd),
            "precision missing": _but(gz=lambda v: v.d - v.b - v.hd),
            "noise at rest": _but(gs=lambda v, gz: gz * v.eps),
            "deviation for variance": _but(gs=lambda v, gz: gz * v.eps + v.d * v.eps / v.s),
            "half in l": _but(gl=lambda v: v.dot - 2 * v.tau * (v.tau * v.e2 - v.d_x)),
            "divergence in l": _but(gl=lambda v: 2 * v.dot - 2 * v.tau * v.tau * v.e2),
            "sign in theta": _but(surrogate=lambda v: dot(v.d, v.b) + 0.5 * v.tau**2 * v.e2),
            "half in theta": _but(surrogate=lambda v: -0.5 * dot(v.d, v.b) + 0.5 * v.tau**2 * v.e2),
        },
        code="vsmnp.objectives.JointFisher",
    ),
    Statement(
        id="engine-optimal-gamma-joint",
        title="The likelihood variance that minimises the joint Fisher divergence",
        assumptions="b_0 = J_g^T (x - g), A = E|x - g|^2; the numerator is positive, or there is no minimum.",
        latex=r"\frac{1}{\gamma^*} = \frac{E[c_0 \cdot b_0] + d_x}{E|b_0|^2 + A}",
        claim=lambda cb, bb, a, d_x: (bb + a) / (cb + d_x),
        checks=(
            value_check("quadrature", 1e-10,
                "gamma that minimises the Fisher divergence between q pi and p(x, z)",
                lambda claim: claim(*_toy_moments(), _TOY.d_x), lambda: _vertex(_divergence)),
            value_check("finite differences", 1e-10,
                "gamma that the engine chooses, and where its loss is least",
                _gamma_of_networks, _gamma_of_the_engine),
        ),
        mutations={
            "of the data part alone": lambda cb, bb, a, d_x: a / d_x,
            "of the latent part alone": lambda cb, bb, a, d_x: bb / cb,
            "sign": lambda cb, bb, a, d_x: (bb + a) / (d_x - cb),
            "two": lambda cb, bb, a, d_x: (bb + 2 * a) / (cb + d_x),
        },
        code="vsmnp.objectives.OptimalGamma",
    ),
)  # fmt: skip
