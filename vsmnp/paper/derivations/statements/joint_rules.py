r"""The joint Fisher divergence as the Fisher autoencoder minimises it: both gradients, the optimal gamma.

.. math:: L = \tfrac12 E_q |d|^2 + \tfrac12 \tau^2 E_q |e|^2 - \tau d_x + \tfrac12 E_q |s^q|^2,
    \qquad d = c_0 - b, \quad c_0 = z - \epsilon / s, \quad b = \tau J_g^T (x - g), \quad e = g - x .
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import numpy as np

from ....objectives import JointFisher, OptimalGamma
from ....objectives.score_norm import ScoreNormTerm
from ....rng import Key
from ....types import Array
from ..evidence import derivative, gradient, numeric, symbolic
from ..examples.engine import EngineExample
from ..examples.toy import Toy, dot, square
from ..statement import Claim, Effort, Evidence, Form, Statement

_KEY = Key((17,))
_SAMPLES = 2

# --- the toy: one datum, one draw, all quantities written out ---


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


def _gradient_of_the_toy(claim: Claim, effort: Effort) -> Evidence:
    def loss(at: Array) -> Array:
        v = _toy_terms(at)
        return np.asarray(0.5 * v.d**2 + 0.5 * v.tau**2 * v.e2 - v.tau * v.d_x)

    at = np.array([0.4, 0.8, 0.1])
    v = _toy_terms(at)
    gz = claim.gz(v)
    claimed = [gz, claim.gs(v, gz), claim.gl(v)]
    detail = "gradient of one sample in (mu, s, l), without the score norm"
    return numeric("finite differences", claimed, gradient(loss, at), effort.tolerance(1e-9), detail)


def _gradient_symbolic(claim: Claim, effort: Effort) -> Evidence:
    """Compare in symbols; only value, slope and curvature of ``|g - x|^2`` at z matter, hence a parabola."""
    import sympy

    mu, eps, t, k0, k1, k2 = sympy.symbols("mu eps t k0 k1 k2", real=True)
    s, tau = sympy.symbols("s tau", positive=True)
    z = mu + s * eps
    square_of_e = k0 + k1 * t + k2 * t**2
    b, hessian = (sympy.diff(-tau * square_of_e / 2, t, n).subs(t, z) for n in (1, 2))
    d, e2 = z - eps / s - b, square_of_e.subs(t, z)
    v = SimpleNamespace(eps=eps, s=s, tau=tau, d=d, b=b, hd=hessian * d, e2=e2, d_x=1, dot=d * b)
    loss, gz = d**2 / 2 + tau**2 * e2 / 2 - tau, claim.gz(v)
    truth = [sympy.diff(loss, mu), sympy.diff(loss, s), -2 * tau * sympy.diff(loss, tau)]  # tau = exp(-2 l)
    return symbolic([gz, claim.gs(v, gz), claim.gl(v)], truth, "gradient of one sample in (mu, s, l)")


# --- the engine: the same noise, all parameters vary ---


@cache
def _example() -> EngineExample:
    return EngineExample.build(hidden=(4,))


def _loss(phi: Array, theta: Array) -> float:
    e = _example()
    return float(JointFisher(_SAMPLES)(e.k, e.model, phi, theta, e.x, _KEY).loss[0])


@cache
def _terms() -> SimpleNamespace:
    """Compute all quantities for every sample ``(S, N, ...)``; H d by differences of b."""
    e = _example()
    eps = e.model.gaussian_posterior.noise(e.k, _KEY, _SAMPLES, e.x)[0]
    mu, s = e.q()
    tau, z = 1 / e.gamma, mu + s * eps
    v = SimpleNamespace(eps=eps, s=s, tau=tau, z=z, d_x=e.model.d_x, e2=square(e.g(z) - e.data))
    v.b = _slope(_example(), z)
    v.d = z - eps / s - v.b
    v.hd = derivative(lambda t: _slope(_example(), z + t * v.d))
    v.dot = dot(v.d, v.b)
    return v


def _slope(e: EngineExample, z: Array) -> Array:
    """Compute ``b(z) = grad_z log p(x|z)`` by the decoder's first-order rule."""
    g, c = e.model.decode(e.k, e.theta, z[None])
    b = e.model.decoder.vjp(e.k, e.model.decoder_part(e.theta), c, (e.x - g) / e.gamma, None)
    assert b is not None
    return np.asarray(b[0])


def _directions(size: int) -> Array:
    return np.random.default_rng(8).standard_normal((6, 1, size)) / 20


def _along(f: Callable[[Array], float], at: Array, way: Array) -> float:
    """Compute the derivative of f at ``at`` along ``way``."""
    return float(derivative(lambda t: f(at + t * way)))


@cache
def _phi_slopes() -> Array:
    e = _example()
    ways = _directions(e.phi.shape[1])
    return np.array([_along(lambda phi: _loss(phi, e.theta), e.phi, way) for way in ways])


@cache
def _theta_slopes() -> tuple[Array, Array]:
    """Compute differences of the loss along directions of theta and along l, and the engine's slopes."""
    e = _example()
    ways = _theta_directions()
    g = JointFisher(_SAMPLES)(e.k, e.model, e.phi, e.theta, e.x, _KEY).g_theta
    slopes = [_along(lambda theta: _loss(e.phi, theta), e.theta, way) for way in ways]
    return np.array(slopes), np.array([np.vdot(g, way) for way in ways])


def _theta_directions() -> Array:
    e = _example()
    ways = _directions(e.theta.shape[1])
    for way in ways:
        e.model.log_sd(way)[:] = 0  # l has a direction of its own, the last
    last = np.zeros((1, 1, e.theta.shape[1]))
    e.model.log_sd(last[0])[:] = 1
    return np.concatenate([ways, last])


def _phi_gradient(claim: Claim, effort: Effort) -> Evidence:
    """Compare the claim in (mu, s), mapped through the encoder, plus the score norm's own gradient."""
    e, v = _example(), _terms()
    gz = claim.gz(v)
    rows = gz.shape[0] * gz.shape[1]
    gmu, gs = (part.sum(0)[None, None] / rows for part in (gz, claim.gs(v, gz)))
    q, c = e.model.encode(e.k, e.phi, e.x)
    g = np.zeros_like(e.phi)
    e.model.encoder.vjp(
        e.k,
        e.model.encoder_part(e.phi),
        c,
        e.model.gaussian_posterior.pull(e.k, q, gmu, gs),
        e.model.encoder_part(g),
    )
    ScoreNormTerm("pathwise", True)(e.k, e.model, e.phi, q, c, v.eps[None], _KEY, g)
    engine = JointFisher(_SAMPLES)(e.k, e.model, e.phi, e.theta, e.x, _KEY).g_phi
    ways = _directions(e.phi.shape[1])
    claimed = [np.vdot(g, way) for way in ways]
    truth = [_phi_slopes(), [np.vdot(engine, way) for way in ways]]
    detail = "the loss along 6 directions of phi, by differences and by the engine's gradient"
    return numeric("finite differences", [claimed, claimed], truth, effort.tolerance(1e-9), detail)


def _theta_gradient(claim: Claim, effort: Effort) -> Evidence:
    """Compare the claimed surrogate, d fixed, along directions of theta, and the claimed slope in l."""
    e, v = _example(), _terms()

    def surrogate(theta: Array) -> float:
        there = e.at(theta=theta)
        moved = SimpleNamespace(**{**vars(v), "b": _slope(there, v.z), "e2": square(there.g(v.z) - e.data)})
        return float(claim.surrogate(moved).mean())

    *ways, _ = _theta_directions()
    claimed = [_along(surrogate, e.theta, way) for way in ways]
    claimed.append(float(np.mean(claim.gl(v))))
    detail = "the loss along 6 directions of theta and along l, by differences and by the engine's gradient"
    return numeric("finite differences", [claimed, claimed], _theta_slopes(), effort.tolerance(1e-9), detail)


# --- the optimal gamma ---


@cache
def _toy_optimum() -> tuple[tuple[float, ...], float]:
    """Compute ``E c0.b0, E|b0|^2, A`` and the gamma that minimises the divergence between the joints."""

    def divergence(gamma: float) -> Array:
        toy = Toy(gamma=gamma, x_nodes=24, z_nodes=30)
        latent = toy.expect(lambda x, z: (toy.latent_score_q(x, z) - toy.latent_score_p(x, z)) ** 2)
        data = toy.expect(lambda x, z: square(toy.score_pi(x) + toy.score_q(x, z) - toy.score_p(x, z)))
        return np.asarray(0.5 * (latent + data))

    toy = Toy(gamma=1.0, x_nodes=24, z_nodes=30)
    moments = (
        toy.expect(lambda x, z: (toy.latent_score_q(x, z) + z) * dot(toy.dg(z), x - toy.g(z))),
        toy.expect(lambda x, z: dot(toy.dg(z), x - toy.g(z)) ** 2),
        toy.expect(lambda x, z: square(x - toy.g(z))),
    )
    return tuple(float(m) for m in moments), _vertex(lambda tau: divergence(1 / tau))


def _vertex(f: Callable[[float], float | Array]) -> float:
    """Compute ``1 / tau`` at the minimum of a parabola in tau, from three of its values."""
    one, two, three = (float(f(tau)) for tau in (0.5, 1.0, 1.5))
    return float(1 / (1.0 - 0.25 * (three - one) / (three - 2 * two + one)))


def _gamma_by_quadrature(claim: Claim, effort: Effort) -> Evidence:
    moments, gamma = _toy_optimum()
    detail = "gamma that minimises the Fisher divergence between q pi and p(x, z)"
    return numeric("quadrature", claim(*moments, 2), gamma, effort.tolerance(1e-10), detail)


def _gamma_of_the_engine(claim: Claim, effort: Effort) -> Evidence:
    """Compare with the engine's choice on a batch and the minimum of its loss over gamma, on equal noise."""
    e, v = _example(), _terms()
    c0, b0 = v.z - v.eps / v.s, v.b * e.gamma
    claimed = claim(dot(c0, b0).mean(), square(b0).mean(), v.e2.mean(), e.model.d_x)
    choice = JointFisher(_SAMPLES, gamma=OptimalGamma())(e.k, e.model, e.phi, e.theta, e.x, _KEY).gamma
    assert choice is not None

    def loss(tau: float) -> float:
        theta = e.theta.copy()
        e.model.log_sd(theta)[:] = -0.5 * np.log(tau)
        return _loss(e.phi, theta)

    truth = [np.exp(2 * choice.log_sd[0]), _vertex(loss)]
    detail = "gamma that the engine chooses, and where its loss is least"
    return numeric("finite differences", [claimed, claimed], truth, effort.tolerance(1e-10), detail)


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
        section="engine",
        title="Both gradients of the joint Fisher divergence",
        assumptions=(
            "One sample z = mu + s eps; z follows phi; H is the Hessian of log p(x|z) in z; the score norm "
            "has a gradient of its own. In theta, d is held where it is."
        ),
        form=Form(
            r"\nabla_z L = d - \tau b - H d, \quad \nabla_\mu L = \nabla_z L, \quad "
            r"\nabla_s L = \epsilon \nabla_z L + \frac{d \epsilon}{s^2}, \quad "
            r"\partial_l L = 2 d \cdot b - 2 \tau (\tau |e|^2 - d_x), \quad "
            r"\nabla_\theta L = \nabla_\theta (-d \cdot b + \tfrac12 \tau^2 |e|^2)",
            _GRADIENT,
        ),
        checks=(_gradient_symbolic, _gradient_of_the_toy, _phi_gradient, _theta_gradient),
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
        section="engine",
        title="The likelihood variance that minimises the joint Fisher divergence",
        assumptions="b_0 = J_g^T (x - g), A = E|x - g|^2; the numerator is positive, or there is no minimum.",
        form=Form(
            r"\frac{1}{\gamma^*} = \frac{E[c_0 \cdot b_0] + d_x}{E|b_0|^2 + A}",
            lambda cb, bb, a, d_x: (bb + a) / (cb + d_x),
        ),
        checks=(_gamma_by_quadrature, _gamma_of_the_engine),
        mutations={
            "of the data part alone": lambda cb, bb, a, d_x: a / d_x,
            "of the latent part alone": lambda cb, bb, a, d_x: bb / cb,
            "sign": lambda cb, bb, a, d_x: (bb + a) / (d_x - cb),
            "two": lambda cb, bb, a, d_x: (bb + 2 * a) / (cb + d_x),
        },
        code="vsmnp.objectives.OptimalGamma",
    ),
)  # fmt: skip
