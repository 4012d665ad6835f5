"""Proposition A.1: M3 as an autoencoding loss; r.cross is D, the mean of s^q . g, and b = d_x - D."""

from __future__ import annotations

from ....objectives import M3
from ..examples import reconstruction_checks as check
from ..statement import Form, Statement

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
        checks=(
            check.least_of_the_toy(M3), check.least_of_the_engine(M3),
        ),
        mutations={
            "h the identity": lambda r: (-((r.d_x - r.cross).mean() ** 2) / (2 * r.B)).mean(),
            "sign of the cross term": lambda r: -((r.d_x + r.cross).mean() ** 2) / (2 * r.B.mean()),
            "optimal gamma for each datum": lambda r: -((r.d_x - r.cross) ** 2 / (2 * r.B)).mean(),
        },
        consequence="The proposition nests its L_3 in an h that it does not define; the counterexample "
            "takes the h of Proposition 3.1. With h the identity it is wrong too: the mean over the data "
            "belongs under the fraction. Where the mean of b is not positive there is no optimal gamma at "
            "all.",
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
