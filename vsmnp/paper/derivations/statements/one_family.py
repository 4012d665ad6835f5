"""Beyond the paper: M1, M2 and M3 form one family, with two numbers and an optimal gamma each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from ....objectives import M1, M2, M3, JointFisherLearning, Objective, OptimalGamma
from ....objectives.quadratic import Learning
from ....types import Array
from ..checks import both_sides, sampling_check, value_check
from ..evidence import gradient_in
from ..examples import moments
from ..examples.engine import EngineExample
from ..examples.moments import FEW, SAMPLES, Reconstruction, evaluate
from ..examples.toy import Toy, dot, square
from ..statement import Statement

#: An estimator from the scores ``(..., S, D)`` of S samples, without the divergence of s^p.
_Estimator: TypeAlias = Callable[[Array, Array], Array]

_TOY = Toy()

# --- estimators with S = 2, from the definitions: |E s|^2 by the mean, or as the product of the two ---


def _pair(s_p: Array) -> Array:
    return dot(s_p[..., 0, :], s_p[..., 1, :])


def _each(s_p: Array) -> Array:
    return np.asarray(square(s_p).mean(-1))


_ESTIMATORS: dict[str, _Estimator] = {
    "M1": lambda s_p, s_q: 0.5 * _each(s_p),
    "M2 unbiased": lambda s_p, s_q: _each(s_p) - 0.5 * _pair(s_p),
    "M2 biased": lambda s_p, s_q: _each(s_p) - 0.5 * square(s_p.mean(-2)),
    "M3 unbiased": lambda s_p, s_q: dot(s_q, s_p).mean(-1) + 0.5 * _pair(s_p),
    "M3 biased": lambda s_p, s_q: dot(s_q, s_p).mean(-1) + 0.5 * square(s_p.mean(-2)),
}


@cache
def _pairs_of_the_toy(name: str) -> Array:
    toy = Toy(z_nodes=24)
    return moments.toy_pairs(toy, _ESTIMATORS[name]) - toy.d_x / toy.gamma


#: Samples of the engine's estimators, another number than d_x, d_z and N.
_FIVE = 5
_OF_THE_ENGINE: dict[str, Learning] = {
    "M1": M1(_FIVE),
    "M2 unbiased": M2(_FIVE, estimator="u-statistic"),
    "M2 biased": M2(_FIVE),
    "M3 unbiased": M3(_FIVE, estimator="u-statistic", baseline="leave-one-out"),
    "M3 biased": M3(_FIVE, baseline="leave-one-out"),
}


@cache
def _five_of_the_engine(samples: int) -> tuple[Array, Array]:
    found = np.array([moments.engine_estimate(_OF_THE_ENGINE[name])(samples) for name in _ESTIMATORS])
    return found[:, 0], found[:, 1]


def _of_networks(claim: Any) -> Any:
    """Evaluate a claim for the moments of the engine's example, five samples and its gamma."""
    return claim(moments.engine_reconstruction(EngineExample.build), _FIVE, EngineExample.build().gamma)


def _mean_of_m2(r: Reconstruction, gamma: float, c: float) -> Array:
    return np.asarray((r.B + c * r.T) / (2 * gamma**2) - r.d_x / gamma)


# --- the family: the claim is a table name -> (c, delta) of S ---


def _family(table: Any, r: Reconstruction, samples: int, gamma: float) -> list[Array]:
    return [
        (r.B + c * r.T) / (2 * gamma**2) - (r.d_x - delta * r.cross) / gamma
        for c, delta in (table(samples)[name] for name in _ESTIMATORS)
    ]


def _table(samples: int) -> dict[str, tuple[float, float]]:
    return {
        "M1": (1, 0),
        "M2 unbiased": (2, 0),
        "M2 biased": (2 - 1 / samples, 0),
        "M3 unbiased": (0, 1),
        "M3 biased": (1 / samples, 1),
    }


# --- optimal gamma: functions of (A, B, D, E|b0|^2, E[c0.b0], d_x), for M1, M2, M3 and the joint FD ---


def _minima_of_the_toy() -> Array:
    """Find the zeros of the derivative in the precision by search, for the mean over three data."""
    from scipy.optimize import brentq

    def losses(tau: float) -> Array:
        toy = Toy(gamma=1 / tau)
        s = moments.toy_scores(toy)
        fisher = toy.expect_q(
            lambda x, z: 0.5 * (toy.latent_score_q(x, z) - toy.latent_score_p(x, z)) ** 2, FEW
        )
        return np.array([s.m1.mean(), s.m2.mean(), s.m3.mean(), (s.m1 + fisher).mean()])

    def slope(tau: float, i: int) -> float:  # the losses are quadratic in tau: a moments.wide step is exact
        return float((losses(1.4 * tau) - losses(0.6 * tau))[i])

    return np.array([1 / brentq(slope, 0.05, 50, args=(i,), xtol=1e-14, rtol=1e-14) for i in range(4)])


def _gamma_of_the_toy(claim: Any) -> Any:
    r = moments.toy_reconstruction(_TOY)

    def b0(x: Array, z: Array) -> Array:
        return dot(_TOY.dg(z), x - _TOY.g(z))

    square_b0 = _TOY.expect_q(lambda x, z: b0(x, z) ** 2, FEW).mean()
    along = _TOY.expect_q(lambda x, z: (_TOY.latent_score_q(x, z) + z) * b0(x, z), FEW).mean()
    return claim(r.A.mean(), r.B.mean(), r.cross.mean(), square_b0, along, r.d_x)


@both_sides(
    "finite differences",
    1e-9,
    "the engine's optimal gamma for M1, M2, M3, the joint FD, and the u-statistics of M2 and M3",
)
def _gamma_of_the_engine(claim: Any) -> tuple[Any, Any]:
    """Compare on frozen noise, with moments over the engine's own samples."""
    example, r = moments.wide()
    eps, (_, s) = moments.drawn(example, SAMPLES), example.q()
    z = example.place(eps)
    b0 = np.einsum("sndz,snd->snz", gradient_in(example.g, z), example.data - example.g(z))
    claimed = claim(
        r.A.mean(), r.B.mean(), r.cross.mean(), square(b0).mean(), dot(z - eps / s, b0).mean(), r.d_x
    )
    rule = OptimalGamma()
    objectives: list[Objective] = [
        M1(SAMPLES, rule), M2(SAMPLES, rule), M3(SAMPLES, rule), JointFisherLearning(SAMPLES, gamma=rule),
        M2(SAMPLES, rule, "u-statistic"), M3(SAMPLES, rule, "u-statistic"),
    ]  # fmt: skip
    chosen = [evaluate(example, objective).gamma for objective in objectives]
    claimed = [*claimed, *claimed[1:3]]  # a u-statistic of B can be negative: gamma has the biased one
    return claimed, [np.exp(2 * choice.log_sd[0]) for choice in chosen if choice is not None]


STATEMENTS = (
    Statement(
        id="engine-m2-biased",
        title="Mean of M2 with the biased estimator",
        assumptions="S independent samples of q stand for it everywhere, also inside the square.",
        latex=r"\tfrac1{2\gamma^2} ( B + (2 - \tfrac1S) T ) - \tfrac{d_x}{\gamma}",
        claim=lambda r, S, gamma: _mean_of_m2(r, gamma, 2 - 1 / S),
        checks=(
            value_check("quadrature", 1e-10, "mean of the two-sample M2 at three data",
                lambda claim: claim(moments.toy_reconstruction(_TOY), 2, _TOY.gamma),
                lambda: _pairs_of_the_toy("M2 biased")),
            sampling_check(1_000_000, "the engine's biased M2 of five samples, {samples} in all",
                lambda claim: _of_networks(claim).mean(),
                moments.engine_estimate(_OF_THE_ENGINE["M2 biased"])),
        ),
        mutations={
            "without bias": lambda r, S, gamma: _mean_of_m2(r, gamma, 2),
            "sign of the bias": lambda r, S, gamma: _mean_of_m2(r, gamma, 2 + 1 / S),
            "S - 1": lambda r, S, gamma: _mean_of_m2(r, gamma, 2 - 1 / (S - 1)),
        },
        code="vsmnp.objectives.quadratic.squared_mean",
    ),
    Statement(
        id="engine-one-family",
        title="M1, M2 and M3 in expectation",
        assumptions="p(x|z) = N(x; g(z), gamma I); B, T, D as for the exact q, S samples.",
        latex=r"E M = \tfrac{B + c T}{2\gamma^2} - \tfrac{d_x - \delta D}{\gamma}, \quad (c, \delta) = "
            r"(1, 0), "
            r"(2, 0), (2 - \tfrac1S, 0), (0, 1), (\tfrac1S, 1) "
            r"\text{ for } M_1, M_2, M_2^{biased}, M_3, M_3^{biased}",
        claim=_table,
        checks=(
            value_check("quadrature", 1e-10, "means of five two-sample estimators at three data",
                lambda claim: _family(claim, moments.toy_reconstruction(_TOY), 2, _TOY.gamma),
                lambda: [_pairs_of_the_toy(name) for name in _ESTIMATORS]),
            sampling_check(500_000, "the engine's five estimators of five samples, {samples} in all",
                lambda claim: np.mean(_of_networks(lambda *at: _family(claim, *at)), -1),
                _five_of_the_engine),
        ),
        mutations={
            "M2 like M1": lambda S: _table(S) | {"M2 unbiased": (1, 0)},
            "M3 with variance": lambda S: _table(S) | {"M3 unbiased": (1, 1)},
            "sign of D": lambda S: _table(S) | {"M3 biased": (1 / S, -1)},
            "bias of S - 1": lambda S: _table(S) | {"M3 biased": (1 / (S - 1), 1)},
        },
        code="vsmnp.objectives.quadratic.Learning",
    ),
    Statement(
        id="engine-optimal-gamma",
        title="Optimal gamma of every objective",
        assumptions="Means over the data; D < d_x for M3; b0 = J'(x - g) and c0 = grad_z log q + z.",
        latex=r"\gamma^* = \tfrac{A}{d_x}, \; \tfrac{2A - B}{d_x}, \; \tfrac{B}{d_x - D}, \; "
            r"\tfrac{E|b_0|^2 + A}{E[c_0 \cdot b_0] + d_x} \text{ for } M_1, M_2, M_3, \text{ joint FD}",
        claim=lambda A, B, D, bb, cb, d: [A / d, (2 * A - B) / d, B / (d - D), (bb + A) / (cb + d)],
        checks=(
            value_check("quadrature", 1e-10, "gamma at the minimum of M1, M2, M3 and the joint FD",
                _gamma_of_the_toy, _minima_of_the_toy),
            _gamma_of_the_engine,
        ),
        mutations={
            "M2 like M1": lambda A, B, D, bb, cb, d: [A / d, A / d, B / (d - D), (bb + A) / (cb + d)],
            "no D": lambda A, B, D, bb, cb, d: [A / d, (2 * A - B) / d, B / d, (bb + A) / (cb + d)],
            "joint FD like M1": lambda A, B, D, bb, cb, d: [A / d, (2 * A - B) / d, B / (d - D), A / d],
        },
        code="vsmnp.objectives.OptimalGamma",
    ),
)  # fmt: skip
