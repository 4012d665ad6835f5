"""Derive both gradients of the joint Fisher divergence, and the precision at which it is least."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..examples.toy import Toy, dot, square
from ..proof import Proofs, Step

# --- one sample of the toy: mu, s, l, and a factor on the decoder that stands for theta ---

_X, _EPS, _D_X = np.array([0.3, -0.8]), 0.7, 2
_MU, _S, _L = 0.4, 0.8, 0.1


def _terms(mu: float = _MU, s: float = _S, log_sd: float = _L, scale: float = 1.0) -> SimpleNamespace:
    """Compute z, d, b, tau and e of the sample from the definitions."""
    return _at(np.asarray(mu + s * _EPS), s, log_sd, scale)


def _at(z: Array, s: float = _S, log_sd: float = _L, scale: float = 1.0) -> SimpleNamespace:
    """Compute the same with z given in the place of mu."""
    toy, tau = Toy(), float(np.exp(-2 * log_sd))
    e = scale * toy.g(z) - _X
    b = -tau * scale * dot(toy.dg(z), e)
    return SimpleNamespace(z=z, s=s, tau=tau, e=e, b=b, d=z - _EPS / s - b)


def _loss(v: SimpleNamespace) -> Array:
    """Compute the divergence of the sample without the score norm, ``|d|^2/2 + tau^2 |e|^2/2 - tau d_x``."""
    return np.asarray(0.5 * v.d**2 + 0.5 * v.tau**2 * square(v.e) - v.tau * _D_X)


def _slope(f: Callable[[float], Array]) -> float:
    return float(derivative(f))


@cache
def _here() -> SimpleNamespace:
    """Return the terms at the point with H, the second derivative of log p(x|z) written out."""
    v, toy = _terms(), Toy()
    v.H = -v.tau * (dot(toy.d2g(v.z), v.e) + square(toy.dg(v.z)))
    v.in_z = v.d - v.tau * v.b - v.H * v.d
    return v


def _in_theta() -> tuple[float, float]:
    """Compute the slope of the loss in the decoder's factor, and that of the surrogate with d fixed."""
    v = _here()

    def surrogate(t: float) -> Array:
        moved = _terms(scale=1 + t)
        return np.asarray(-v.d * moved.b + 0.5 * moved.tau**2 * square(moved.e))

    return _slope(lambda t: _loss(_terms(scale=1 + t))), _slope(surrogate)


# --- the divergence in the mean over pi and q, as a function of the precision ---


@cache
def _divergence(tau: float) -> float:
    """Compute the divergence between the joints by its definition."""
    toy = Toy(gamma=1 / tau, x_nodes=24, z_nodes=30)
    latent = toy.expect(lambda x, z: (toy.latent_score_q(x, z) - toy.latent_score_p(x, z)) ** 2)
    data = toy.expect(lambda x, z: square(toy.score_pi(x) + toy.score_q(x, z) - toy.score_p(x, z)))
    return float(0.5 * (latent + data))


@cache
def _moments() -> tuple[float, float, float]:
    """Compute ``E[c0 . b0], E|b0|^2, A``."""
    toy = Toy(x_nodes=24, z_nodes=30)

    def b0(x: Array, z: Array) -> Array:
        return dot(toy.dg(z), x - toy.g(z))

    return (
        float(toy.expect(lambda x, z: (toy.latent_score_q(x, z) + z) * b0(x, z))),
        float(toy.expect(lambda x, z: b0(x, z) ** 2)),
        float(toy.expect(lambda x, z: square(x - toy.g(z)))),
    )


def _change() -> tuple[float, float]:
    """Compute the change of the divergence from tau = 0.6 to tau = 1.9, by definition and by the moments."""
    cb, bb, a = _moments()
    found = 0.5 * (bb + a) * (1.9**2 - 0.6**2) - (cb + _D_X) * (1.9 - 0.6)
    return _divergence(1.9) - _divergence(0.6), found


def _vertex() -> tuple[float, float]:
    """Compute the tau of the least divergence from three values of the parabola, and by the moments."""
    at = [0.6, 1.2, 1.9]
    curve, slope, _ = np.polyfit(at, [_divergence(tau) for tau in at], 2)
    cb, bb, a = _moments()
    return float(-slope / (2 * curve)), (cb + _D_X) / (bb + a)


PROOFS: Proofs = {
    "engine-joint-fisher-gradient": (
        Step(
            r"d = c_0 - b, \; c_0 = z - \tfrac{\epsilon}{s}, \; b = \nabla_z \log p(x|z): \quad "
            r"\partial_z d = I - H",
            "H, the Hessian of log p(x|z), is the Jacobian of b; eps and s are held fixed while z moves.",
            lambda: (_slope(lambda t: _at(_here().z + t).d), float(1 - _here().H)),
            kind="finite differences",
        ),
        Step(
            r"\nabla_z \tfrac12 |d|^2 = d - H d, \quad \nabla_z \tfrac12 \tau^2 |e|^2 = \tau^2 J_g^T e = "
            r"-\tau b",
            "H is symmetric, and b = -tau J'e because e = g - x.",
            lambda: (
                _slope(lambda t: 0.5 * _at(_here().z + t).tau ** 2 * square(_at(_here().z + t).e)),
                float(-_here().tau * _here().b),
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_z L = d - \tau b - H d, \quad \nabla_\mu L = \nabla_z L",
            "The sum of both; mu moves z and nothing else.",
            lambda: (_slope(lambda t: _loss(_terms(mu=_MU + t))), float(_here().in_z)),
            kind="finite differences",
        ),
        Step(
            r"\nabla_s L = \epsilon \nabla_z L + d\, \partial_s ( -\tfrac{\epsilon}{s} ) = \epsilon "
            r"\nabla_z L "
            r"+ \frac{d \epsilon}{s^2}",
            "The scale s moves z by eps, and occurs in c_0 by itself.",
            lambda: (
                _slope(lambda t: _loss(_terms(s=_S + t))),
                float(_EPS * _here().in_z + _here().d * _EPS / _S**2),
            ),
            kind="finite differences",
        ),
        Step(
            r"\partial_l \tau = -2 \tau, \; \partial_l b = -2 b \implies \partial_l L = 2 d \cdot b - 2 \tau "
            r"(\tau |e|^2 - d_x)",
            "Because tau = exp(-2 l), and b is linear in tau.",
            lambda: (
                _slope(lambda t: _loss(_terms(log_sd=_L + t))),
                float(2 * _here().d * _here().b - 2 * _here().tau * (_here().tau * square(_here().e) - _D_X)),
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_\theta L = -d \cdot \nabla_\theta b + \tfrac12 \tau^2 \nabla_\theta |e|^2 "
            r"= \nabla_\theta (-d \cdot b + \tfrac12 \tau^2 |e|^2)",
            "Of d only b depends on theta; so d may be held where it is in the product.",
            _in_theta,
            kind="finite differences",
        ),
    ),
    "engine-optimal-gamma-joint": (
        Step(
            r"b = \tau b_0, \; s^p = \tau (g - x): \quad \tfrac12 E |d|^2 = \tfrac12 E |c_0|^2 - \tau "
            r"E[c_0 \cdot "
            r"b_0] + \tfrac12 \tau^2 E |b_0|^2, \quad M_1 = \tfrac12 \tau^2 A - \tau d_x",
            "The square of d = c_0 - tau b_0 is expanded; M1 by (8).",
        ),
        Step(
            r"D_F[q \pi \| p] = \tfrac12 \tau^2 ( E|b_0|^2 + A ) - \tau ( E[c_0 \cdot b_0] + d_x ) + "
            r"\text{const}",
            "By (7), the joint divergence is the sum of both and of terms that are free of the precision.",
            _change,
        ),
        Step(
            r"\tau ( E|b_0|^2 + A ) - ( E[c_0 \cdot b_0] + d_x ) = 0",
            "The slope of the parabola in tau vanishes at its minimum, as E|b_0|^2 + A > 0.",
        ),
        Step(
            r"\frac{1}{\gamma^*} = \frac{E[c_0 \cdot b_0] + d_x}{E|b_0|^2 + A}",
            "Solved for tau = 1/gamma, which has to be positive; else the divergence falls as gamma grows.",
            _vertex,
        ),
    ),
}
