"""Derive (16), its two cross terms, and the score trick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....types import Array
from ..evidence import divergence_in, gradient_in
from ..examples import linear_joint as joint
from ..examples.linear_joint import LINEAR, TOY
from ..examples.toy import dot, square
from ..proof import Proofs, Step

_X = TOY.few[:, None, :]
_Z = np.array([-0.8, 0.1, 0.9])


def _three(x: Array, z: Array) -> tuple[Array, Array, Array]:
    return TOY.score_p(x, z), TOY.score_q(x, z), TOY.score_pi(x) + 0 * z[..., None]


def _expanded(p: Array, q: Array, pi: Array) -> Array:
    squares = (square(p) + square(q) + square(pi)) / 2
    return np.asarray(squares + dot(q, pi) - dot(p, pi) - dot(q, p))


def _mean_score(x: Array) -> Array:
    """Compute ``E_q s^p`` at ``x (K, 2)``."""
    return TOY.expect_q(TOY.score_p, x)


def _with_pi() -> Array:
    """Compute ``E s^p . grad log pi`` as an integral over z and x."""
    return TOY.expect(lambda x, z: dot(TOY.score_p(x, z), TOY.score_pi(x)))


def _by_parts() -> Array:
    return -TOY.expect_pi(lambda x: divergence_in(_mean_score, x))


def _by_score_trick() -> Array:
    cross = TOY.expect(lambda x, z: dot(TOY.score_q(x, z), TOY.score_p(x, z)))
    return -cross + TOY.d_x / TOY.gamma


# --- the score trick, for f = sin(x_1 + z) x_2 ---


def _f(x: Array, z: Array) -> Array:
    return np.asarray(np.sin(x[..., 0] + z) * x[..., 1])


def _df(x: Array, z: Array) -> Array:
    """Compute ``grad_x f``, written out."""
    in_first, in_second = np.cos(x[..., 0] + z) * x[..., 1], np.sin(x[..., 0] + z)
    return np.stack([in_first, in_second], -1)


def _q_f(x: Array) -> Array:
    return np.asarray(np.exp(TOY.log_q(x, _Z)) * _f(x, _Z))


def _density(x: Array) -> Array:
    return np.asarray(np.exp(TOY.log_q(x, _Z)))


def _slope_of_the_mean() -> Array:
    return gradient_in(lambda x: TOY.expect_q(_f, x), TOY.few)


def _with_score() -> Array:
    return TOY.expect_q(lambda x, z: _f(x, z)[..., None] * TOY.score_q(x, z), TOY.few)


_LOG_DERIVATIVE = Step(
    r"q \, s^q = q \nabla_x \log q = \nabla_x q",
    "The derivative of a logarithm; z is held fixed.",
    lambda: (_density(_X)[..., None] * TOY.score_q(_X, _Z), gradient_in(_density, _X)),
    kind="finite differences",
)

EXPANDED = Step(
    r"E_\pi J^\pi = \tfrac12 E_{q\pi}[|s^p|^2 + |s^q|^2 + |\nabla\log\pi|^2] + E_{q\pi}[s^q \cdot "
    r"\nabla\log\pi - s^p \cdot \nabla\log\pi - s^q \cdot s^p]",
    "The square of s^p - s^q - grad log pi is expanded under the mean of (7).",
    lambda: (joint.data_part(TOY), TOY.expect(lambda x, z: _expanded(*_three(x, z)))),
)
_FIRST_IS_ZERO = Step(
    r"E_{q\pi}[s^q \cdot \nabla_x \log\pi] = E_\pi\{ E_q[s^q] \cdot \nabla_x \log\pi \} = 0",
    "The score of pi does not depend on z, and the mean of s^q is 0.",
)
FIRST_IS_ZERO = replace(_FIRST_IS_ZERO, reason="The mean of the score of q is 0 (A.1-first-cross-term).")
_SECOND_BY_PARTS = Step(
    r"E_{q\pi}[s^p \cdot \nabla_x \log\pi] = -E_{q\pi}[s^q \cdot s^p] - E_{q\pi}[\nabla_x \cdot s^p]",
    "The first and the last of these lines.",
    lambda: (_with_pi(), _by_score_trick()),
)
SECOND_BY_PARTS = replace(
    _SECOND_BY_PARTS,
    reason="Integration by parts, then the score trick for each coordinate of s^p (A.1-second-cross-term).",
)

PROOFS: Proofs = {
    "16": (
        Step(
            r"J^\pi = \tfrac12 E_q |s^p - s^q - \nabla_x \log\pi|^2",
            "The definition of J, half included (A.1-J).",
            lambda: (
                LINEAR.joint_fisher() - joint.posterior_part(LINEAR),
                LINEAR.expect(
                    lambda x, z: square(LINEAR.score_p(x, z) - LINEAR.score_q(x, z) - LINEAR.score_pi(x))
                )
                / 2,
            ),
            kind="closed form",
        ),
        Step(
            r"\tfrac12 |p - q - c|^2 = \tfrac12 (|p|^2 + |q|^2 + |c|^2) + q \cdot c - p \cdot c - q \cdot p",
            "Three squares, and twice each product with the sign of its two factors.",
            lambda: (
                square(joint.data_difference(TOY, _X, _Z)) / 2,
                _expanded(*_three(_X, np.broadcast_to(_Z, (len(_X), 3)))),
            ),
            kind="closed form",
        ),
        EXPANDED,
    ),
    "A.1-first-cross-term": (
        _LOG_DERIVATIVE,
        Step(
            r"E_q[s^q] = \int \nabla_x q(z|x) \, dz = \nabla_x \int q(z|x) \, dz = \nabla_x 1 = 0",
            "The first line, the gradient taken out of the integral; q is normalised for every x.",
        ),
        Step(
            r"E_q |s^q + c|^2 = E_q |s^q|^2 + |c|^2 \text{ for every } c \text{ that does not depend on } z",
            "So s^q has no component along such a vector; here c is grad log pi.",
            lambda: (
                TOY.expect(lambda x, z: square(TOY.score_q(x, z) + TOY.score_pi(x))),
                TOY.expect(lambda x, z: square(TOY.score_q(x, z))) + 2 * joint.constant(TOY),
            ),
        ),
        _FIRST_IS_ZERO,
    ),
    "A.1-second-cross-term": (
        Step(
            r"E_{q\pi}[s^p \cdot \nabla_x \log\pi] = E_\pi[ E_q[s^p] \cdot \nabla_x \log\pi ]",
            "The score of pi does not depend on z, so that the mean over q is taken first.",
            lambda: (_with_pi(), TOY.expect_pi(lambda x: dot(_mean_score(x), TOY.score_pi(x)))),
        ),
        Step(
            r"= -E_\pi[ \nabla_x \cdot E_q[s^p] ]",
            "Integration by parts (25), without boundary term because pi E_q s^p vanishes at infinity.",
            lambda: (_with_pi(), _by_parts()),
        ),
        Step(
            r"= -E_{q\pi}[s^q \cdot s^p] - E_{q\pi}[\nabla_x \cdot s^p]",
            "The score trick (A.1-score-trick) for each coordinate of s^p, summed.",
            lambda: (_by_parts(), _by_score_trick()),
        ),
        _SECOND_BY_PARTS,
    ),
    "A.1-score-trick": (
        _LOG_DERIVATIVE,
        Step(
            r"\nabla_x (q f) = f \, \nabla_x q + q \, \nabla_x f",
            "The product rule at fixed z; f may depend on x.",
            lambda: (
                gradient_in(_q_f, _X),
                _f(_X, _Z)[..., None] * gradient_in(_density, _X) + _density(_X)[..., None] * _df(_X, _Z),
            ),
            kind="finite differences",
        ),
        Step(
            r"\nabla_x E_q[f] = E_q[s^q f] + E_q[\nabla_x f]",
            "Both lines, integrated over z.",
            lambda: (_slope_of_the_mean(), _with_score() + TOY.expect_q(_df, TOY.few)),
            kind="finite differences",
        ),
        Step(
            r"E_q[s^q f] = \nabla_x E_q[f] - E_q[\nabla_x f], \quad f = 1: E_q[s^q] = 0",
            "The last term is taken to the other side; for f = 1 both terms are derivatives of a constant.",
            lambda: (_with_score(), _slope_of_the_mean() - TOY.expect_q(_df, TOY.few)),
            kind="finite differences",
        ),
    ),
}
