"""Equations (9) and (23), Proposition 3.1: M1 as an autoencoding loss."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import M1, FixedGamma, OptimalGamma
from ....types import Array
from ..evidence import numeric
from ..examples.moments import (
    FEW,
    SAMPLES,
    ScaledToy,
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

# --- (9), (23): functions of (x, E_q g, V_q g, d_x, d_z) ---


def _loss_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    r = toy_reconstruction(Toy())
    claimed = claim(FEW, r.mean, r.variance, 2, 1)
    detail = "min over gamma of the mean of M1, three data"
    return numeric("search", claimed, toy_least("m1"), effort.tolerance(1e-10), detail)


def _loss_by_the_optimal_gamma(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    found = evaluate(example, M1(SAMPLES, OptimalGamma())).loss[0]
    claimed = claim(example.data, r.mean, r.variance, 3, 2)
    return numeric(
        "closed form", claimed, found, effort.tolerance(1e-12), "the engine's M1 at its optimal gamma"
    )


def _loss_by_search(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    claimed = claim(example.data, r.mean, r.variance, 3, 2)
    detail = "the engine's M1, least over a search in gamma"
    return numeric(
        "search", claimed, engine_least(M1(SAMPLES, FixedGamma())), effort.tolerance(1e-11), detail
    )


# --- Proposition 3.1: functions of (mean L_KL, d_x) that give the least loss and its gamma ---


def _choice_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    found = evaluate(example, M1(SAMPLES, OptimalGamma()))
    assert found.gamma is not None
    truth = [found.loss[0], np.exp(2 * found.gamma.log_sd[0])]
    detail = "the engine's least M1 and gamma*"
    return numeric("closed form", claim(r.A.mean(), 3), truth, effort.tolerance(1e-12), detail)


def _over_theta(claim: Any, effort: Effort) -> Evidence:
    """Compare least M1 over (c, gamma) with the least claim over c, the scale of the decoder."""
    r = toy_reconstruction(Toy())

    def mean_l_kl(c: float) -> float:
        return float((square(FEW - c * r.mean) + c**2 * r.T).mean())

    from scipy.optimize import minimize_scalar

    found = minimize_scalar(lambda c: claim(mean_l_kl(c), 2)[0], bounds=(0.1, 4), method="bounded",
                            options={"xatol": 1e-9})  # fmt: skip
    detail = "M1 of the toy, least over a search in the decoder's scale and gamma"
    return numeric("search", found.fun, _least_m1_over_both(), effort.tolerance(1e-10), detail)


@cache
def _least_m1_over_both() -> float:
    from scipy.optimize import minimize

    def loss(v: Array) -> float:
        return float(toy_scores(ScaledToy(gamma=float(np.exp(v[1])), scale=float(v[0]))).m1.mean())

    return float(minimize(loss, np.array([1.0, 0.0]), options={"gtol": 1e-8}).fun)


# --- the expansion of M1: functions of (x, E_q g, V_q g, gamma, d_x, d_z) ---


def _expansion_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())
    claimed = claim(FEW, r.mean, r.variance, toy.gamma, 2, 1)
    return numeric("quadrature", claimed, toy_scores(toy).m1, effort.tolerance(1e-10), "M1 of three data")


def _expansion_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    example, r = wide()
    claimed = claim(example.data, r.mean, r.variance, example.gamma, 3, 2).mean()
    found = evaluate(example, M1(SAMPLES)).loss[0]
    return numeric("closed form", claimed, found, effort.tolerance(1e-12), "the engine's M1")


_MUTATIONS_OF_THE_LOSS = {
    "no variance": lambda x, mean, variance, d_x, d_z: utility(square(x - mean).mean(), d_x),
    "variance twice": lambda x, mean, variance, d_x, d_z: utility(
        (square(x - mean) + 2 * variance.sum(-1)).mean(), d_x
    ),
    "d_x not squared": lambda x, mean, variance, d_x, d_z: (
        utility((square(x - mean) + variance.sum(-1)).mean(), d_x) / d_x
    ),
    "brackets that end before the variance": lambda x, mean, variance, d_x, d_z: utility(
        square(x - mean).mean() + variance.sum(), d_x
    ),
}


def _loss(x: Array, mean: Array, variance: Array, d_x: int, d_z: int) -> Any:
    return utility((square(x - mean) + variance.sum(-1)).mean(), d_x)


def _loss_as_printed(x: Array, mean: Array, variance: Array, d_x: int, d_z: int) -> Any:
    return utility((square(x - mean) + variance[:, :d_z].sum(-1)).mean(), d_x)


def _expansion(x: Array, mean: Array, variance: Array, gamma: float, d_x: int, d_z: int) -> Array:
    return np.asarray((square(x - mean) + variance.sum(-1)) / (2 * gamma**2) - d_x / gamma)


STATEMENTS = (
    Statement(
        id="9",
        section="3.2",
        title="The autoencoding loss of M1",
        assumptions="p(x|z) = N(x; g(z), gamma I), q fixed, gamma at its optimum.",
        form=Form(
            r"h_F\Bigl(\tfrac1N \sum_n L_{KL}(x_n)\Bigr), \quad "
            r"L_{KL}(x) = |x - E_q g(z)|^2 + \sum_{j=1}^{d_x} V_q[g(z)_j], \quad h_F(y) = -\tfrac{d_x^2}{2y}",
            _loss,
        ),
        printed=Form(
            r"h_F\Bigl(\tfrac1N \sum_n L_{KL}(x_n)\Bigr), \quad "
            r"L_{KL}(x) = |x - E_q g(z)|^2 + \sum_{j=1}^{d_z} V_q[g(z)_j]",
            _loss_as_printed,
        ),
        checks=(_loss_by_quadrature, _loss_by_the_optimal_gamma),
        mutations=_MUTATIONS_OF_THE_LOSS,
        consequence=(
            "The variance has one term for each coordinate of the data, as in (4). The sum to d_z is a "
            "misprint without effect on the argument."
        ),
        code="vsmnp.objectives.M1",
    ),
    Statement(
        id="23",
        section="A.2",
        title="The autoencoding loss of M1, at the end of its proof",
        assumptions="As for (9).",
        form=Form(
            r"h\Bigl(\tfrac1N \sum_n \Bigl\{ |x_n - E_q g|^2 + \sum_{j=1}^{d_x} V_q[g_j] \Bigr\}\Bigr)", _loss
        ),
        printed=Form(
            r"h\Bigl(\tfrac1N \sum_n |x_n - E_q g|^2 + \sum_{j=1}^{d_z} V_q[g_j]\Bigr)", _loss_as_printed
        ),
        checks=(_loss_by_quadrature, _loss_by_search, _loss_by_the_optimal_gamma),
        mutations=_MUTATIONS_OF_THE_LOSS,
        consequence=(
            "The sum runs to d_x, and brackets around the summand are missing; the counterexample grants the "
            "brackets. Read without them the average would not reach the variance, which is wrong as well."
        ),
        code="vsmnp.objectives.M1",
    ),
    Statement(
        id="prop-3.1",
        section="3.2",
        title="M1 at the optimal gamma is an autoencoding loss",
        assumptions="p(x|z) = N(x; g(z), gamma I), q fixed; L_KL with the variance summed to d_x.",
        form=Form(
            r"\min_{\theta, \gamma} E_D M_1 = \min_\theta h_F(\overline{L_{KL}}), \quad "
            r"\gamma^* = \overline{L_{KL}} / d_x",
            lambda y, d_x: [utility(y, d_x), y / d_x],
        ),
        checks=(_choice_of_the_engine, _over_theta),
        mutations={
            "sign": lambda y, d_x: [-utility(y, d_x), y / d_x],
            "factor two": lambda y, d_x: [2 * utility(y, d_x), y / d_x],
            "gamma per datum": lambda y, d_x: [utility(y, d_x), y],
        },
        code="vsmnp.objectives.OptimalGamma",
    ),
    Statement(
        id="A.2-M1-expansion",
        section="A.2",
        title="M1 in terms of the reconstruction",
        assumptions="p(x|z) = N(x; g(z), gamma I); the term in s^q, which theta does not enter, is left out.",
        form=Form(
            r"\tilde M_1(x) = \tfrac1{2\gamma^2} \Bigl\{ |x - E_q g|^2 + \sum_{j=1}^{d_x} V_q[g_j] \Bigr\} "
            r"- \tfrac{d_x}{\gamma}",
            _expansion,
        ),
        printed=Form(
            r"\tilde M_1(x) = \tfrac1{2\gamma^2} \Bigl\{ |x - E_q g|^2 + \sum_{j=1}^{d_z} V_q[g_j] \Bigr\} "
            r"- \tfrac{d_x}{\gamma}",
            lambda x, mean, variance, gamma, d_x, d_z: (
                _expansion(x, mean, variance[:, :d_z], gamma, d_x, d_z)
            ),
        ),
        checks=(_expansion_by_quadrature, _expansion_of_the_engine),
        mutations={
            "no half": lambda x, mean, variance, gamma, d_x, d_z: (
                _expansion(x, mean, variance, gamma, d_x, d_z) * 2 + d_x / gamma
            ),
            "sign of the divergence": lambda x, mean, variance, gamma, d_x, d_z: (
                _expansion(x, mean, variance, gamma, d_x, d_z) + 2 * d_x / gamma
            ),
            "one gamma": lambda x, mean, variance, gamma, d_x, d_z: (
                (square(x - mean) + variance.sum(-1)) / (2 * gamma) - d_x / gamma
            ),
        },
        consequence=(
            "The misprint of (9), without effect. The last line of the derivation is the average over the "
            "data, though its left-hand side is M1 of one datum."
        ),
        code="vsmnp.objectives.M1",
    ),
)  # fmt: skip
