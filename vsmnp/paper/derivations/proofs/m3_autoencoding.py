"""Derive Proposition A.1: insert the Gaussian scores into M3 and minimise over gamma."""

from __future__ import annotations

from ....types import Array
from ..evidence import divergence_in
from ..examples.moments import FEW, toy_least, toy_reconstruction, toy_scores
from ..examples.toy import Toy, dot
from ..proof import Proofs, Step
from .gaussian_scores import DIVERGENCE, SQUARE_OF_MEAN

_TOY = Toy()


def _cross() -> Array:
    """Compute ``E_q [s^q . (x - g)]``."""
    return _TOY.expect_q(lambda x, z: dot(_TOY.score_q(x, z), x - _TOY.g(z)), FEW)


def _mean_b() -> float:
    return float((_cross() + _TOY.d_x).mean())


def _mean_square() -> float:
    return float(toy_reconstruction(_TOY).B.mean())


_EXPANDED = Step(
    r"M_3(x) = \tfrac1{2\gamma^2} |x - E_q g|^2 - \tfrac1\gamma ( E_q[s^q \cdot (x - g)] + d_x )",
    "The definition (15) with (19), the cross term and (21).",
    lambda: (
        toy_scores(_TOY).m3,
        toy_reconstruction(_TOY).B / (2 * _TOY.gamma**2) - (_cross() + _TOY.d_x) / _TOY.gamma,
    ),
)

PROOFS: Proofs = {
    "prop-A.1": (
        _EXPANDED,
        Step(
            r"E_q[s^q \cdot (x - g)] = -E_q[s^q \cdot g] = -D, \quad D = \nabla_x \cdot E_q g",
            "The mean of s^q is 0, so that x drops out; the rest is a divergence by the score trick "
            "(A.1-score-trick), for g does not depend on x.",
            lambda: (_cross(), -divergence_in(lambda x: _TOY.expect_q(lambda x, z: _TOY.g(z), x), FEW)),
            kind="finite differences",
        ),
        Step(
            r"E_D M_3 = \tfrac{\bar B}{2\gamma^2} - \tfrac{\bar b}{\gamma}, \quad "
            r"b = d_x - D, \; B = |x - E_q g|^2",
            "The mean over the data: both coefficients are means of their own.",
            lambda: (
                toy_scores(_TOY).m3.mean(),
                _mean_square() / (2 * _TOY.gamma**2) - _mean_b() / _TOY.gamma,
            ),
        ),
        Step(
            r"\min_\gamma E_D M_3 = -\tfrac{\bar b^2}{2 \bar B}, \quad "
            r"b = E_q[s^q \cdot (x - g)] + d_x = d_x - D, \quad B = |x - E_q g|^2",
            "The minimum (22), if the mean of b is positive; the paper nests the fraction in an h that is "
            "not defined, and has the B of each datum, not their mean, in the denominator.",
            lambda: (toy_least("m3"), -(_mean_b() ** 2) / (2 * _mean_square())),
            kind="search",
        ),
    ),
    "A.2-M3-expansion": (
        SQUARE_OF_MEAN,
        Step(
            r"E_q[s^q \cdot s^p] = -\tfrac1\gamma E_q[s^q \cdot (x - g)]",
            "The score (18) is inserted; gamma does not depend on z.",
            lambda: (toy_scores(_TOY).cross, -_cross() / _TOY.gamma),
        ),
        DIVERGENCE,
        _EXPANDED,
    ),
}
