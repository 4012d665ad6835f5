"""Equation (24), Proposition 4.1: M2 as an autoencoding loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....objectives import M2
from ..checks import value_check
from ..examples import reconstruction_checks as check
from ..examples.moments import Reconstruction, toy_least, toy_reconstruction, utility
from ..examples.toy import Toy, square
from ..statement import Evidence, Form, Statement


def _shifted() -> Reconstruction:
    """Move data and decoder of the toy together, so that the residuals, and M2, are unchanged."""
    r, by = toy_reconstruction(Toy()), np.array([3.0, -2.0])
    return replace(r, x=r.x + by, mean=r.mean + by, norm=square(r.mean + by) + r.T)


# --- claims about the loss are functions of the moments r; Proposition 4.1 and (24) make the same one ---


def _loss(r: Reconstruction) -> float:
    return float(utility((r.B + 2 * r.T).mean(), r.d_x))


def _loss_as_printed(r: Reconstruction) -> float:
    return float(utility((r.B + 2 * r.norm).mean(), r.d_x))


_MUTATIONS_OF_THE_LOSS = {
    "variance once": lambda r: utility((r.B + r.T).mean(), r.d_x),
    "norm once": lambda r: utility((r.B + r.norm).mean(), r.d_x),
    "d_x not squared": lambda r: _loss(r) / r.d_x,
    "sign": lambda r: -_loss(r),
}
_NO_PENALTY = (
    "The second term is twice the variance of the reconstruction, not its norm: L_2 is L_KL with the "
    "variance counted twice. A variance stays if the reconstruction moves as a whole, so it does not pull "
    "towards the origin, which was the printed reason; the conclusion that M2 overly constrains the "
    "reconstruction stands (4-overly-constrains)."
)


def _the_same_model() -> Evidence:
    """Check that the shifted toy has the residuals of the toy and an optimal gamma."""
    r, shifted = toy_reconstruction(Toy()), _shifted()
    gamma = (shifted.B + 2 * shifted.T).mean() / shifted.d_x
    moved = np.abs(shifted.x - shifted.mean - (r.x - r.mean)).max() / np.abs(r.mean).max()
    detail = f"residuals of the shifted model against those of the toy; its optimal gamma is {gamma:.3g} > 0"
    return Evidence("closed form", float(moved) if gamma > 0 else np.inf, 1e-14, detail)


STATEMENTS = (
    Statement(
        id="prop-4.1",
        section="4",
        title="The autoencoding loss of M2",
        assumptions="p(x|z) = N(x; g(z), gamma I), q fixed, gamma at its optimum.",
        latex=r"\min_\theta h_F\Bigl(\tfrac1N \sum_n L_2(x_n)\Bigr), \quad "
            r"L_2(x) = |x - E_q g(z)|^2 + 2 \operatorname{tr} \operatorname{Cov}_q[g(z)]",
        claim=_loss,
        printed=Form(
            r"\min_{\theta, q} h_F\Bigl(\tfrac1N \sum_n L_2(x_n)\Bigr), \quad "
            r"L_2(x) = |x - E_q g(z)|^2 + 2 E_q |g(z)|^2",
            _loss_as_printed,
        ),
        error="norm-for-variance",
        within=_the_same_model,
        checks=(
            check.least_of_the_toy(M2),
            value_check("search", 1e-10,
                "min over gamma of the mean of M2, data and decoder shifted by (3, -2)",
                lambda claim: claim(_shifted()), lambda: toy_least("m2")),
            check.least_of_the_engine(M2),
        ),
        mutations=_MUTATIONS_OF_THE_LOSS,
        consequence=_NO_PENALTY,
        code="vsmnp.objectives.M2",
    ),
    Statement(
        id="24",
        section="A.2",
        title="The autoencoding loss of M2, at the end of its proof",
        assumptions="As for Proposition 4.1.",
        latex=r"h\Bigl(\tfrac1N \sum_n \{ |x_n - E_q g|^2 "
            r"+ 2 \operatorname{tr} \operatorname{Cov}_q[g] \}\Bigr)",
        claim=_loss,
        printed=Form(
            r"h\Bigl(\tfrac1N \sum_n |x_n - E_q g|^2 + 2 E_q |g|^2\Bigr)",
            _loss_as_printed,
        ),
        error="norm-for-variance",
        checks=(
            check.least_of_the_toy(M2), check.least_by_search(M2), check.least_of_the_engine(M2),
        ),
        mutations=_MUTATIONS_OF_THE_LOSS,
        consequence=_NO_PENALTY + " Brackets around the summand are missing; the "
            "counterexample is one of the formula with brackets.",
        code="vsmnp.objectives.M2",
    ),
    Statement(
        id="A.2-M2-expansion",
        section="A.2",
        title="M2 in terms of the reconstruction",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        latex=r"M_2(x) = \tfrac1{2\gamma^2} \{ |x - E_q g|^2 + "
            r"2 \operatorname{tr} \operatorname{Cov}_q[g] \} "
            r"- \tfrac{d_x}{\gamma}",
        claim=lambda r, gamma: (r.B + 2 * r.T) / (2 * gamma**2) - r.d_x / gamma,
        printed=Form(
            r"M_2(x) = \tfrac1{2\gamma^2} \{ |x - E_q g|^2 + 2 E_q |g|^2 \} - \tfrac{d_x}{\gamma}",
            lambda r, gamma: (r.B + 2 * r.norm) / (2 * gamma**2) - r.d_x / gamma,
        ),
        error="norm-for-variance",
        checks=(
            check.expansion_of_the_toy(M2), check.expansion_of_the_engine(M2),
        ),
        mutations={
            "variance once": lambda r, gamma: (r.B + r.T) / (2 * gamma**2) - r.d_x / gamma,
            "no half": lambda r, gamma: (r.B + 2 * r.T) / gamma**2 - r.d_x / gamma,
            "sign of the divergence": lambda r, gamma: (r.B + 2 * r.T) / (2 * gamma**2) + r.d_x / gamma,
        },
        consequence="The second line is right; the step to the third takes E|x - g|^2 for |x - E g|^2 + "
            "E|g|^2. That sum holds with the variance of g in place of its norm.",
        code="vsmnp.objectives.M2",
    ),
)  # fmt: skip
