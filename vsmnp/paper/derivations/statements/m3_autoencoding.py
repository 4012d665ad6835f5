"""Proposition A.1: M3 as an autoencoding loss."""

from __future__ import annotations

from typing import Any

from ....objectives import M3, OptimalGamma
from ..evidence import numeric
from ..examples.moments import SAMPLES, evaluate, toy_least, toy_reconstruction, toy_scores, wide
from ..examples.toy import Toy
from ..statement import Effort, Evidence, Form, Statement

# --- Proposition A.1: functions of (|x - E g|^2, E[s^q . (x - g)], d_x) for each datum ---


def _least_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    r = toy_reconstruction(Toy())
    detail = "min over gamma of the mean of M3, three data"
    return numeric("search", claim(r.B, -r.cross, 2), toy_least("m3"), effort.tolerance(1e-10), detail)


def _least_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    found = evaluate(example, M3(SAMPLES, OptimalGamma())).loss[0]
    detail = "the engine's M3 at its optimal gamma"
    return numeric("finite differences", claim(r.B, -r.cross, 3), found, effort.tolerance(1e-9), detail)


# --- the expansion of M3: functions of (|x - E g|^2, E[s^q . (x - g)], gamma, d_x) ---


def _expansion_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())
    claimed = claim(r.B, -r.cross, toy.gamma, 2)
    return numeric("quadrature", claimed, toy_scores(toy).m3, effort.tolerance(1e-10), "M3 of three data")


def _expansion_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    claimed = claim(r.B, -r.cross, example.gamma, 3).mean()
    found = evaluate(example, M3(SAMPLES)).loss[0]
    return numeric("finite differences", claimed, found, effort.tolerance(1e-9), "the engine's M3")


STATEMENTS = (
    Statement(
        id="prop-A.1",
        section="A.2",
        title="M3 at the optimal gamma",
        assumptions="p(x|z) = N(x; g(z), gamma I), q fixed, and the mean of b over the data is positive.",
        form=Form(
            r"\min_\gamma E_D M_3 = -\tfrac{\bar b^2}{2 \bar B}, \quad "
            r"b = E_q[s^q \cdot (x - g)] + d_x = d_x - D, \quad B = |x - E_q g|^2",
            lambda B, cross, d: -((cross + d).mean() ** 2) / (2 * B.mean()),
        ),
        printed=Form(
            r"\min_{\theta, q} h\Bigl(\tfrac1N \sum_n L_3(x_n)\Bigr), \quad "
            r"L_3(x) = g(|x_n - E_q g(z)|^2), \quad g(x) = "
            r"-\tfrac1{2x} \Bigl(\tfrac1N \sum_n E_q[s^q \cdot (x_n - g(z))] + d_x\Bigr)^2",
            lambda B, cross, d: -(d**2) / (2 * (-((cross + d).mean() ** 2) / (2 * B)).mean()),
        ),
        checks=(_least_by_quadrature, _least_of_the_engine),
        mutations={
            "h the identity": lambda B, cross, d: (-((cross + d).mean() ** 2) / (2 * B)).mean(),
            "sign of the cross term": lambda B, cross, d: -((d - cross).mean() ** 2) / (2 * B.mean()),
            "optimal gamma for each datum": lambda B, cross, d: -((cross + d) ** 2 / (2 * B)).mean(),
        },
        consequence=(
            "The proposition nests its L_3 in an h that it does not define; the counterexample takes the h "
            "of Proposition 3.1. With h the identity it is wrong too: the mean over the data belongs "
            "under the fraction. Where the mean of b is not positive there is no optimal gamma at all."
        ),
        code="vsmnp.objectives.M3",
    ),
    Statement(
        id="A.2-M3-expansion",
        section="A.2",
        title="M3 in terms of the reconstruction",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        form=Form(
            r"M_3(x) = \tfrac1{2\gamma^2} |x - E_q g|^2 - \tfrac1\gamma ( E_q[s^q \cdot (x - g)] + d_x )",
            lambda B, cross, gamma, d: B / (2 * gamma**2) - (cross + d) / gamma,
        ),
        checks=(_expansion_by_quadrature, _expansion_of_the_engine),
        mutations={
            "sign of the cross term": lambda B, cross, gamma, d: B / (2 * gamma**2) - (d - cross) / gamma,
            "no half": lambda B, cross, gamma, d: B / gamma**2 - (cross + d) / gamma,
            "gamma squared": lambda B, cross, gamma, d: (B / 2 - cross - d) / gamma**2,
        },
        code="vsmnp.objectives.M3",
    ),
)  # fmt: skip
