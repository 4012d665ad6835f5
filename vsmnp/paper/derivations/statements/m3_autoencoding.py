"""Proposition A.1: M3 as an autoencoding loss; r.cross is D, the mean of s^q . g, and b = d_x - D."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....objectives import M3
from ....types import Array
from ..checks import both_sides
from ..examples import reconstruction_checks as check
from ..examples.minimum import least_between
from ..examples.moments import Reconstruction
from ..examples.toy import square
from ..statement import Evidence, Form, Statement

# --- no function h makes Proposition A.1 true: two models with equal arguments of h and unlike minima ---

#: Squared errors B of two data, of equal means of 1/B: 1/0.5 + 1/2 = 1/0.8 + 1/0.8.
_ERRORS = (np.array([0.5, 2.0]), np.array([0.8, 0.8]))


def _of_errors(errors: Array) -> Reconstruction:
    """Return moments in three dimensions with the squared errors B of two data, and with D = 1.2."""
    x = np.array([[0.4, -0.9, 0.7], [-0.7, 0.3, 0.5]])
    mean = x - np.sqrt(errors)[:, None] * np.array([0.6, 0.0, -0.8])
    return Reconstruction(x, mean, np.zeros_like(x), errors, square(mean), np.full(2, 1.2), 2)


@both_sides("search", 1e-9, "differences of least M3 between two models with one mean of b^2/B over the data")
def _same_argument(claim: Any) -> tuple[Any, Any]:
    """Compare ``min_gamma`` of the two models, by search; 1 is added, since a claim can say 0."""
    models = [_of_errors(errors) for errors in _ERRORS]
    claimed = [float(claim(r)) for r in models]
    truth = [
        least_between(
            lambda t, r=r: float(np.mean(r.B * np.exp(2 * t) / 2 - (r.d_x - r.cross) * np.exp(t))),  # type: ignore[misc]
            -9, 9, 1e-12,
        )[1]
        for r in models
    ]  # fmt: skip
    return 1 + claimed[0] - claimed[1], 1 + truth[0] - truth[1]


def _any_h() -> Evidence:
    """Check that both models have the same printed argument of h, and an optimal gamma."""
    models = [_of_errors(errors) for errors in _ERRORS]
    one, two = (np.mean(-((r.d_x - r.cross).mean() ** 2) / (2 * r.B)) for r in models)
    positive = all((r.d_x - r.cross).mean() > 0 for r in models)
    detail = f"the mean of the printed L_3 is {one:.6g} and {two:.6g}; b = 1.8 > 0 in both"
    return Evidence("closed form", abs(one - two) if positive else np.inf, 1e-14, detail)


STATEMENTS = (
    Statement(
        id="prop-A.1",
        section="A.2",
        title="M3 at the optimal gamma",
        assumptions="p(x|z) = N(x; g(z), gamma I), q fixed, and the mean of b over the data is positive.",
        latex=r"\min_\gamma E_D M_3 = -\tfrac{\bar b^2}{2 \bar B}, \quad "
            r"b = E_q[s^q \cdot (x - g)] + d_x = d_x - D, \quad B = |x - E_q g|^2",
        claim=lambda r: -((r.d_x - r.cross).mean() ** 2) / (2 * r.B.mean()),
        printed=Form(
            r"\min_{\theta, q} h\Bigl(\tfrac1N \sum_n L_3(x_n)\Bigr), \quad "
            r"L_3(x) = g(|x_n - E_q g(z)|^2), \quad g(x) = "
            r"-\tfrac1{2x} \Bigl(\tfrac1N \sum_n E_q[s^q \cdot (x_n - g(z))] + d_x\Bigr)^2",
            lambda r: -(r.d_x**2) / (2 * (-((r.d_x - r.cross).mean() ** 2) / (2 * r.B)).mean()),
        ),
        error="nested-l3",
        within=_any_h,
        checks=(
            check.least_of_the_toy(M3), check.least_of_the_engine(M3), _same_argument,
        ),
        mutations={
            "h the identity": lambda r: (-((r.d_x - r.cross).mean() ** 2) / (2 * r.B)).mean(),
            "sign of the cross term": lambda r: -((r.d_x + r.cross).mean() ** 2) / (2 * r.B.mean()),
            "optimal gamma for each datum": lambda r: -((r.d_x - r.cross) ** 2 / (2 * r.B)).mean(),
        },
        consequence="The proposition nests its L_3 in an h that it does not define; two of the "
            "counterexamples take the h of Proposition 3.1, and the third holds for any function h: the mean "
            "over the data belongs under the fraction. The expansion of M3 in the proof is right. Where the "
            "mean of b is not positive there is no optimal gamma at all.",
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="A.2-M3-expansion",
        section="A.2",
        title="M3 in terms of the reconstruction",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        latex=r"M_3(x) = \tfrac1{2\gamma^2} |x - E_q g|^2 - \tfrac1\gamma ( E_q[s^q \cdot (x - g)] + d_x )",
        claim=lambda r, gamma: r.B / (2 * gamma**2) - (r.d_x - r.cross) / gamma,
        checks=(
            check.expansion_of_the_toy(M3), check.expansion_of_the_engine(M3),
        ),
        mutations={
            "sign of the cross term": lambda r, gamma: r.B / (2 * gamma**2) - (r.d_x + r.cross) / gamma,
            "no half": lambda r, gamma: r.B / gamma**2 - (r.d_x - r.cross) / gamma,
            "gamma squared": lambda r, gamma: (r.B / 2 - r.d_x + r.cross) / gamma**2,
        },
        code="vsmnp.objectives.M3",
    ),
)  # fmt: skip
