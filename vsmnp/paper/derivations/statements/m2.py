"""Equation (24), Proposition 4.1: M2 as an autoencoding loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....objectives import M2, FixedGamma, OptimalGamma
from ....types import Array
from ..evidence import numeric
from ..examples.moments import (
    FEW,
    SAMPLES,
    engine_least,
    evaluate,
    toy_least,
    toy_reconstruction,
    toy_scores,
    utility,
    wide,
)
from ..examples.toy import Toy, square
from ..statement import Effort, Evidence, Form, Statement

# --- Proposition 4.1, (24): functions of (x, E_q g, tr Cov_q[g], E_q|g|^2, d_x) ---


def _loss_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    r = toy_reconstruction(Toy())
    claimed = claim(FEW, r.mean, r.T, r.norm, 2)
    detail = "min over gamma of the mean of M2, three data"
    return numeric("search", claimed, toy_least("m2"), effort.tolerance(1e-10), detail)


def _loss_of_shifted_data(claim: Any, effort: Effort) -> Evidence:
    """Compare for data and decoder shifted together: the residuals, and so M2, are unchanged."""
    r, by = toy_reconstruction(Toy()), np.array([3.0, -2.0])
    norm = square(r.mean + by) + r.T
    claimed = claim(FEW + by, r.mean + by, r.T, norm, 2)
    detail = "min over gamma of the mean of M2, data and decoder shifted by (3, -2)"
    return numeric("search", claimed, toy_least("m2"), effort.tolerance(1e-10), detail)


def _loss_by_the_optimal_gamma(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    found = evaluate(example, M2(SAMPLES, OptimalGamma())).loss[0]
    claimed = claim(example.data, r.mean, r.T, r.norm, 3)
    return numeric(
        "closed form", claimed, found, effort.tolerance(1e-12), "the engine's M2 at its optimal gamma"
    )


def _loss_by_search(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    claimed = claim(example.data, r.mean, r.T, r.norm, 3)
    detail = "the engine's M2, least over a search in gamma"
    return numeric(
        "search", claimed, engine_least(M2(SAMPLES, FixedGamma())), effort.tolerance(1e-11), detail
    )


# --- the expansion of M2: functions of (x, E_q g, tr Cov_q[g], E_q|g|^2, gamma, d_x) ---


def _expansion_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())
    claimed = claim(FEW, r.mean, r.T, r.norm, toy.gamma, 2)
    return numeric("quadrature", claimed, toy_scores(toy).m2, effort.tolerance(1e-10), "M2 of three data")


def _expansion_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    claimed = claim(example.data, r.mean, r.T, r.norm, example.gamma, 3).mean()
    found = evaluate(example, M2(SAMPLES)).loss[0]
    return numeric("closed form", claimed, found, effort.tolerance(1e-12), "the engine's M2")


def _l2(x: Array, mean: Array, trace: Array, norm: Array) -> Array:
    return np.asarray(square(x - mean) + 2 * trace)


def _l2_as_printed(x: Array, mean: Array, trace: Array, norm: Array) -> Array:
    return np.asarray(square(x - mean) + 2 * norm)


_MUTATIONS_OF_THE_LOSS = {
    "variance once": lambda x, mean, trace, norm, d: utility((square(x - mean) + trace).mean(), d),
    "norm once": lambda x, mean, trace, norm, d: utility((square(x - mean) + norm).mean(), d),
    "d_x not squared": lambda x, mean, trace, norm, d: utility(_l2(x, mean, trace, norm).mean(), d) / d,
    "sign": lambda x, mean, trace, norm, d: -utility(_l2(x, mean, trace, norm).mean(), d),
}
_NO_PENALTY = (
    "The second term is twice the variance of the reconstruction, not its norm: L_2 is L_KL with the "
    "variance counted twice. It does not pull the reconstruction towards the origin, so the conclusion "
    "that M2 overly constrains the reconstruction does not follow."
)

STATEMENTS = (
    Statement(
        id="prop-4.1",
        section="4",
        title="The autoencoding loss of M2",
        assumptions="p(x|z) = N(x; g(z), gamma I), q fixed, gamma at its optimum.",
        form=Form(
            r"\min_\theta h_F\Bigl(\tfrac1N \sum_n L_2(x_n)\Bigr), \quad "
            r"L_2(x) = |x - E_q g(z)|^2 + 2 \operatorname{tr} \operatorname{Cov}_q[g(z)]",
            lambda x, mean, trace, norm, d: utility(_l2(x, mean, trace, norm).mean(), d),
        ),
        printed=Form(
            r"\min_{\theta, q} h_F\Bigl(\tfrac1N \sum_n L_2(x_n)\Bigr), \quad "
            r"L_2(x) = |x - E_q g(z)|^2 + 2 E_q |g(z)|^2",
            lambda x, mean, trace, norm, d: utility(_l2_as_printed(x, mean, trace, norm).mean(), d),
        ),
        checks=(_loss_by_quadrature, _loss_of_shifted_data, _loss_by_the_optimal_gamma),
        mutations=_MUTATIONS_OF_THE_LOSS,
        consequence=_NO_PENALTY,
        code="vsmnp.objectives.M2",
    ),
    Statement(
        id="24",
        section="A.2",
        title="The autoencoding loss of M2, at the end of its proof",
        assumptions="As for Proposition 4.1.",
        form=Form(
            r"h\Bigl(\tfrac1N \sum_n \{ |x_n - E_q g|^2 "
            r"+ 2 \operatorname{tr} \operatorname{Cov}_q[g] \}\Bigr)",
            lambda x, mean, trace, norm, d: utility(_l2(x, mean, trace, norm).mean(), d),
        ),
        printed=Form(
            r"h\Bigl(\tfrac1N \sum_n |x_n - E_q g|^2 + 2 E_q |g|^2\Bigr)",
            lambda x, mean, trace, norm, d: utility(_l2_as_printed(x, mean, trace, norm).mean(), d),
        ),
        checks=(_loss_by_quadrature, _loss_by_search, _loss_by_the_optimal_gamma),
        mutations=_MUTATIONS_OF_THE_LOSS,
        consequence=_NO_PENALTY + " Brackets around the summand are missing; the counterexample grants them.",
        code="vsmnp.objectives.M2",
    ),
    Statement(
        id="A.2-M2-expansion",
        section="A.2",
        title="M2 in terms of the reconstruction",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        form=Form(
            r"M_2(x) = \tfrac1{2\gamma^2} \{ |x - E_q g|^2 + 2 \operatorname{tr} \operatorname{Cov}_q[g] \} "
            r"- \tfrac{d_x}{\gamma}",
            lambda x, mean, trace, norm, gamma, d: _l2(x, mean, trace, norm) / (2 * gamma**2) - d / gamma,
        ),
        printed=Form(
            r"M_2(x) = \tfrac1{2\gamma^2} \{ |x - E_q g|^2 + 2 E_q |g|^2 \} - \tfrac{d_x}{\gamma}",
            lambda x, mean, trace, norm, gamma, d: (
                _l2_as_printed(x, mean, trace, norm) / (2 * gamma**2) - d / gamma
            ),
        ),
        checks=(_expansion_by_quadrature, _expansion_of_the_engine),
        mutations={
            "variance once": lambda x, mean, trace, norm, gamma, d: (
                (square(x - mean) + trace) / (2 * gamma**2) - d / gamma
            ),
            "no half": lambda x, mean, trace, norm, gamma, d: (
                _l2(x, mean, trace, norm) / gamma**2 - d / gamma
            ),
            "sign of the divergence": lambda x, mean, trace, norm, gamma, d: (
                _l2(x, mean, trace, norm) / (2 * gamma**2) + d / gamma
            ),
        },
        consequence=(
            "The second line is right; the step to the third takes E|x - g|^2 for |x - E g|^2 + E|g|^2. "
            "That sum holds with the variance of g in place of its norm."
        ),
        code="vsmnp.objectives.M2",
    ),
)  # fmt: skip
