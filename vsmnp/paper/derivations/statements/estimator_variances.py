"""Beyond the paper: mean and variance of the estimators of the squared mean and of the cross term."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from ....objectives import M3, Outcome
from ....objectives.m3 import Baseline
from ....objectives.quadratic import SquaredMean
from ....types import Array
from ..checks import sampling_check, symbolic_sides, value_check
from ..examples.gaussian_scores import linear_example, scores, spread_of_the_engine
from ..quadrature import normal_moment
from ..statement import Check, Statement

# --- in symbols: one dimension, one latent that both scores share and one of s^p alone, three samples ---

_SAMPLES = 3


def _moments_symbolic(
    sympy: Any, estimate: Callable[[list[Any], list[Any]], Any]
) -> tuple[tuple[Any, ...], list[Any]]:
    """Return ``m, a, b, c`` of ``q = a e, p = m + b e + c f``, and mean and variance of an estimate."""
    m, a, b, c = sympy.symbols("m a b c", real=True)
    e, f = sympy.symbols(f"e1:{_SAMPLES + 1}"), sympy.symbols(f"f1:{_SAMPLES + 1}")
    found = estimate(
        [a * one for one in e], [m + b * one + c * other for one, other in zip(e, f, strict=True)]
    )

    def mean(polynomial: Any) -> Any:
        terms = sympy.Poly(polynomial, *e, *f).terms()
        return sum(factor * math.prod(map(normal_moment, powers)) for powers, factor in terms)

    first = mean(found)
    return (m, a, b, c), [first, sympy.expand(mean(found**2) - first**2)]


def _unbiased(s: list[Any]) -> Any:
    """Compute the mean product of two different samples."""
    pairs = [one * other for (i, one), (j, other) in product(enumerate(s), repeat=2) if i != j]
    return sum(pairs) / len(pairs)


def _without_itself(q: list[Any], p: list[Any]) -> Any:
    """Compute the cross term, in which the mean of the other samples is subtracted from each s^p."""
    n = len(p)
    return sum(u * (v - (sum(p) - v) / (n - 1)) for u, v in zip(q, p, strict=True)) / n


# --- the squared mean: a claim maps |m|^2, tr W, m'W m, tr W^2, S to mean and variance of both estimators ---


def _squares(
    mm: Any, w: Any, mwm: Any, ww: Any, S: Any, bias: Any = None, pairs: Any = None, slope: Any = 4
) -> Any:
    bias, pairs = bias or S, pairs or S * (S - 1)
    return [mm + w / bias, slope * mwm / S + 2 * ww / S**2, mm, slope * mwm / S + 2 * ww / pairs]


@symbolic_sides("mean and variance of both estimators from the samples, one dimension, S = 3")
def _squares_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    (m, _, b, c), biased = _moments_symbolic(sympy, lambda q, p: (sum(p) / len(p)) ** 2)
    _, unbiased = _moments_symbolic(sympy, lambda q, p: _unbiased(p))
    w = b**2 + c**2
    return list(claim(m**2, w, m**2 * w, w**2, sympy.Integer(_SAMPLES))), biased + unbiased


_ESTIMATORS: tuple[SquaredMean, ...] = ("biased", "u-statistic")
_BASELINES: tuple[Baseline, ...] = ("none", "leave-one-out")


def _squares_by_quadrature() -> Array:
    found = [scores().moments(M3(S, estimator=each))[0] for S in (2, 4) for each in _ESTIMATORS]
    return np.concatenate(found)


def _square(outcome: Outcome) -> Array:
    """Return the estimate of ``|E s^p|^2``, twice the term of M3."""
    return np.asarray(2 * outcome.terms["score_square"])


def _squares_of_the_engine(S: int, place: int) -> Check:
    mean = _squares(*linear_example()[1].squares(), S)[2 * place]
    objective = M3(S, estimator=_ESTIMATORS[place])
    return sampling_check(
        100_000,
        f"mean and variance of the engine's {_ESTIMATORS[place]} estimate, S = {S}, {{samples:,}} calls",
        lambda claim: claim(*linear_example()[1].squares(), S)[2 * place : 2 * place + 2],
        spread_of_the_engine(objective, _square, mean),
    )


# --- the cross term: a claim maps tr C, tr V W, tr C^2, m'V m and S to the mean and both variances ---


def _crosses(c: Any, vw: Any, cc: Any, mvm: Any, S: Any) -> Any:
    return [c, (vw + cc + mvm) / S, (vw + cc) / (S - 1)]


@symbolic_sides("mean and variance without and with the baseline from the samples, one dimension, S = 3")
def _crosses_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    (m, a, b, c), plain = _moments_symbolic(
        sympy, lambda q, p: sum(u * v for u, v in zip(q, p, strict=True)) / len(p)
    )
    _, based = _moments_symbolic(sympy, _without_itself)
    claimed = claim(a * b, a**2 * (b**2 + c**2), (a * b) ** 2, m**2 * a**2, sympy.Integer(_SAMPLES))
    return [claimed[0], *claimed], [plain[0], based[0], plain[1], based[1]]


def _crosses_by_quadrature() -> list[float]:
    found: list[float] = []
    for S in (2, 4):
        mean, plain = scores().moments(M3(S))[1]
        found += [mean, plain, scores().moments(M3(S, baseline="leave-one-out"))[1, 1]]
    return found


def _cross(outcome: Outcome) -> Array:
    """Return the estimate of ``E[s^q . s^p]``."""
    return np.asarray(outcome.terms["cross"])


def _crosses_of_the_engine(S: int, place: int) -> Check:
    baseline = _BASELINES[place]
    mean = linear_example()[1].products()[0]

    def claimed(claim: Any) -> list[float]:
        found = claim(*linear_example()[1].products(), S)
        return [found[0], found[1 + place]]

    return sampling_check(
        100_000,
        f"mean and variance of the engine's cross term, baseline {baseline}, S = {S}, {{samples:,}} calls",
        claimed,
        spread_of_the_engine(M3(S, baseline=baseline), _cross, mean),
    )


STATEMENTS = (
    Statement(
        id="engine-squared-mean-variance",
        title="Mean and variance of the biased estimator and the U-statistic of the squared mean",
        assumptions="s_1 ... s_S are independent draws of N(m, W), as s^p is with a linear decoder; the "
            "first "
            "estimator is |mean|^2, the second the mean product of two different samples.",
        latex=r"E |\bar s|^2 = |m|^2 + \tfrac1S \operatorname{tr} W, \quad "
            r"\operatorname{Var} |\bar s|^2 = \tfrac4S m^T W m + \tfrac{2}{S^2} \operatorname{tr} W^2; \quad "
            r"E U = |m|^2, \quad "
            r"\operatorname{Var} U = \tfrac4S m^T W m + \tfrac{2}{S (S - 1)} \operatorname{tr} W^2",
        claim=_squares,
        checks=(
            _squares_symbolic,
            value_check("quadrature", 1e-10,
                "mean and variance of the engine's estimates of a mean in three dimensions, S = 2 and 4",
                lambda claim: np.concatenate([claim(*scores().squares(), S) for S in (2, 4)]),
                _squares_by_quadrature),
            _squares_of_the_engine(3, 0),
            _squares_of_the_engine(5, 1),
        ),
        mutations={
            "no bias": lambda mm, w, mwm, ww, S: [mm, *_squares(mm, w, mwm, ww, S)[1:]],
            "bias of S - 1": lambda mm, w, mwm, ww, S: _squares(mm, w, mwm, ww, S, bias=S - 1),
            "equal variances": lambda mm, w, mwm, ww, S: _squares(mm, w, mwm, ww, S, pairs=S**2),
            "pairs counted once": lambda mm, w, mwm, ww, S: (
                _squares(mm, w, mwm, ww, S, pairs=S * (S - 1) / 2)
            ),
            "slope not squared": lambda mm, w, mwm, ww, S: _squares(mm, w, mwm, ww, S, slope=2),
            "S is 2": lambda mm, w, mwm, ww, S: _squares(mm, w, mwm, ww, 2),
            "S is 3": lambda mm, w, mwm, ww, S: _squares(mm, w, mwm, ww, 3),
            "square of the trace": lambda mm, w, mwm, ww, S: _squares(mm, w, mwm, w**2, S),
        },
        consequence="The bias tr W/S is removed at the price of a variance that is larger by "
            "2 tr W^2/(S^2 (S - 1)): of third order in 1/S, and at most 1/(S - 1) of the variance of the "
            "biased one, which it reaches where m is 0. The U-statistic can be negative.",
        code="vsmnp.objectives.quadratic.squared_mean",
    ),
    Statement(
        id="engine-cross-variance",
        title="Variance of the cross term of M3 without and with the leave-one-out baseline",
        assumptions="(s^q, s^p) jointly Gaussian with means 0 and m, covariances V and W, and C = E[s^q "
            "(s^p - "
            "m)^T] between them, as with a linear decoder, a linear mean and a constant deviation of q; "
            "X has no "
            "baseline, Y that of the other samples.",
        latex=r"E X = E Y = \operatorname{tr} C, \quad \operatorname{Var} X = \tfrac1S \bigl( "
            r"\operatorname{tr} V W + \operatorname{tr} C^2 + m^T V m \bigr), \quad "
            r"\operatorname{Var} Y = \tfrac{1}{S - 1} \bigl( \operatorname{tr} V W + \operatorname{tr} "
            r"C^2 \bigr)",
        claim=_crosses,
        checks=(
            _crosses_symbolic,
            value_check("quadrature", 1e-10,
                "mean and variances of the engine's cross terms of scores in three dimensions, S = 2 and 4",
                lambda claim: np.concatenate([claim(*scores().products(), S) for S in (2, 4)]),
                _crosses_by_quadrature),
            _crosses_of_the_engine(3, 0),
            _crosses_of_the_engine(5, 1),
        ),
        mutations={
            "mean of s^p kept": lambda c, vw, cc, mvm, S: [
                *_crosses(c, vw, cc, mvm, S)[:2], (vw + cc + mvm) / (S - 1)
            ],
            "mean of s^p forgotten": lambda c, vw, cc, mvm, S: [
                c, (vw + cc) / S, (vw + cc) / (S - 1)
            ],
            "no price of the baseline": lambda c, vw, cc, mvm, S: [
                *_crosses(c, vw, cc, mvm, S)[:2], (vw + cc) / S
            ],
            "scores independent": lambda c, vw, cc, mvm, S: _crosses(c, vw, 0, mvm, S),
            "square of the trace": lambda c, vw, cc, mvm, S: _crosses(c, vw, c**2, mvm, S),
            "S is 2": lambda c, vw, cc, mvm, S: _crosses(c, vw, cc, mvm, 2),
            "S is 3": lambda c, vw, cc, mvm, S: _crosses(c, vw, cc, mvm, 3),
            "sign of the mean": lambda c, vw, cc, mvm, S: [-c, *_crosses(c, vw, cc, mvm, S)[1:]],
        },
        consequence="The baseline removes m^T V m, the largest term where the mean of s^p is large beside "
            "its spread, and enlarges the rest by S/(S - 1): it pays where m^T V m exceeds "
            "(tr V W + tr C^2)/(S - 1).",
        code="vsmnp.objectives.M3",
    ),
)  # fmt: skip
