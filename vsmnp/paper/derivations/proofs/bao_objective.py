"""Derive what the denoising objective of Bao et al. is in expectation: M1, which is M3 and a variance."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....types import Array
from ..evidence import gradient_in
from ..examples import linear_joint as joint
from ..examples.linear_joint import TOY
from ..examples.toy import dot, square
from ..proof import Proofs, Step

_X, _Z = TOY.few[:, None, :], np.array([-0.8, 0.1, 0.9])


def _log_weight(x: Array, z: Array) -> Array:
    """Compute ``log p(x, z)/q(z|x)``."""
    return np.asarray(TOY.log_prior(z) + TOY.log_likelihood(x, z) - TOY.log_q(x, z))


@cache
def _objective() -> Array:
    """Compute the objective by its definition, the score by differences."""

    def integrand(x: Array, z: Array) -> Array:
        score = gradient_in(lambda x: _log_weight(x, z), x)
        return square(score - TOY.score_pi(x)) / 2

    return TOY.expect(integrand)


@cache
def _over_pi() -> Array:
    """Compute the means of ``|s^p|^2``, ``|s^q|^2``, ``s^q . s^p`` and ``|s^p - s^q|^2``."""

    def each(x: Array, z: Array) -> Array:
        p, q = TOY.score_p(x, z), TOY.score_q(x, z)
        return np.stack([square(p), square(q), dot(q, p), square(p - q)], -1)

    return TOY.expect(each)


def _m1() -> float:
    square_p, square_q, *_ = _over_pi()
    return float(square_p / 2 - TOY.d_x / TOY.gamma + square_q / 2)


def _square_of_mean() -> Array:
    """Compute the mean over pi of ``|E_q s^p|^2``."""
    return TOY.expect_pi(lambda x: square(TOY.expect_q(TOY.score_p, x)))


def _m3() -> float:
    return float(_over_pi()[2] - TOY.d_x / TOY.gamma + _square_of_mean() / 2)


def _variance() -> Array:
    """Compute the mean over pi of the trace of ``Cov_q(s^p - s^q)``."""

    def difference(x: Array, z: Array) -> Array:
        return TOY.score_p(x, z) - TOY.score_q(x, z)

    def trace(x: Array) -> Array:
        mean = TOY.expect_q(difference, x)[:, None]
        return TOY.expect_q(lambda x, z: square(difference(x, z) - mean), x)

    return TOY.expect_pi(trace)


PROOFS: Proofs = {
    "bao-objective": (
        Step(
            r"\nabla_x \log \tfrac{p(x, z)}{q(z|x)} = s^p - s^q",
            "The prior does not depend on x; z is held fixed.",
            lambda: (
                gradient_in(lambda x: _log_weight(x, _Z), _X),
                TOY.score_p(_X, _Z) - TOY.score_q(_X, _Z),
            ),
            kind="finite differences",
        ),
        Step(
            r"E_\pi E_q \tfrac12 |s^p - s^q - \nabla_x \log\pi|^2 = E_\pi J^\pi = E_\pi M_1 + C_\pi",
            "So the objective is the mean of (7), of which (8) has removed the score of the data.",
            lambda: (_objective(), _m1() + joint.constant(TOY)),
        ),
        Step(
            r"E_\pi M_1 = E_\pi E_q [ \tfrac12 |s^p - s^q|^2 + s^q \cdot s^p + \nabla_x \cdot s^p ]",
            "The product is subtracted with the square and added again.",
            lambda: (_m1(), _over_pi()[3] / 2 + _over_pi()[2] - TOY.d_x / TOY.gamma),
        ),
        Step(
            r"E_q |s^p - s^q|^2 = |E_q s^p|^2 + \operatorname{tr} \operatorname{Cov}_q(s^p - s^q)",
            "A mean square is the square of the mean and the variance, and the mean of s^q is 0.",
            lambda: (_over_pi()[3], _square_of_mean() + _variance()),
        ),
        Step(
            r"E_\pi E_q \tfrac12 \left| \nabla_x \log \tfrac{p(x, z)}{q(z|x)} - \nabla_x \log \pi "
            r"\right|^2 = E_\pi M_1 + C_\pi "
            r"= E_\pi [ M_3 + \tfrac12 \operatorname{tr} \operatorname{Cov}_q(s^p - s^q) ] + C_\pi",
            "With half the square of the mean the other terms are M3 (15); the variance is 0 for the exact "
            "posterior, where the paper's remark holds.",
            lambda: (_objective(), _m3() + _variance() / 2 + joint.constant(TOY)),
        ),
    )
}
