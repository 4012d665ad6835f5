"""Derive (24) and Proposition 4.1: insert the Gaussian scores into M2 and minimise over gamma."""

from __future__ import annotations

from ..examples.moments import toy_least, toy_reconstruction, toy_scores, utility
from ..examples.toy import Toy
from ..proof import Proofs, Step
from .gaussian_scores import DIVERGENCE, MEAN_SQUARE, SQUARE_OF_MEAN

_TOY = Toy()


def _l_2() -> float:
    """Compute the mean of L_2 over three data."""
    r = toy_reconstruction(_TOY)
    return float((r.B + 2 * r.T).mean())


_DEFINITION = Step(
    r"M_2(x) = \tfrac1{\gamma^2} E_q |x - g|^2 - \tfrac1{2\gamma^2} |x - E_q g|^2 - \tfrac{d_x}\gamma",
    "The definition (13) with (19), (20) and (21) inserted.",
    lambda: (
        toy_scores(_TOY).m2,
        (2 * toy_reconstruction(_TOY).A - toy_reconstruction(_TOY).B) / (2 * _TOY.gamma**2)
        - _TOY.d_x / _TOY.gamma,
    ),
)
_VARIANCE = Step(
    r"E_q |x - g|^2 = |x - E_q g|^2 + \operatorname{tr} \operatorname{Cov}_q[g]",
    "A mean square is the square of the mean and the variance; here the paper writes E|g|^2 for the "
    "variance, though E|g|^2 also contains the square of the mean.",
    lambda: (toy_reconstruction(_TOY).A, toy_reconstruction(_TOY).B + toy_reconstruction(_TOY).T),
)
_EXPANDED = Step(
    r"M_2(x) = \tfrac1{2\gamma^2} \{ |x - E_q g|^2 + 2 \operatorname{tr} \operatorname{Cov}_q[g] \} "
    r"- \tfrac{d_x}{\gamma}",
    "Of two squares of the mean one is subtracted; the variance stays, twice.",
    lambda: (
        toy_scores(_TOY).m2,
        (toy_reconstruction(_TOY).B + 2 * toy_reconstruction(_TOY).T) / (2 * _TOY.gamma**2)
        - _TOY.d_x / _TOY.gamma,
    ),
)
_MEAN = Step(
    r"\tfrac1N \textstyle\sum_n M_2(x_n) = \tfrac{a}{2\gamma^2} - \tfrac b\gamma, \quad "
    r"a = \tfrac1N \sum_n L_2(x_n), \; b = d_x",
    "The mean over the data of the expansion (A.2-M2-expansion), L_2 standing for its braces.",
    lambda: (toy_scores(_TOY).m2.mean(), _l_2() / (2 * _TOY.gamma**2) - _TOY.d_x / _TOY.gamma),
)
_AT_BEST_GAMMA = Step(
    r"\min_\gamma \tfrac1N \textstyle\sum_n M_2(x_n) = -\tfrac{d_x^2}{2a} = h_F(a)",
    "The minimum (22), whose b is positive.",
    lambda: (toy_least("m2"), -(_TOY.d_x**2) / (2 * _l_2())),
    kind="search",
)

PROOFS: Proofs = {
    "prop-4.1": (
        _DEFINITION,
        _VARIANCE,
        _EXPANDED,
        _MEAN,
        _AT_BEST_GAMMA,
        Step(
            r"\min_\theta h_F\Bigl(\tfrac1N \sum_n L_2(x_n)\Bigr), \quad "
            r"L_2(x) = |x - E_q g(z)|^2 + 2 \operatorname{tr} \operatorname{Cov}_q[g(z)]",
            "What is left to minimise is theta; q is fixed, and the second term is a variance, not the norm "
            "of the reconstruction that the paper prints.",
            lambda: (
                toy_least("m2"),
                utility((2 * toy_reconstruction(_TOY).A - toy_reconstruction(_TOY).B).mean(), _TOY.d_x),
            ),
            kind="search",
        ),
    ),
    "24": (
        _MEAN,
        _AT_BEST_GAMMA,
        Step(
            r"h\Bigl(\tfrac1N \sum_n \{ |x_n - E_q g|^2 "
            r"+ 2 \operatorname{tr} \operatorname{Cov}_q[g] \}\Bigr)",
            "The argument a is written out, with braces, for it is a mean over the data of both terms.",
            lambda: (toy_least("m2"), utility(_l_2(), _TOY.d_x)),
            kind="search",
        ),
    ),
    "A.2-M2-expansion": (MEAN_SQUARE, SQUARE_OF_MEAN, DIVERGENCE, _DEFINITION, _VARIANCE, _EXPANDED),
}
