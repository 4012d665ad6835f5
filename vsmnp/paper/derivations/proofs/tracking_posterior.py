"""Derive the fixed points of linear VAEs with the exact posterior of the model, K = 0 and K to infinity."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....objectives import M1, M2, M3
from ....objectives.quadratic import Learning
from ....types import Array
from ..evidence import derivative
from ..examples.linear_modes import Modes
from ..proof import Proofs, Step

_MODES = Modes(active=(5.1, 3.7), rest=(0.2, 0.4, 0.3))
_A, _B, _D_X, _D_Z = np.array(_MODES.active), 0.9, 5, 2
#: Widths and gamma that are no fixed point.
_W, _GAMMA = np.array([1.4, 1.1]), 0.5
_LAMBDA = _W**2 + _GAMMA


@cache
def _slopes(objective: Learning) -> Array:
    """Compute the slopes in (w, l) of the engine's objective, q held at the posterior of the model."""
    return _MODES.slope(objective, _MODES.vae(_W, _GAMMA))


def _loss(objective: Learning, w: Array, gamma: float) -> float:
    """Compute the engine's loss with q = p(z|x) at these widths and gamma."""
    return Modes.loss(objective, _MODES.vae(w, gamma))


def _error(c: float) -> float:
    """Compute ``E (B + c T)`` by the modes."""
    return float(_B + (_A * _GAMMA**2 / _LAMBDA**2 + c * _W**2 * _GAMMA / _LAMBDA).sum())


def _in_modes(c: float, lam: Array, gamma: float) -> float:
    """Compute ``E M`` as a function of the eigenvalues and gamma, q the exact posterior."""
    modes = (_A / lam**2 - c / lam).sum() / 2
    return float(_B / (2 * gamma**2) + modes - (_D_X - c * _D_Z / 2) / gamma)


def _of_the_engine(objective: Learning, lam: Array, gamma: float) -> float:
    return _loss(objective, np.sqrt(lam - gamma), gamma)


def _three_in_modes() -> tuple[list[float], list[float]]:
    """Compare M1, M2 and M3 of the engine with the formula for c = 1 and 2, and with score matching."""
    lam, gamma = np.array([2.3, 1.9]), 0.6
    marginal = float(((_A / lam**2) / 2 - 1 / lam).sum() + _B / (2 * gamma**2) - 3 / gamma)
    found = [_of_the_engine(each, lam, gamma) for each in (M1(4), M2(4), M3(4))]
    return found, [_in_modes(1, lam, gamma), _in_modes(2, lam, gamma), marginal]


def _slopes_at_the_limit() -> tuple[list[float], list[float]]:
    """Compute slopes of the engine's M1, q following, in the first eigenvalue and in gamma, and by hand."""
    lam, gamma = np.array([2.3, 1.9]), 0.6
    first = np.array([1.0, 0.0])
    found = [
        float(derivative(lambda t: _of_the_engine(M1(4), lam + t * first, gamma))),
        float(derivative(lambda t: _of_the_engine(M1(4), lam, gamma + t))),
    ]
    by_hand = [-_A[0] / lam[0] ** 3 + 1 / (2 * lam[0] ** 2), -_B / gamma**3 + (_D_X - _D_Z / 2) / gamma**2]
    return found, list(map(float, by_hand))


def _m3_at_once() -> tuple[Array, Array]:
    """Compute the slopes of the engine's M3 in (w, gamma), q held fixed, and by hand."""
    found = _slopes(M3(4)) / np.array([1, 1, 2 * _GAMMA])  # gamma = exp(2 l)
    in_w = _W / (_GAMMA * _LAMBDA) * (1 - _A / _LAMBDA)
    square = _B + (_A * _GAMMA**2 / _LAMBDA**2).sum()
    in_gamma = -square / _GAMMA**3 + (_D_X - (_W**2 / _LAMBDA).sum()) / _GAMMA**2
    return found, np.append(in_w, in_gamma)


_FOUND = Step(
    r"\gamma = \tfrac{\sum b}{d_x - c d_z}, \quad w^2 = \tfrac{a}{c} - \gamma",
    "The equations of K = 0 for M1 (c = 1), M2 (2) and M3 (1); those of K to infinity for M2 and M3 (1) "
    "and M1 (1/2).",
)

PROOFS: Proofs = {
    "engine-tracking-posterior": (
        Step(
            r"E ( B + c T ) = \sum b + \sum \Bigl[ (w' k - 1)^2 a + c\, w'^2 \tfrac{\gamma}{w^2 + \gamma} "
            r"\Bigr], \quad k = \tfrac{w}{w^2 + \gamma}",
            "In the direction of a column q has the mean k x and the variance gamma/(w^2 + gamma); x has the "
            "variance a. M1 has c = 1, M2 has c = 2, by (engine-one-family).",
            lambda: (
                [_loss(each, _W, _GAMMA) for each in (M1(4), M2(4))],
                [_error(c) / (2 * _GAMMA**2) - _D_X / _GAMMA for c in (1, 2)],
            ),
        ),
        Step(
            r"\tfrac12 \partial_{w'} E ( B + c T ) \big|_{w' = w} = \tfrac{\gamma w}{w^2 + \gamma} "
            r"\Bigl( c - \tfrac{a}{w^2 + \gamma} \Bigr) = 0 \iff w^2 = \tfrac{a}{c} - \gamma",
            "Without bi-level updates q is held fixed in the slope; w k - 1 = -gamma/(w^2 + gamma).",
            lambda: (
                np.concatenate([_slopes(each)[:2] for each in (M1(4), M2(4))]) * _GAMMA**2,
                np.concatenate([_GAMMA * _W / _LAMBDA * (c - _A / _LAMBDA) for c in (1, 2)]),
            ),
        ),
        Step(
            r"d_x \gamma = E ( B + c T ) = \sum b + \sum \tfrac{c \gamma^2 + c \gamma w^2}{w^2 + \gamma} "
            r"= \sum b + c\, d_z \gamma",
            "By (engine-optimal-gamma), with a = c (w^2 + gamma) inserted.",
            lambda: (
                _B + ((2 * _LAMBDA * _GAMMA**2 / _LAMBDA**2) + 2 * _W**2 * _GAMMA / _LAMBDA).sum(),
                _B + 2 * _D_Z * _GAMMA,
            ),
            kind="closed form",
        ),
        Step(
            r"\partial_{w'} E M_3 = \tfrac{w}{\gamma (w^2 + \gamma)} \Bigl( 1 - \tfrac{a}{w^2 + \gamma} "
            r"\Bigr), "
            r"\quad \partial_{\gamma} E M_3 = -\tfrac{B}{\gamma^3} + \tfrac{d_x - D}{\gamma^2}, \quad "
            r"B = \sum b + \sum \tfrac{a \gamma^2}{(w^2 + \gamma)^2}, \; D = \sum \tfrac{w^2}{w^2 + \gamma}",
            "By (engine-m3-field) with psi = (w' k - 1) x/gamma in each mode: at a = w^2 + gamma both vanish "
            "if gamma (d_x - d_z) is the sum of b, which is c = 1.",
            _m3_at_once,
        ),
        Step(
            r"K \to \infty: \quad E M = \tfrac{\sum b}{2 \gamma^2} + \tfrac12 \sum \Bigl( "
            r"\tfrac{a}{\lambda^2} - \tfrac{c}{\lambda} \Bigr) - \tfrac{d_x - c d_z / 2}{\gamma}, \quad "
            r"\lambda = w^2 + \gamma",
            "The updates make q the posterior at every theta, (engine-bilevel-limit), so it is inserted "
            "before the slope is taken: w^2 gamma/lambda = gamma - gamma^2/lambda. M3 is then M2, c = 2.",
            _three_in_modes,
        ),
        Step(
            r"\partial_\lambda: \; -\tfrac{a}{\lambda^3} + \tfrac{c}{2 \lambda^2} = 0 \iff \lambda = "
            r"\tfrac{2 a}{c}, \quad \partial_\gamma: \; -\tfrac{\sum b}{\gamma^3} + \tfrac{d_x - c d_z / 2}"
            r"{\gamma^2} = 0 \iff \gamma = \tfrac{\sum b}{d_x - c d_z / 2}",
            "These are the equations of K = 0 with half the c: 1/2 for M1, 1 for M2 and M3.",
            _slopes_at_the_limit,
            tolerance=1e-8,
            kind="finite differences",
        ),
        _FOUND,
    )
}
