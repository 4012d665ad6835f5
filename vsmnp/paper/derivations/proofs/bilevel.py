"""Derive the hypergradient of bi-level updates by the chain rule, and its limit by a geometric series."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....objectives import KL, M2
from ....types import Array
from ..evidence import derivative, gradient
from ..examples.engine import EngineExample
from ..examples.linear_engine import LinearVAE
from ..examples.linear_modes import data_of
from ..examples.moments import evaluate
from ..examples.unrolled import Unrolled
from ..proof import Proofs, Step

# --- two updates of a small VAE: derivatives in theta by differences of the updates themselves ---


@cache
def _two() -> Unrolled:
    return Unrolled(EngineExample.build(2, 1, hidden=(), n=3, gamma=0.4), KL(2), M2(3), steps=2, lr=0.2)


def _after(steps: int, theta: Array) -> Array:
    """Compute ``phi_steps(theta)`` from the engine's gradients."""
    unrolled = _two()
    phi, latents = unrolled.path[0][0], unrolled.path[1]
    for step in range(steps):
        phi = phi - unrolled.lr * unrolled.slope(step, phi, theta, latents[step])
    return phi


@cache
def _moves(steps: int) -> Array:
    """Compute the derivative of ``phi_steps`` in theta, ``(P_e, P_d)``."""
    return gradient(lambda theta: _after(steps, theta), _two().theta)


@cache
def _total() -> Array:
    return gradient(_two().loss, _two().theta)


def _backwards() -> tuple[list[Array], list[Array]]:
    """Compute ``lambda_2, lambda_1, lambda_0`` and ``G_2, G_1, G_0`` by the recursion."""
    unrolled = _two()
    adjoint, g = unrolled.last
    adjoints, gs = [adjoint], [g]
    for in_phi, in_theta in zip(*map(reversed, unrolled.matrices), strict=True):
        gs.append(gs[-1] - unrolled.lr * (adjoints[-1] @ in_theta))
        adjoints.append(adjoints[-1] - unrolled.lr * (adjoints[-1] @ in_phi))
    return adjoints, gs


def _second_move() -> tuple[Array, Array]:
    unrolled = _two()
    in_phi, in_theta = (each[1] for each in unrolled.matrices)
    return _moves(2), _moves(1) - unrolled.lr * (in_phi @ _moves(1) + in_theta)


def _one_back() -> tuple[Array, Array]:
    adjoints, gs = _backwards()
    return gs[0] + adjoints[0] @ _moves(2), gs[1] + adjoints[1] @ _moves(1)


# --- the limit: a linear VAE with orthogonal columns, a change of theta that keeps them orthogonal ---

_AXES = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 2)))[0]
_DATA = data_of(np.array([0.4, -0.2, 0.1]), np.diag([1.3, 0.8, 1.1])) @ np.array(
    [[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.2, 0.1, 1.0]]
)
_ETA, _K = 0.05, 4


@cache
def _vae(t: float = 0.0) -> LinearVAE:
    """Build the model at theta + t v with its exact posterior; v widens the columns, the mean and gamma."""
    jacobian, bias = _AXES * (np.array([1.1, 0.8]) + t * np.array([1.0, -0.5])), np.array([0.5, -0.3, 0.2])
    return LinearVAE.of(jacobian, bias * (1 + 0.7 * t), 0.6 * float(np.exp(t)), _DATA).with_exact_posterior()


@cache
def _limit(steps: int = 1) -> Unrolled:
    return Unrolled(_vae().example, KL(_vae().samples), M2(_vae().samples), steps, _ETA)


@cache
def _direction() -> Array:
    """Compute v, the derivative in t of the used entries of theta, ``(P_d,)``."""
    return derivative(lambda t: Unrolled(_vae(t).example, KL(4), M2(4), 1, _ETA).theta)


def _exact_phi(t: float) -> Array:
    """Compute the encoder of the exact posterior at theta + t v, ``(P_e,)``."""
    return Unrolled(_vae(t).example, KL(4), M2(4), 1, _ETA).path[0][0]


def _parts() -> tuple[Array, Array, Array, Array]:
    """Return the gradients of M2 in theta and in phi, H and C."""
    in_phi, in_theta = _limit().matrices
    at_once = _limit(0)
    return at_once.last[1], at_once.last[0], in_phi[0], in_theta[0]


def _series() -> tuple[Array, Array]:
    """Compute both sides of the geometric sum, applied to the gradient in phi."""
    _, in_phi, h, _ = _parts()
    step = np.eye(len(h)) - _ETA * h
    powers = [np.linalg.matrix_power(step, j) @ in_phi for j in range(_K)]
    rest = np.linalg.matrix_power(step, _K) @ in_phi
    return _ETA * np.sum(powers, 0), np.linalg.solve(h, in_phi - rest)


def _of_k_updates() -> Array:
    in_theta, _, _, c = _parts()
    return np.asarray(in_theta - c.T @ _series()[1])


def _m2(t: float) -> float:
    return float(evaluate(_vae(t).example, M2(_vae().samples)).loss[0])


def _marginal(t: float) -> float:
    """Compute ``E |grad log p|^2/2 + div grad log p`` from the covariance of the Gaussian p(x)."""
    score, divergence = _vae(t).marginal_score()
    return float(0.5 * (score**2).sum(-1).mean() + divergence)


PROOFS: Proofs = {
    "engine-bilevel": (
        Step(
            r"\tfrac{d}{d\theta} M(\phi_K(\theta), \theta) = \nabla_\theta M + \nabla_\phi M\, "
            r"\partial_\theta \phi_K = G_K + \lambda_K\, \partial_\theta \phi_K",
            "The chain rule: theta enters M itself and through the last phi.",
            lambda: (_total(), _backwards()[1][0] + _backwards()[0][0] @ _moves(2)),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\partial_\theta \phi_{k+1} = (I - \eta\, \partial_\phi \nabla_\phi L)\, \partial_\theta \phi_k "
            r"- \eta\, \partial_\theta \nabla_\phi L",
            "The update is differentiated; its gradient depends on phi_k and on theta itself.",
            _second_move,
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"G_{k+1} + \lambda_{k+1} \partial_\theta \phi_{k+1} = \underbrace{G_{k+1} - \eta \lambda_{k+1} "
            r"\partial_\theta \nabla_\phi L}_{G_k} + \underbrace{\lambda_{k+1} (I - \eta\, \partial_\phi "
            r"\nabla_\phi L)}_{\lambda_k} \partial_\theta \phi_k",
            "The second line is inserted; the sum is the same for every k, by induction from K down to 0.",
            _one_back,
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\partial_\theta \phi_0 = 0 \implies \tfrac{d}{d\theta} M(\phi_K(\theta), \theta) = G_0, \quad "
            r"G_k = G_{k+1} - \eta \lambda_{k+1} \partial_\theta \nabla_\phi L, \quad "
            r"\lambda_k = \lambda_{k+1} - \eta \lambda_{k+1} \partial_\phi \nabla_\phi L",
            "The updates start at a phi_0 that does not depend on theta.",
            lambda: (_total(), _backwards()[1][2]),
            tolerance=1e-8,
            kind="finite differences",
        ),
    ),
    "engine-bilevel-limit": (
        Step(
            r"\nabla_\phi L(\phi_0, \theta) = 0 \implies \phi_1 = \dots = \phi_K = \phi_0",
            "The exact posterior minimises the KL divergence, so no update moves phi, and every update has "
            "the same H and C.",
            lambda: (_limit(_K).path[0][-1], _limit(_K).path[0][0]),
        ),
        Step(
            r"\lambda_k = (I - \eta H)^{K - k} \nabla_\phi M, \quad "
            r"G_0 = \nabla_\theta M - \eta\, C^T \sum_{j=0}^{K-1} (I - \eta H)^j \nabla_\phi M",
            "The recursion (engine-bilevel) with one symmetric H and one C.",
            lambda: (_limit(_K).of_the_engine(), _parts()[0] - _parts()[3].T @ _series()[0]),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\eta \sum_{j=0}^{K-1} (I - \eta H)^j = H^{-1} [ I - (I - \eta H)^K ]",
            "The geometric series, multiplied by I - (I - eta H) = eta H to see it.",
            _series,
            kind="closed form",
        ),
        Step(
            r"G = \nabla_\theta M_2 - C^T H^{-1} [ I - (I - \eta H)^K ] \nabla_\phi M_2",
            "The sum is inserted, with M2 for M.",
            lambda: (_limit(_K).of_the_engine(), _of_k_updates()),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"H\, \partial_\theta \phi^* + C = 0 \implies \partial_\theta \phi^* = -H^{-1} C",
            "The gradient of KL vanishes at the exact posterior phi*(theta) of every theta; this is the "
            "derivative of that equation.",
            lambda: (derivative(_exact_phi), -np.linalg.solve(_parts()[2], _parts()[3] @ _direction())),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"(I - \eta H)^K \to 0 \implies G \to \nabla_\theta M_2 + (\partial_\theta \phi^*)^T "
            r"\nabla_\phi M_2 "
            r"= \tfrac{d}{d\theta} M_2(\phi^*(\theta), \theta)",
            "The eigenvalues 1 - eta h are between -1 and 1; then the chain rule.",
            lambda: (
                _direction() @ (_parts()[0] - _parts()[3].T @ np.linalg.solve(_parts()[2], _parts()[1])),
                derivative(_m2),
            ),
            tolerance=1e-8,
            kind="finite differences",
        ),
        Step(
            r"\tfrac{d}{d\theta} M_2(\phi^*(\theta), \theta) = \nabla_\theta D_F[\pi \| p]",
            "With the exact posterior M2 is the marginal divergence up to a constant, at every theta: (12).",
            lambda: (derivative(_m2), derivative(_marginal)),
            tolerance=1e-8,
            kind="finite differences",
        ),
    ),
}
