"""Derive M3: expand the square, integrate the mixed term by parts, take its divergence by the score trick."""

from __future__ import annotations

from functools import cache

from ....types import Array
from ..evidence import divergence_in
from ..examples.moments import FEW, Scores, toy_scores
from ..examples.toy import Toy, dot, square
from ..proof import Proofs, Step

_TOY = Toy(z_nodes=24)


def _mean_score(x: Array) -> Array:
    """Compute ``E_q s^p`` at ``x (K, 2)``."""
    return _TOY.expect_q(_TOY.score_p, x)


@cache
def _over_pi() -> Scores:
    """Compute the means over pi of the moments of the scores."""
    x, w = _TOY.data
    s = toy_scores(_TOY, x)
    return Scores(w @ s.square, w @ s.square_of_mean, w @ s.divergence, w @ s.cross)


def _half_square_of_pi() -> Array:
    return 0.5 * _TOY.expect_pi(lambda x: square(_TOY.score_pi(x)))


def _mixed() -> Array:
    """Compute ``E_pi [grad log pi . E_q s^p]``."""
    return _TOY.expect_pi(lambda x: dot(_TOY.score_pi(x), _mean_score(x)))


def _divergence() -> Array:
    """Compute the marginal Fisher divergence with q in the place of the posterior."""
    return 0.5 * _TOY.expect_pi(lambda x: square(_TOY.score_pi(x) - _mean_score(x)))


_EXPAND = Step(
    r"\tfrac12 E_\pi |\nabla \log \pi - E_q s^p|^2 = \tfrac12 E_\pi |\nabla \log \pi|^2 "
    r"- E_\pi [\nabla \log \pi \cdot E_q s^p] + \tfrac12 E_\pi |E_q s^p|^2",
    "The square of a difference is expanded.",
    lambda: (_divergence(), _half_square_of_pi() - _mixed() + 0.5 * _over_pi().square_of_mean),
)
_BY_PARTS = Step(
    r"E_\pi [\nabla \log \pi \cdot E_q s^p] = [\pi\, E_q s^p]_{-\infty}^{\infty} "
    r"- E_\pi [\nabla \cdot E_q s^p] = -E_\pi [\nabla \cdot E_q s^p]",
    "Integration by parts (25), because the gradient of log pi times pi is the gradient of pi; the boundary "
    "term is 0 where pi decays faster than E_q s^p grows.",
    lambda: (_mixed(), -_TOY.expect_pi(lambda x: divergence_in(_mean_score, x))),
)
_SCORE_TRICK = Step(
    r"\nabla_x \cdot E_q s^p = \int \nabla_x q(z|x) \cdot s^p\, dz + E_q \nabla_x \cdot s^p",
    "The product rule under the integral: x enters q and s^p.",
)
_DIVERGENCE = Step(
    r"= E_q [ s^q \cdot s^p + \nabla_x \cdot s^p ]",
    "The gradient of q is q times its score s^q, with z held fixed.",
    lambda: (divergence_in(_mean_score, FEW), toy_scores(_TOY).cross + toy_scores(_TOY).divergence),
    kind="finite differences",
)
_COLLECT = Step(
    r"\tfrac12 E_\pi |\nabla \log \pi - E_q s^p|^2 = \tfrac12 E_\pi |\nabla \log \pi|^2 + E_\pi E_q [ s^q "
    r"\cdot s^p + \nabla_x \cdot s^p ] + \tfrac12 E_\pi |E_q s^p|^2",
    "Both results are inserted; what depends on q and theta is the mean of M3.",
    lambda: (
        _divergence(),
        _half_square_of_pi() + _over_pi().cross + _over_pi().divergence + 0.5 * _over_pi().square_of_mean,
    ),
)

PROOFS: Proofs = {
    "15": (
        _EXPAND,
        _BY_PARTS,
        _SCORE_TRICK,
        _DIVERGENCE,
        _COLLECT,
        Step(
            r"M_3(x) = E_q [ s^q \cdot s^p + \nabla_x \cdot s^p ] + \tfrac12 |E_q s^p|^2",
            "The definition: the terms that depend on q and theta, before the mean over pi.",
        ),
    ),
    "prop-4.2": (
        _EXPAND,
        _BY_PARTS,
        _SCORE_TRICK,
        _DIVERGENCE,
        _COLLECT,
        Step(
            r"\tfrac12 E_\pi |\nabla \log \pi - E_q s^p|^2 = E_\pi M_3 + "
            r"\tfrac12 E_\pi |\nabla \log \pi|^2",
            "The terms that depend on q and theta are those of (15); the rest depends on pi alone.",
            lambda: (_divergence(), _over_pi().m3 + _half_square_of_pi()),
        ),
    ),
    "prop-4.2-proof": (
        _EXPAND,
        Step(
            r"C_\pi = \tfrac12 E_\pi |\nabla \log \pi|^2",
            "Of the three terms this is the one without q and theta: a mean of squares; the paper prints the "
            "square of the mean, which is 0.",
        ),
    ),
    "prop-4.2-score-trick": (_SCORE_TRICK, _DIVERGENCE),
}
