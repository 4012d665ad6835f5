"""Derive the gradients of Algorithm 1, and the sign of its updates."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import derivative, gradient
from ..examples.moments import FEW, ScaledToy, toy_scores
from ..examples.target import Q, TiltedPosterior, nodes
from ..examples.toy import dot, square
from ..proof import Proofs, Step

_TARGET = TiltedPosterior()
_NOISE, _W, _Z = nodes(Q)
_S = float(Q[1])


def _mean(*parts: Array) -> Array:
    return np.stack([_W @ part for part in parts])


def _kl_gradient() -> Array:
    """Compute the gradient in (mu, s) by the formula, the score of the target by differences."""
    score = _TARGET.score(_Z)
    return _mean(-score, -_NOISE * score - 1 / _S)


def _d() -> Array:
    return _TARGET.difference(_Z, Q)


# --- M1 in theta: the scale of the toy's decoder and gamma ---

_THETA = np.array([0.9, 0.5])  # scale and gamma
_DIRECTION = np.array([0.7, -0.4])


def _toy(theta: Array) -> ScaledToy:
    return ScaledToy(gamma=float(theta[1]), scale=float(theta[0]))


def _m1(theta: Array) -> float:
    return float(toy_scores(_toy(theta)).m1.mean())


def _m1_integrand(theta: Array, x: Array, z: Array) -> Array:
    """Compute ``|x - g|^2/(2 gamma^2) - d_x/gamma`` at given z."""
    toy = _toy(theta)
    return np.asarray(square(x - toy.g(z)) / (2 * toy.gamma**2) - toy.d_x / toy.gamma)


def _slope_at(x: Array, z: Array) -> Array:
    """Compute the slope of the integrand along the direction at given z, by the formula."""
    toy, (dscale, dgamma) = _toy(_THETA), _DIRECTION
    error = toy.g(z) - x
    in_g = dot(error, dscale * ScaledToy().g(z)) / toy.gamma**2
    in_gamma = -square(error) / toy.gamma**3 + toy.d_x / toy.gamma**2
    return np.asarray(in_g + in_gamma * dgamma)


PROOFS: Proofs = {
    "algorithm-1-kl": (
        Step(
            r"D_{KL}[q \| p(z|x)] = E_\epsilon [ -\log p(z, x) ] - \log s + c(x), \quad z = \mu + s \epsilon",
            "The mean of log q is that of -eps^2 / 2 - log s; log p(x) does not depend on mu and s.",
            lambda: (_TARGET.kl(Q), _W @ -_TARGET.log_joint(_Z) - np.log(_S) - 0.5),
        ),
        Step(
            r"\partial_\mu \log p(z, x) = \nabla_z \log p(z, x), \quad "
            r"\partial_s \log p(z, x) = \epsilon \nabla_z \log p(z, x)",
            "The chain rule: z has the slopes 1 in mu and eps in s, and eps does not move.",
            lambda: (
                gradient(lambda q: _TARGET.log_joint(q[0] + q[1] * _NOISE), Q)[::7],
                np.stack([_TARGET.score(_Z), _NOISE * _TARGET.score(_Z)], -1)[::7],
            ),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\nabla_{(\mu, s)} D_{KL} = E_\epsilon \left( -\nabla_z \log p(z, x), \; "
            r"-\epsilon \nabla_z \log p(z, x) - \tfrac1s \right)",
            "The derivative is taken under the mean over eps, whose density has no parameter.",
            lambda: (gradient(_TARGET.kl, Q), _kl_gradient()),
            kind="finite differences",
        ),
    ),
    "algorithm-1-fd": (
        Step(
            r"d = \nabla_z \log q - \nabla_z \log p(z|x) = -\tfrac{z - \mu}{s^2} - \nabla_z \log p(z, x)",
            "The score of a Gaussian q; log p(x) does not depend on z.",
            lambda: (_d(), -_NOISE / _S - _TARGET.score(_Z)),
            kind="finite differences",
        ),
        Step(
            r"\partial_\mu d = \tfrac1{s^2}, \quad \partial_s d = \tfrac{2 (z - \mu)}{s^3} "
            r"= \tfrac{2 \epsilon}{s^2} \text{ at fixed } z",
            "Only the score of q has parameters; z is held fixed, as a sample is when q is not "
            "reparametrised.",
            lambda: (
                gradient(lambda q: _TARGET.difference(_Z, q), Q)[::7],
                np.stack([np.full(60, 1 / _S**2), 2 * _NOISE / _S**2], -1)[::7],
            ),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\nabla^b_{(\mu, s)} D_F = E_q [ d \, \nabla_{(\mu, s)} d ] "
            r"= E_q \left( \tfrac{d}{s^2}, \; \tfrac{2 \epsilon d}{s^2} \right)",
            "The derivative of d^2 / 2, taken before the mean over q.",
            lambda: (
                _W @ gradient(lambda q: _TARGET.half_square(_Z, q), Q, 4e-4),
                _mean(_d() / _S**2, 2 * _NOISE * _d() / _S**2),
            ),
            kind="finite differences",
        ),
    ),
    "algorithm-1-m1": (
        Step(
            r"M_1 = E_q \left[ \tfrac{|x - g|^2}{2\gamma^2} \right] - \tfrac{d_x}\gamma + c",
            "The expansion (A.2-M1-expansion) with the mean square not split; c is the term in s^q.",
            lambda: (
                toy_scores(_toy(_THETA)).m1,
                _toy(_THETA).expect_q(lambda x, z: _m1_integrand(_THETA, x, z), FEW),
            ),
        ),
        Step(
            r"\tfrac{d}{dt} \tfrac{|x - g|^2}{2\gamma^2} = \tfrac{(g - x) \cdot \dot g}{\gamma^2} "
            r"- \tfrac{|x - g|^2}{\gamma^3} \dot\gamma, \quad "
            r"\tfrac{d}{dt} \left( -\tfrac{d_x}\gamma \right) = \tfrac{d_x}{\gamma^2} \dot\gamma",
            "The chain rule along a direction in theta, at fixed z; g and gamma both depend on theta.",
            lambda: (
                derivative(lambda t: _m1_integrand(_THETA + t * _DIRECTION, FEW, np.array(0.3))),
                _slope_at(FEW, np.array(0.3)),
            ),
            kind="finite differences",
        ),
        Step(
            r"\dot M_1 = E_q \left[ \tfrac{(g - x) \cdot \dot g}{\gamma^2} "
            r"- \tfrac{|x - g|^2}{\gamma^3} \dot\gamma \right] + \tfrac{d_x}{\gamma^2} \dot\gamma",
            "The mean over q, which does not depend on theta.",
            lambda: (
                derivative(lambda t: _m1(_THETA + t * _DIRECTION)),
                _toy(_THETA).expect_q(_slope_at, FEW).mean(),
            ),
            kind="finite differences",
        ),
    ),
    "algorithm-1-direction": (
        Step(
            r"\tfrac{d}{dt} D(\phi + t \Delta\phi) \big|_{t=0} = \nabla_\phi D \cdot \Delta\phi",
            "The chain rule, for any update of small size.",
            lambda: (
                derivative(lambda t: _TARGET.kl(Q + t * np.array([0.3, -0.2]))),
                gradient(_TARGET.kl, Q) @ [0.3, -0.2],
            ),
            kind="finite differences",
        ),
        Step(
            r"\Delta\phi = -\eta \nabla_\phi D: \quad \tfrac{d}{dt} D = -\eta |\nabla_\phi D|^2 \le 0",
            "Inserted for positive eta; with the plus that is printed the divergence would rise.",
            lambda: (
                derivative(lambda t: _TARGET.kl(Q - t * 0.1 * gradient(_TARGET.kl, Q)), 1e-2),
                -0.1 * np.square(gradient(_TARGET.kl, Q)).sum(),
            ),
            kind="finite differences",
        ),
        Step(
            r"\Delta\theta = -\eta \nabla_\theta M_1: \quad \tfrac{d}{dt} M_1 = -\eta |\nabla_\theta M_1|^2 "
            r"\le 0",
            "The same for the learning objective, where gamma is one of the parameters theta.",
            lambda: (
                derivative(lambda t: _m1(_THETA - t * 0.01 * gradient(_m1, _THETA)), 1e-2),
                -0.01 * np.square(gradient(_m1, _THETA)).sum(),
            ),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\Delta\phi \propto -\nabla_\phi D, \qquad \Delta\theta \propto -\nabla_\theta M_1",
            "Both losses are to fall, so that both updates have the sign of descent.",
        ),
    ),
}
