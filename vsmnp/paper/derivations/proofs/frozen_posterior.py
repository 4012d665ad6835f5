"""Derive the fixed points of linear VAEs whose q is the posterior of the truth, mode by mode."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....objectives import M2, M3
from ....types import Array
from ..examples.linear_engine import LinearVAE
from ..examples.linear_modes import Modes, data_of, held
from ..examples.moments import evaluate
from ..proof import Proofs, Step

_W, _GAMMA, _D_X, _C = np.array([2.0, 1.6]), 0.4, 5, 2
_MODES = Modes.of_truth((2.0, 1.6), _GAMMA, d_x=_D_X)
_LAMBDA = _W**2 + _GAMMA


@cache
def _truth() -> LinearVAE:
    return _MODES.vae(_W, _GAMMA)


def _error(w: Array) -> float:
    """Compute ``E (B + 2 T)`` of a decoder of widths w from the engine's M2 at two precisions."""
    one, four = (
        Modes.loss(M2(_truth().samples), held(_truth(), _MODES.vae(w, gamma))) for gamma in (1.0, 0.25)
    )
    return (four - 4 * one) / 6  # tau^2 a/2 - tau d_x at tau = 1 and tau = 4


def _expanded(w: Array) -> float:
    """Compute the same error by the modes, from the mean and the variance of q in each."""
    gain, spread = _W / _LAMBDA, _GAMMA / _LAMBDA
    modes = (w * gain - 1) ** 2 * _LAMBDA + _C * w**2 * spread
    return float(modes.sum() + (_D_X - 2) * _GAMMA)


def _collected(w: Array) -> float:
    modes = ((w * _W - _LAMBDA) ** 2 + _C * _GAMMA * w**2) / _LAMBDA
    return float(modes.sum() + (_D_X - 2) * _GAMMA)


def _shrunk() -> Array:
    return _W * _LAMBDA / (_C * _GAMMA + _W**2)


def _least_width() -> float:
    """Compute the first width at which the engine's M2 is least, from three values of the parabola."""
    at = np.array([1.0, 1.7, 2.4])
    curve, slope, _ = np.polyfit(at, [_error(np.array([w, 1.2])) for w in at], 2)
    return float(-slope / (2 * curve))


def _best_gamma() -> float:
    return float(_GAMMA * (1 + (_C - 1) / _D_X * (_W**2 / (_C * _GAMMA + _W**2)).sum()))


# --- M3: the field psi(x) = Psi x, for data of mean 0 ---

_S = np.array([[1.4, 0.5, -0.2], [0.5, 0.9, 0.1], [-0.2, 0.1, 0.7]])
_PSI = np.random.default_rng(4).standard_normal((3, 3))


def _field_loss() -> tuple[float, float]:
    """Compute the engine's M3 of the truth's encoder with another decoder, and the loss of its field."""
    moving = held(_truth(), _MODES.vae(np.array([1.2, 0.9]), 0.7))
    jacobian = moving.jacobian @ _truth().to_mean
    psi = (jacobian - np.eye(_D_X)) / 0.7
    shift = psi @ (_MODES.mean + 0 * moving.bias) + (moving.bias - jacobian @ _truth().bias) / 0.7
    covariance = _truth().covariance
    trace = 0.5 * np.trace(psi @ covariance @ psi.T) + np.trace(psi) + 0.5 * shift @ shift
    return Modes.loss(M3(4), moving), float(trace)


def _completed() -> tuple[float, float]:
    inverse = np.linalg.inv(_S)
    off = _PSI + inverse
    return (
        float(0.5 * np.trace(_PSI @ _S @ _PSI.T) + np.trace(_PSI)),
        float(0.5 * np.trace(off @ _S @ off.T) - 0.5 * np.trace(inverse)),
    )


def _unreached() -> tuple[Array, Array]:
    """Compute ``A x`` and ``S^-1 x`` in the directions that W does not reach, and 0 and ``x/gamma``."""
    x = _MODES.axes[:, 2:]
    found = np.vstack([_truth().to_mean @ x, np.linalg.solve(_truth().covariance, x)])
    return found, np.vstack([np.zeros((2, 3)), x / _GAMMA])


@cache
def _more_latents() -> LinearVAE:
    """Build a model of three latents and two data dimensions, with its data."""
    jacobian = np.random.default_rng(8).standard_normal((2, 3))
    root = np.linalg.cholesky(jacobian @ jacobian.T + 0.5 * np.eye(2))
    return LinearVAE.of(
        jacobian, np.array([0.4, -0.3]), 0.5, data_of(np.array([0.4, -0.3]), root)
    ).with_exact_posterior()


def _along_the_ray() -> tuple[list[float], list[float]]:
    """Compute the engine's M3 with the decoders of three gamma, and its least value."""
    frozen = _more_latents()
    inverse = np.linalg.inv(frozen.covariance)
    losses = []
    for gamma in (0.2, 0.5, 0.9):
        decoder = (np.eye(2) - gamma * inverse) @ np.linalg.pinv(frozen.to_mean)
        moving = LinearVAE.of(decoder, frozen.bias, gamma, frozen.example.data)
        losses.append(float(evaluate(held(frozen, moving).example, M3(frozen.samples)).loss[0]))
    return losses, [-0.5 * float(np.trace(inverse))] * 3


PROOFS: Proofs = {
    "engine-frozen-posterior": (
        Step(
            r"E M = \tfrac{1}{2 \gamma'^2} E ( B + c T ) - \tfrac{d_x}{\gamma'}",
            "By (engine-one-family): only c distinguishes the objectives.",
        ),
        Step(
            r"E ( B + c T ) = (d_x - d_z) \gamma + \sum \Bigl[ \Bigl( \tfrac{w' w}{w^2 + \gamma} - 1 "
            r"\Bigr)^2 "
            r"(w^2 + \gamma) + c\, w'^2 \tfrac{\gamma}{w^2 + \gamma} \Bigr]",
            "In the direction of a column the data have the variance w^2 + gamma, and q has the mean "
            "x w/(w^2 + gamma) and the variance gamma/(w^2 + gamma).",
            lambda: (_error(np.array([1.3, 0.7])), _expanded(np.array([1.3, 0.7]))),
        ),
        Step(
            r"= (d_x - d_z) \gamma + \sum \frac{(w' w - w^2 - \gamma)^2 + c \gamma w'^2}{w^2 + \gamma}",
            "One fraction for each mode.",
            lambda: (_expanded(np.array([1.3, 0.7])), _collected(np.array([1.3, 0.7]))),
            kind="closed form",
        ),
        Step(
            r"\partial_{w'}: \quad w (w' w - w^2 - \gamma) + c \gamma w' = 0 "
            r"\iff w' = w\, \tfrac{\gamma + w^2}{c \gamma + w^2}",
            "A parabola in w', whatever gamma' is; q is held fixed.",
            lambda: (_least_width(), _shrunk()[0]),
        ),
        Step(
            r"(w' w - w^2 - \gamma)^2 + c \gamma w'^2 = c \gamma\, \tfrac{(\gamma + w^2)^2}{c \gamma + w^2}",
            "At this w' the first bracket is -c gamma (gamma + w^2)/(c gamma + w^2); the sum has the factor "
            "c gamma + w^2.",
            lambda: (
                (_shrunk() * _W - _LAMBDA) ** 2 + _C * _GAMMA * _shrunk() ** 2,
                _C * _GAMMA * _LAMBDA**2 / (_C * _GAMMA + _W**2),
            ),
            kind="closed form",
        ),
        Step(
            r"\gamma' = \tfrac{1}{d_x} E ( B + c T ) = \tfrac{1}{d_x} \Bigl[ (d_x - d_z) \gamma + \sum "
            r"c \gamma\, \tfrac{\gamma + w^2}{c \gamma + w^2} \Bigr]",
            "By (engine-optimal-gamma), with the last line inserted.",
            lambda: (
                _error(_shrunk()) / _D_X,
                float(((_D_X - 2) * _GAMMA + (_C * _GAMMA * _LAMBDA / (_C * _GAMMA + _W**2)).sum()) / _D_X),
            ),
        ),
        Step(
            r"w' = w \, \tfrac{\gamma + w^2}{c \gamma + w^2}, \quad "
            r"\gamma' = \gamma \Bigl( 1 + \tfrac{c - 1}{d_x} \sum \tfrac{w^2}{c \gamma + w^2} \Bigr)",
            "Because c (gamma + w^2)/(c gamma + w^2) = 1 + (c - 1) w^2/(c gamma + w^2) in each of the "
            "d_z modes.",
            lambda: (_error(_shrunk()) / _D_X, _best_gamma()),
        ),
    ),
    "engine-frozen-posterior-m3": (
        Step(
            r"E M_3 = \tfrac12 E |\psi|^2 + \nabla \cdot \psi = \tfrac12 \operatorname{tr} ( \Psi S \Psi^T ) "
            r"+ \operatorname{tr} \Psi + \tfrac12 |E \psi|^2, \quad \Psi = \tfrac{R - I}{\gamma'}",
            "By (engine-m3-field); r(x) = E_q g(z) is linear in x, with the Jacobian R, and so is psi.",
            _field_loss,
        ),
        Step(
            r"\tfrac12 \operatorname{tr} ( \Psi S \Psi^T ) + \operatorname{tr} \Psi = \tfrac12 "
            r"\operatorname{tr} "
            r"[ (\Psi + S^{-1}) S (\Psi + S^{-1})^T ] - \tfrac12 \operatorname{tr} S^{-1}",
            "The square is completed, S being symmetric.",
            _completed,
            kind="closed form",
        ),
        Step(
            r"\Psi = -S^{-1} \iff R = I - \gamma' S^{-1}",
            "The first trace is positive unless its matrix is zero; the bias of the decoder makes E psi = 0.",
        ),
        Step(
            r"R = W' A, \; A = P^{-1} W^T / \gamma: \quad W^T x = 0 \implies 0 = W' A x = R x = x - \gamma' "
            r"S^{-1} x = \bigl( 1 - \tfrac{\gamma'}{\gamma} \bigr) x \implies \gamma' = \gamma",
            "In a direction that no latent reaches, which exists for d_x > d_z, q's mean does not depend "
            "on x, "
            "and S = W W' + gamma I has the variance gamma.",
            _unreached,
            kind="closed form",
        ),
        Step(
            r"W' A = I - \gamma S^{-1} = W A \implies W' = W",
            "The truth solves the equation, by S^-1 = (I - W A)/gamma, and A has full row rank.",
            lambda: (
                np.eye(_D_X) - _GAMMA * np.linalg.inv(_truth().covariance),
                _truth().jacobian @ _truth().to_mean,
            ),
            kind="closed form",
        ),
        Step(
            r"d_x \le d_z: \quad W' = (I - \gamma' S^{-1}) A^+ \text{ has } W' A = I - \gamma' S^{-1} "
            r"\text{ and "
            r"} E M_3 = -\tfrac12 \operatorname{tr} S^{-1} \text{ for every } \gamma'",
            "Here A has full column rank, so A^+ A = I, and a decoder exists for any gamma'.",
            _along_the_ray,
        ),
    ),
}
