"""Derive (9), (23) and Proposition 3.1: insert the Gaussian scores into M1 and minimise over gamma."""

from __future__ import annotations

from ..examples.minimum import least_between
from ..examples.moments import FEW, toy_least, toy_reconstruction, toy_scores, utility
from ..examples.toy import Toy, square
from ..proof import Proofs, Step
from .gaussian_scores import DIVERGENCE, LEAST, MEAN_SQUARE, least_over_gamma

_TOY = Toy()


def _l_kl() -> float:
    """Compute the mean of L_KL over three data."""
    r = toy_reconstruction(_TOY)
    return float((square(r.x - r.mean) + r.variance.sum(-1)).mean())


def _l_kl_of(scale: float) -> float:
    """Compute the mean of L_KL where the decoder is multiplied by a number, the theta of the example."""
    r = toy_reconstruction(_TOY)
    return float((square(FEW - scale * r.mean) + scale**2 * r.T).mean())


def _least_over_both() -> float:
    """Find the minimum of the mean of M1 over the scale of the decoder and gamma."""
    return least_between(lambda scale: least_over_gamma(_l_kl_of(scale), _TOY.d_x), 0.1, 4)[1]


def _least_over_scale() -> float:
    """Find the minimum of ``h_F`` of the mean of L_KL over the scale of the decoder."""
    return least_between(lambda scale: float(utility(_l_kl_of(scale), _TOY.d_x)), 0.1, 4)[1]


_PART = Step(
    r"\tilde M_1(x) = E_q[\tfrac12 |s^p|^2 + \nabla_x \cdot s^p]",
    "The part of (8) that depends on theta; q is fixed, so that its term in s^q is a constant.",
)
_EXPANDED = Step(
    r"\tilde M_1(x) = \tfrac1{2\gamma^2} \Bigl\{ |x - E_q g|^2 + \sum_{j=1}^{d_x} V_q[g_j] \Bigr\} "
    r"- \tfrac{d_x}{\gamma}",
    "Both are inserted; the trace of the covariance has one variance for each of the d_x coordinates of g, "
    "and the paper's sum ends at d_z.",
    lambda: (
        toy_scores(_TOY).m1,
        (toy_reconstruction(_TOY).B + toy_reconstruction(_TOY).T) / (2 * _TOY.gamma**2)
        - _TOY.d_x / _TOY.gamma,
    ),
)
_MEAN = Step(
    r"\tfrac1N \textstyle\sum_n \tilde M_1(x_n) = \tfrac{a}{2\gamma^2} - \tfrac{b}{\gamma}, \quad "
    r"a = \tfrac1N \sum_n L_{KL}(x_n), \; b = d_x",
    "The mean over the data of the expansion (A.2-M1-expansion), L_KL standing for its braces.",
    lambda: (toy_scores(_TOY).m1.mean(), _l_kl() / (2 * _TOY.gamma**2) - _TOY.d_x / _TOY.gamma),
)
_AT_BEST_GAMMA = Step(
    r"\min_\gamma \tfrac1N \textstyle\sum_n \tilde M_1(x_n) = -\tfrac{d_x^2}{2a} = h_F(a), \quad "
    r"\gamma^* = \tfrac{a}{d_x}",
    "The minimum (22), whose b is the dimension of the data and therefore positive.",
    lambda: (toy_least("m1"), -(_TOY.d_x**2) / (2 * _l_kl())),
    kind="search",
)

PROOFS: Proofs = {
    "9": (
        _MEAN,
        LEAST,
        _AT_BEST_GAMMA,
        Step(
            r"h_F\Bigl(\tfrac1N \sum_n L_{KL}(x_n)\Bigr), \quad "
            r"L_{KL}(x) = |x - E_q g(z)|^2 + \sum_{j=1}^{d_x} V_q[g(z)_j], \quad h_F(y) = -\tfrac{d_x^2}{2y}",
            "This least value is what is left to be minimised over theta; the sum over j runs to d_x, and "
            "the paper's to d_z.",
            lambda: (_least_over_both(), _least_over_scale()),
            kind="search",
        ),
    ),
    "23": (
        _MEAN,
        _AT_BEST_GAMMA,
        Step(
            r"h\Bigl(\tfrac1N \sum_n \Bigl\{ |x_n - E_q g|^2 + \sum_{j=1}^{d_x} V_q[g_j] \Bigr\}\Bigr)",
            "The argument a is written out; it is a mean over the data of both terms, so that braces belong "
            "around them.",
            lambda: (toy_least("m1"), utility(toy_reconstruction(_TOY).A.mean(), _TOY.d_x)),
            kind="search",
        ),
    ),
    "prop-3.1": (
        _PART,
        _EXPANDED,
        _MEAN,
        _AT_BEST_GAMMA,
        Step(
            r"\min_{\theta, \gamma} E_D M_1 = \min_\theta h_F(\overline{L_{KL}}), \quad "
            r"\gamma^* = \overline{L_{KL}} / d_x",
            "The minimum over gamma is taken first, for every theta; q stays as it is.",
            lambda: (_least_over_both(), _least_over_scale()),
            kind="search",
        ),
    ),
    "A.2-M1-expansion": (_PART, MEAN_SQUARE, DIVERGENCE, _EXPANDED),
}
