"""Beyond the paper: M1, M2 and M3 form one family, with two numbers and an optimal gamma each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from ....objectives import M1, M2, M3, JointFisherLearning, Objective, OptimalGamma
from ....objectives.quadratic import Learning
from ....types import Array
from ..evidence import numeric, statistical
from ..examples.engine import EngineExample
from ..examples.moments import (
    FEW,
    drawn,
    engine_mean,
    engine_reconstruction,
    evaluate,
    loss,
    sampled_reconstruction,
    toy_pairs,
    toy_reconstruction,
    toy_scores,
)
from ..examples.toy import Toy, dot, square
from ..statement import Effort, Evidence, Form, Statement

#: An estimator from the scores ``(..., S, D)`` of S samples, without the divergence of s^p.
_Estimator: TypeAlias = Callable[[Array, Array], Array]

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
    return toy_pairs(toy, _ESTIMATORS[name]) - toy.d_x / toy.gamma


def _of_the_engine(samples: int) -> dict[str, Learning]:
    return {
        "M1": M1(samples),
        "M2 unbiased": M2(samples, estimator="u-statistic"),
        "M2 biased": M2(samples),
        "M3 unbiased": M3(samples, estimator="u-statistic", baseline="leave-one-out"),
        "M3 biased": M3(samples, baseline="leave-one-out"),
    }


def _engine(name: str, samples: int, total: int) -> tuple[Array, Array]:
    return engine_mean(EngineExample.build, _of_the_engine(samples)[name], loss, total)


# --- the biased M2: functions of (B, T, S, gamma, d_x) ---


def _biased_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())
    claimed = claim(r.B, r.T, 2, toy.gamma, 2)
    detail = "mean of the two-sample M2 at three data"
    return numeric("quadrature", claimed, _pairs_of_the_toy("M2 biased"), effort.tolerance(1e-10), detail)


def _biased_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    r, gamma = engine_reconstruction(EngineExample.build), EngineExample.build().gamma
    samples = effort.samples(1_000_000)
    claimed = claim(r.B, r.T, 3, gamma, 2).mean()
    detail = f"the engine's biased M2 of three samples, {samples} in all"
    return statistical(claimed, *_engine("M2 biased", 3, samples), detail)


# --- the family: the claim is a table name -> (c, delta) of S ---


def _family(table: Any, name: str, samples: int, r: Any, gamma: float, d_x: int) -> Array:
    c, delta = table(samples)[name]
    return np.asarray((r.B + c * r.T) / (2 * gamma**2) - (d_x - delta * r.cross) / gamma)


def _family_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())
    claimed = [_family(claim, name, 2, r, toy.gamma, 2) for name in _ESTIMATORS]
    truth = [_pairs_of_the_toy(name) for name in _ESTIMATORS]
    detail = "means of five two-sample estimators at three data"
    return numeric("quadrature", claimed, truth, effort.tolerance(1e-10), detail)


def _family_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    r, gamma = engine_reconstruction(EngineExample.build), EngineExample.build().gamma
    samples = effort.samples(500_000)
    claimed = [_family(claim, name, 3, r, gamma, 2).mean() for name in _ESTIMATORS]
    found = np.array([_engine(name, 3, samples) for name in _ESTIMATORS]).T
    detail = f"the engine's five estimators of three samples, {samples} in all"
    return statistical(claimed, found[0], found[1], detail)


def _table(samples: int) -> dict[str, tuple[float, float]]:
    return {
        "M1": (1, 0),
        "M2 unbiased": (2, 0),
        "M2 biased": (2 - 1 / samples, 0),
        "M3 unbiased": (0, 1),
        "M3 biased": (1 / samples, 1),
    }


# --- optimal gamma: functions of (A, B, D, E|b0|^2, E[c0.b0], d_x), for M1, M2, M3 and the joint FD ---


@cache
def _minima_of_the_toy() -> Array:
    """Find the zeros of the derivative in the precision by search, for the mean over three data."""
    from scipy.optimize import brentq

    def losses(tau: float) -> Array:
        toy = Toy(gamma=1 / tau)
        s = toy_scores(toy)
        fisher = toy.expect_q(
            lambda x, z: 0.5 * (toy.latent_score_q(x, z) - toy.latent_score_p(x, z)) ** 2, FEW
        )
        return np.array([s.m1.mean(), s.m2.mean(), s.m3.mean(), (s.m1 + fisher).mean()])

    def slope(tau: float, i: int) -> float:  # the losses are quadratic in tau: a wide step is exact
        return float((losses(1.4 * tau) - losses(0.6 * tau))[i])

    return np.array([1 / brentq(slope, 0.05, 50, args=(i,), xtol=1e-14, rtol=1e-14) for i in range(4)])


def _gamma_by_search(claim: Any, effort: Effort) -> Evidence:
    toy, r = Toy(), toy_reconstruction(Toy())

    def b0(x: Array, z: Array) -> Array:
        return dot(toy.dg(z), x - toy.g(z))

    square_b0 = toy.expect_q(lambda x, z: b0(x, z) ** 2, FEW).mean()
    along = toy.expect_q(lambda x, z: (toy.latent_score_q(x, z) + z) * b0(x, z), FEW).mean()
    claimed = claim(r.A.mean(), r.B.mean(), r.cross.mean(), square_b0, along, 2)
    detail = "gamma at the minimum of M1, M2, M3 and the joint FD"
    return numeric("quadrature", claimed, _minima_of_the_toy(), effort.tolerance(1e-10), detail)


def _gamma_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare on frozen noise, with moments over the engine's own samples."""
    samples, example = 5, EngineExample.build(d_x=3, d_z=2)
    r = sampled_reconstruction(example, samples)
    eps, (mu, s) = drawn(example, samples), example.q()
    z = mu + s * eps
    slope = (
        example.g(z[..., None, :] + 1e-3 * np.eye(2)) - example.g(z[..., None, :] - 1e-3 * np.eye(2))
    ) / 2e-3
    far = (
        example.g(z[..., None, :] + 2e-3 * np.eye(2)) - example.g(z[..., None, :] - 2e-3 * np.eye(2))
    ) / 4e-3
    b0 = np.einsum("snzd,snd->snz", (4 * slope - far) / 3, example.data - example.g(z))
    claimed = claim(r.A.mean(), r.B.mean(), r.cross.mean(), square(b0).mean(), dot(z - eps / s, b0).mean(), 3)
    rule = OptimalGamma()
    objectives: list[Objective] = [M1(samples, rule), M2(samples, rule), M3(samples, rule),
                                   JointFisherLearning(samples, gamma=rule)]  # fmt: skip
    chosen = [evaluate(example, objective).gamma for objective in objectives]
    truth = [np.exp(2 * choice.log_sd[0]) for choice in chosen if choice is not None]
    detail = "the engine's optimal gamma for M1, M2, M3 and the joint FD"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), detail)


STATEMENTS = (
    Statement(
        id="engine-m2-biased",
        section="engine",
        title="Mean of M2 with the biased estimator",
        assumptions="S independent samples of q stand for it everywhere, also inside the square.",
        form=Form(
            r"\tfrac1{2\gamma^2} ( B + (2 - \tfrac1S) T ) - \tfrac{d_x}{\gamma}",
            lambda B, T, S, gamma, d: (B + (2 - 1 / S) * T) / (2 * gamma**2) - d / gamma,
        ),
        checks=(_biased_by_quadrature, _biased_of_the_engine),
        mutations={
            "without bias": lambda B, T, S, gamma, d: (B + 2 * T) / (2 * gamma**2) - d / gamma,
            "sign of the bias": lambda B, T, S, gamma, d: (B + (2 + 1 / S) * T) / (2 * gamma**2) - d / gamma,
            "S - 1": lambda B, T, S, gamma, d: (B + (2 - 1 / (S - 1)) * T) / (2 * gamma**2) - d / gamma,
        },
        code="vsmnp.objectives.quadratic.squared_mean",
    ),
    Statement(
        id="engine-one-family",
        section="engine",
        title="M1, M2 and M3 in expectation",
        assumptions="p(x|z) = N(x; g(z), gamma I); B, T, D as for the exact q, S samples.",
        form=Form(
            r"E M = \tfrac{B + c T}{2\gamma^2} - \tfrac{d_x - \delta D}{\gamma}, \quad (c, \delta) = (1, 0), "
            r"(2, 0), (2 - \tfrac1S, 0), (0, 1), (\tfrac1S, 1) "
            r"\text{ for } M_1, M_2, M_2^{biased}, M_3, M_3^{biased}",
            _table,
        ),
        checks=(_family_by_quadrature, _family_of_the_engine),
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
        section="engine",
        title="Optimal gamma of every objective",
        assumptions="Means over the data; D < d_x for M3; b0 = J'(x - g) and c0 = grad_z log q + z.",
        form=Form(
            r"\gamma^* = \tfrac{A}{d_x}, \; \tfrac{2A - B}{d_x}, \; \tfrac{B}{d_x - D}, \; "
            r"\tfrac{E|b_0|^2 + A}{E[c_0 \cdot b_0] + d_x} \text{ for } M_1, M_2, M_3, \text{ joint FD}",
            lambda A, B, D, bb, cb, d: [A / d, (2 * A - B) / d, B / (d - D), (bb + A) / (cb + d)],
        ),
        checks=(_gamma_by_search, _gamma_of_the_engine),
        mutations={
            "M2 like M1": lambda A, B, D, bb, cb, d: [A / d, A / d, B / (d - D), (bb + A) / (cb + d)],
            "no D": lambda A, B, D, bb, cb, d: [A / d, (2 * A - B) / d, B / d, (bb + A) / (cb + d)],
            "joint FD like M1": lambda A, B, D, bb, cb, d: [A / d, (2 * A - B) / d, B / (d - D), A / d],
        },
        code="vsmnp.objectives.OptimalGamma",
    ),
)  # fmt: skip
