"""Equations (9) and (23), Proposition 3.1: M1 as an autoencoding loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....objectives import M1, OptimalGamma
from ..checks import both_sides, value_check
from ..examples import moments
from ..examples import reconstruction_checks as check
from ..examples.minimum import least_between
from ..examples.moments import FEW, SAMPLES, Reconstruction, evaluate
from ..examples.toy import Toy, square
from ..statement import Form, Statement


def _choice_of_the_engine() -> list[float]:
    """Compute the engine's M1 at its optimal gamma, and that gamma."""
    found = evaluate(moments.wide()[0], M1(SAMPLES, OptimalGamma()))
    assert found.gamma is not None
    return [found.loss[0], np.exp(2 * found.gamma.log_sd[0])]


@both_sides("search", 1e-10, "M1 of the toy, least over a search in the decoder's scale and gamma")
def _over_theta(claim: Any) -> tuple[float, float]:
    """Compare least M1 over (c, gamma) with the least claim over c, the scale of the decoder."""
    r = moments.toy_reconstruction(Toy())

    def least(c: float) -> float:
        return float(claim((square(FEW - c * r.mean) + c**2 * r.T).mean(), 2)[0])

    return least_between(least, 0.1, 4)[1], moments.toy_least_over_theta("m1")


# --- claims about the loss are functions of the moments r; (9) and (23) make the same one ---


def _loss(r: Reconstruction) -> Any:
    return moments.utility((r.B + r.T).mean(), r.d_x)


def _loss_as_printed(r: Reconstruction) -> Any:
    return moments.utility((r.B + r.variance[:, : r.d_z].sum(-1)).mean(), r.d_x)


_MUTATIONS_OF_THE_LOSS = {
    "no variance": lambda r: moments.utility(r.B.mean(), r.d_x),
    "variance twice": lambda r: moments.utility((r.B + 2 * r.T).mean(), r.d_x),
    "d_x not squared": lambda r: moments.utility((r.B + r.T).mean(), r.d_x) / r.d_x,
    "brackets that end before the variance": lambda r: moments.utility(r.B.mean() + r.T.sum(), r.d_x),
}

STATEMENTS = (
    Statement(
        id="9",
        section="3.2",
        title="The autoencoding loss of M1",
        assumptions="p(x|z) = N(x; g(z), gamma I), q fixed, gamma at its optimum.",
        latex=r"h_F\Bigl(\tfrac1N \sum_n L_{KL}(x_n)\Bigr), \quad "
            r"L_{KL}(x) = |x - E_q g(z)|^2 + \sum_{j=1}^{d_x} V_q[g(z)_j], \quad h_F(y) = -\tfrac{d_x^2}{2y}",
        claim=_loss,
        printed=Form(
            r"h_F\Bigl(\tfrac1N \sum_n L_{KL}(x_n)\Bigr), \quad "
            r"L_{KL}(x) = |x - E_q g(z)|^2 + \sum_{j=1}^{d_z} V_q[g(z)_j]",
            _loss_as_printed,
        ),
        error="sum-to-d-z",
        checks=(
            check.least_of_the_toy(M1), check.least_of_the_engine(M1),
        ),
        mutations=_MUTATIONS_OF_THE_LOSS,
        consequence="The variance has one term for each coordinate of the data, as in (4). The sum to d_z "
            "is a misprint without effect on the argument.",
        code="vsmnp.objectives.M1",
    ),
    Statement(
        id="23",
        section="A.2",
        title="The autoencoding loss of M1, at the end of its proof",
        assumptions="As for (9).",
        latex=r"h\Bigl(\tfrac1N \sum_n \Bigl\{ |x_n - E_q g|^2 + \sum_{j=1}^{d_x} V_q[g_j] \Bigr\}\Bigr)",
        claim=_loss,
        printed=Form(
            r"h\Bigl(\tfrac1N \sum_n |x_n - E_q g|^2 + \sum_{j=1}^{d_z} V_q[g_j]\Bigr)", _loss_as_printed
        ),
        error="sum-to-d-z",
        checks=(
            check.least_of_the_toy(M1), check.least_by_search(M1), check.least_of_the_engine(M1),
        ),
        mutations=_MUTATIONS_OF_THE_LOSS,
        consequence="The sum runs to d_x, and brackets around the summand are missing; the counterexample "
            "grants the brackets. Read without them the average would not reach the variance, which is "
            "wrong as well.",
        code="vsmnp.objectives.M1",
    ),
    Statement(
        id="prop-3.1",
        section="3.2",
        title="M1 at the optimal gamma is an autoencoding loss",
        assumptions="p(x|z) = N(x; g(z), gamma I), q fixed; L_KL with the variance summed to d_x.",
        latex=r"\min_{\theta, \gamma} E_D M_1 = \min_\theta h_F(\overline{L_{KL}}), \quad "
            r"\gamma^* = \overline{L_{KL}} / d_x",
        claim=lambda y, d_x: [moments.utility(y, d_x), y / d_x],
        checks=(
            value_check("closed form", 1e-12, "the engine's least M1 and gamma*",
                lambda claim: claim(moments.wide()[1].A.mean(), 3), _choice_of_the_engine),
            _over_theta,
        ),
        mutations={
            "sign": lambda y, d_x: [-moments.utility(y, d_x), y / d_x],
            "factor two": lambda y, d_x: [2 * moments.utility(y, d_x), y / d_x],
            "gamma per datum": lambda y, d_x: [moments.utility(y, d_x), y],
        },
        code="vsmnp.objectives.OptimalGamma",
    ),
    Statement(
        id="A.2-M1-expansion",
        section="A.2",
        title="M1 in terms of the reconstruction",
        assumptions="p(x|z) = N(x; g(z), gamma I); the term in s^q, which theta does not enter, is left out.",
        latex=r"\tilde M_1(x) = \tfrac1{2\gamma^2} \Bigl\{ |x - E_q g|^2 + \sum_{j=1}^{d_x} V_q[g_j] \Bigr\} "
            r"- \tfrac{d_x}{\gamma}",
        claim=lambda r, gamma: (r.B + r.T) / (2 * gamma**2) - r.d_x / gamma,
        printed=Form(
            r"\tilde M_1(x) = \tfrac1{2\gamma^2} \Bigl\{ |x - E_q g|^2 + \sum_{j=1}^{d_z} V_q[g_j] \Bigr\} "
            r"- \tfrac{d_x}{\gamma}",
            lambda r, gamma: (r.B + r.variance[:, :r.d_z].sum(-1)) / (2 * gamma**2) - r.d_x / gamma,
        ),
        error="sum-to-d-z",
        checks=(
            check.expansion_of_the_toy(M1), check.expansion_of_the_engine(M1),
        ),
        mutations={
            "no half": lambda r, gamma: (r.B + r.T) / gamma**2 - r.d_x / gamma,
            "sign of the divergence": lambda r, gamma: (r.B + r.T) / (2 * gamma**2) + r.d_x / gamma,
            "one gamma": lambda r, gamma: (r.B + r.T) / (2 * gamma) - r.d_x / gamma,
        },
        consequence="The misprint of (9), without effect. The last line of the derivation is the average "
            "over the data, though its left-hand side is M1 of one datum.",
        code="vsmnp.objectives.M1",
    ),
)  # fmt: skip
