"""Derive the gradients of the posterior Fisher divergence, with z fixed, weighted and reparametrised."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....types import Array
from ..evidence import derivative, gradient, gradient_in
from ..examples.engine import EngineExample
from ..examples.target import Q, TiltedPosterior, nodes
from ..proof import Proofs, Step

_TARGET = TiltedPosterior(ripple=0.4)
_S = float(Q[1])


@cache
def _here() -> tuple[Array, Array, Array, Array]:
    """Return eps, weights and d at the nodes of q, and H d, H the Hessian of log p(x|z)."""
    eps, w, z = nodes(Q)
    d = _TARGET.difference(z, Q)
    return eps, w, d, (_TARGET.curvature(z) + 1) * d


def _means() -> Array:
    """Compute ``E d`` and ``E[d eps]``, ``(2,)``."""
    eps, w, d, _ = _here()
    return np.array([w @ d, w @ (d * eps)])


def _slopes_at_fixed_z() -> tuple[Array, Array]:
    """Compute the derivatives of d in (mu, s), z fixed, by differences and by the formula."""
    eps, _, z = nodes(Q)
    found = gradient(lambda q: _TARGET.difference(z, q), Q, 4e-4)
    return found, np.stack([0 * eps + 1 / _S**2, 2 * eps / _S**2], -1)


def _fisher_at_fixed_z(weight: float = 1.0) -> Array:
    """Compute ``E_q`` of the slopes of ``weight |d|^2/2`` in (mu, s), z and the weight held fixed."""
    _, w, z = nodes(Q)
    return np.asarray(w @ gradient(lambda q: weight * _TARGET.half_square(z, q), Q, 4e-4))


def _slopes_along_path() -> tuple[Array, Array]:
    """Compute the derivatives of d at a few eps in (mu, s), by differences and by the formula."""
    eps, (mu, s) = np.array([-1.3, 0.2, 0.9]), Q
    z = mu + s * eps
    found = gradient(lambda q: _TARGET.difference(q[0] + q[1] * eps, q), Q, 4e-4)
    turn = -_TARGET.curvature(z)  # 1 - H
    return found, np.stack([turn, turn * eps + eps / s**2], -1)


def _reparametrised() -> tuple[Array, Array]:
    """Compute the gradient of the divergence by differences, and by the formula."""
    eps, w, d, hd = _here()
    c = d - hd
    return gradient(_TARGET.fisher, Q, 4e-4), np.array([w @ c, w @ (c * eps + d * eps / _S**2)])


# --- one tangent sweep of the engine's decoder ---


@cache
def _points() -> tuple[EngineExample, Array, Array]:
    """Return an example of four data, and points z and directions d, ``(4, 3)``."""
    return EngineExample.build(d_x=2, d_z=3, n=4), *np.random.default_rng(5).standard_normal((2, 4, 3))


def _jacobian(z: Array) -> Array:
    return gradient_in(_points()[0].g, z, 2e-3)


def _residual(z: Array) -> Array:
    """Compute ``v = (x - g)/gamma``."""
    example = _points()[0]
    return np.asarray((example.data - example.g(z)) / example.gamma)


def _back(j: Array, v: Array) -> Array:
    return np.asarray(np.einsum("nxz,nx->nz", j, v))


def _residual_along() -> tuple[Array, Array]:
    example, z, d = _points()
    return derivative(lambda t: _residual(z + t * d)), -np.einsum(
        "nxz,nz->nx", _jacobian(z), d
    ) / example.gamma


def _backward_along() -> tuple[Array, Array]:
    """Compute the derivative of the engine's backward sweep along d, and by the product rule."""
    example, z, d = _points()
    found = derivative(lambda t: example.likelihood_score((z + t * d)[None])[0])
    turned = derivative(lambda t: _jacobian(z + t * d), 2e-3)
    return found, _back(turned, _residual(z)) + _back(_jacobian(z), _residual_along()[1])


def _gradient_of_likelihood() -> tuple[Array, Array]:
    example, z, _ = _points()
    return gradient_in(example.log_likelihood, z), _back(_jacobian(z), _residual(z))


def _hessian() -> tuple[Array, Array]:
    example, z, d = _points()
    found = derivative(lambda t: gradient_in(example.log_likelihood, z + t * d, 2e-3), 2e-3)
    turned = derivative(lambda t: _jacobian(z + t * d), 2e-3)
    return found, _back(turned, _residual(z)) + _back(_jacobian(z), _residual_along()[1])


_AT_FIXED_Z = Step(
    r"d = -\tfrac{z - \mu}{s^2} - \nabla_z \log p(z|x): \quad \partial_\mu d = \tfrac{1}{s^2}, \quad "
    r"\partial_s d = \tfrac{2 (z - \mu)}{s^3} = \tfrac{2 \epsilon}{s^2}",
    "With z fixed, the parameters enter through the score of q alone; the target does not move.",
    _slopes_at_fixed_z,
    kind="finite differences",
)
_PATH = Step(
    r"\nabla_\mu D_{KL} = E_q d, \quad \nabla_s D_{KL} = E_q [ d\, \epsilon ]",
    "KL is the mean over eps of log q/p at z = mu + s eps; the direct derivative of log q in its "
    "parameters is "
    "a score, whose mean is 0.",
    lambda: (gradient(_TARGET.kl, Q), _means()),
    kind="finite differences",
)

PROOFS: Proofs = {
    "engine-fisher-information": (
        _AT_FIXED_Z,
        Step(
            r"\nabla^b_{(\mu, s)} D_F = E_q [ d\, \partial d ] = \Bigl( \tfrac{1}{s^2} E_q d, \; "
            r"\tfrac{2}{s^2} "
            r"E_q [ d\, \epsilon ] \Bigr)",
            "The chain rule for |d|^2/2, the samples held fixed.",
            lambda: (_fisher_at_fixed_z(), _means() * np.array([1, 2]) / _S**2),
            kind="finite differences",
        ),
        _PATH,
        Step(
            r"\nabla^b_{(\mu, s)} D_F = \left( \tfrac1{s^2} \nabla_\mu D_{KL}, \; \tfrac2{s^2} \nabla_s "
            r"D_{KL} "
            r"\right)",
            "The same two means. The factors are the Fisher information of N(mu, s^2) in mu and in s.",
            lambda: (_fisher_at_fixed_z(), gradient(_TARGET.kl, Q) * np.array([1, 2]) / _S**2),
            tolerance=1e-8,
            kind="finite differences",
        ),
    ),
    "engine-covariance-weight": (
        _AT_FIXED_Z,
        Step(
            r"\nabla^b_{(\mu, s)} \tfrac12 E_q |s \odot d|^2 = E_q [ s^2 d\, \partial d ] = ( E_q d, \; 2 "
            r"E_q [ d\, "
            r"\epsilon ] )",
            "The weight s^2 is held fixed like the samples; it cancels the 1/s^2 of both derivatives.",
            lambda: (_fisher_at_fixed_z(_S**2), _means() * np.array([1, 2])),
            kind="finite differences",
        ),
        _PATH,
        Step(
            r"\nabla^b_{(\mu, s)} \tfrac12 E_q \left| s \odot \nabla_z \log \tfrac{q(z|x)}{p(z|x)} \right|^2 "
            r"= ( \nabla_\mu D_{KL}, \; 2 \nabla_s D_{KL} )",
            "The two means are the gradients of KL. Each holds sample by sample for the path gradient.",
            lambda: (_fisher_at_fixed_z(_S**2), gradient(_TARGET.kl, Q) * np.array([1, 2])),
            tolerance=1e-8,
            kind="finite differences",
        ),
    ),
    "engine-fd-reparametrised": (
        Step(
            r"d = -\tfrac{\epsilon}{s} + z - b(z), \; z = \mu + s \epsilon, \; b = \nabla_z \log p(x|z): "
            r"\quad "
            r"\partial_\mu d = 1 - H, \quad \partial_s d = (1 - H) \epsilon + \tfrac{\epsilon}{s^2}",
            "The prior N(0, I) gives the z, and H is the Jacobian of b; s occurs in -eps/s by itself too.",
            _slopes_along_path,
            tolerance=1e-7,
            kind="finite differences",
        ),
        Step(
            r"\nabla_{(\mu, s)} \tfrac12 |d|^2 = \bigl( (1 - H) d, \; (1 - H) d\, \epsilon + \tfrac{d "
            r"\epsilon}{s^2} "
            r"\bigr)",
            "The chain rule; H is symmetric.",
        ),
        Step(
            r"\nabla_{(\mu, s)} D_F = E_\epsilon \left( c, \; c \epsilon + \tfrac{d \epsilon}{s^2} "
            r"\right), \quad "
            r"c = d - H d",
            "The law of eps does not depend on mu and s, so the mean and the derivative commute: H is "
            "smooth.",
            _reparametrised,
            tolerance=1e-7,
            kind="finite differences",
        ),
    ),
    "engine-hessian-direction": (
        Step(
            r"b = \nabla_z \log p(x|z) = J^T v, \quad v = \tfrac{x - g}{\gamma}",
            "The gradient of -|x - g|^2/(2 gamma): the decoder's backward sweep with the cotangent v.",
            _gradient_of_likelihood,
            kind="finite differences",
        ),
        Step(
            r"\dot v = \partial_d v = -\tfrac1\gamma J d",
            "The tangent of g along d is J d, and x does not move.",
            _residual_along,
            kind="finite differences",
        ),
        Step(
            r"\partial_d [J^T v] = (\partial_d J)^T v + J^T \dot v",
            "The product rule; this is what the tangent of the backward sweep computes, given the tangent "
            "of its "
            "cotangent, (engine-chain).",
            _backward_along,
            tolerance=1e-7,
            kind="finite differences",
        ),
        Step(
            r"\dot v = -\tfrac1\gamma J d \implies \partial_d [J^T v] = \partial_d b = H d, \quad "
            r"H = \nabla_z^2 \log p(x|z)",
            "The derivative of the gradient along d is the Hessian times d.",
            _hessian,
            tolerance=1e-7,
            kind="finite differences",
        ),
    ),
}
