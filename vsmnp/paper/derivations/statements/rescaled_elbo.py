"""Beyond the paper: M1 is the ELBO rescaled, and with one sample M2 is M1."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import ELBO, M1, M2, M3
from ....objectives.quadratic import Learning
from ....types import Array
from ..evidence import derivative, numeric, symbolic
from ..examples.engine import EngineExample
from ..examples.moments import FEW, ScaledToy, drawn, evaluate, toy_scores
from ..examples.toy import dot
from ..statement import Effort, Evidence, Form, Statement

_SAMPLES = 4


def _outcome(objective: Learning) -> tuple[float, Array, float]:
    """Compute loss, gradient in the weights and in l, by the engine on the same noise for all objectives."""
    example = EngineExample.build(d_x=3)
    found = evaluate(example, objective)
    assert found.g_theta is not None
    weights = found.g_theta.copy()
    slope = float(example.model.log_sd(weights)[0])
    example.model.log_sd(weights)[:] = 0
    return float(found.loss[0]), weights[0], slope


# --- M1 and the ELBO: functions of (gradient of NELBO in the weights, in l, gamma) that give both of M1 ---


def _gradients_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    _, weights, slope = _outcome(ELBO(_SAMPLES))
    _, weights_m1, slope_m1 = _outcome(M1(_SAMPLES))
    claimed = np.append(*claim(weights, slope, EngineExample.build(d_x=3).gamma))
    detail = "the engine's gradients of M1, from those of its negative ELBO"
    return numeric("closed form", claimed, np.append(weights_m1, slope_m1), effort.tolerance(1e-12), detail)


@cache
def _slopes_of_the_toy() -> Array:
    """Compute slopes of negative ELBO and M1 in the decoder's scale and in l, ``(2, 2)``, of three data."""
    gamma = ScaledToy().gamma

    def both(scale: float, log_sd: float) -> Array:
        toy = ScaledToy(gamma=gamma * float(np.exp(2 * log_sd)), scale=scale)
        return np.array([-toy.expect_q(toy.log_likelihood, FEW).mean(), toy_scores(toy).m1.mean()])

    return np.stack([derivative(lambda t: both(1 + t, 0)), derivative(lambda t: both(1, t))], 1)


def _gradients_of_the_toy(claim: Any, effort: Effort) -> Evidence:
    nelbo, m1 = _slopes_of_the_toy()
    claimed = claim(nelbo[0], nelbo[1], ScaledToy().gamma)
    detail = "derivatives of M1 in the scale of the decoder and in l, from those of the ELBO"
    return numeric("finite differences", claimed, m1, effort.tolerance(1e-9), detail)


# --- one sample: functions of (M1, s^q . s^p) that give M2 and M3 ---


def _one_sample_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    s, q, divergence = sympy.symbols("s q divergence", real=True)
    m1 = s**2 / 2 + divergence
    truth = [
        s**2 + divergence - s**2 / 2,
        q * s + divergence + s**2 / 2,
    ]  # (13), (15): the mean is the sample
    return symbolic(list(claim(m1, q * s)), truth, "(13) and (15) with one sample for q")


def _one_sample_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare losses, and their derivatives along a direction in theta."""
    example = EngineExample.build(d_x=3)
    rng = np.random.default_rng(5)
    direction = rng.standard_normal(example.theta.shape)
    direction /= np.linalg.norm(direction)
    eps, (mu, s) = drawn(example, 1), example.q()
    s_q = example.score_q(eps)

    def cross(t: float) -> Array:
        moved = example.at(theta=example.theta + t * direction)
        return dot(s_q, moved.score_p(mu + s * eps)).mean()  # type: ignore[no-any-return]

    def of(objective: Learning) -> Array:
        found = evaluate(example, objective)
        assert found.g_theta is not None
        return np.array([found.loss[0], (found.g_theta * direction).sum()])

    claimed = claim(of(M1(1)), np.array([cross(0.0), derivative(cross)]))
    detail = "the engine's M2 and M3 with one sample: losses and derivatives in theta"
    return numeric("finite differences", claimed, [of(M2(1)), of(M3(1))], effort.tolerance(1e-9), detail)


STATEMENTS = (
    Statement(
        id="engine-k-m1",
        section="engine",
        title="The gradient of M1 is the one of the ELBO, rescaled",
        assumptions="p(x|z) = N(x; g(z), gamma I), gamma = exp(2l), q fixed; it holds sample by sample.",
        form=Form(
            r"\nabla_{weights} M_1 = \tfrac1\gamma \nabla_{weights} L_{NELBO}, \quad "
            r"\partial_l M_1 = \tfrac2\gamma \partial_l L_{NELBO}",
            lambda weights, slope, gamma: (weights / gamma, 2 * slope / gamma),
        ),
        checks=(_gradients_of_the_engine, _gradients_of_the_toy),
        mutations={
            "one factor for both": lambda weights, slope, gamma: (weights / gamma, slope / gamma),
            "gamma squared": lambda weights, slope, gamma: (weights / gamma**2, 2 * slope / gamma),
            "not rescaled": lambda weights, slope, gamma: (weights, slope),
        },
        code="vsmnp.objectives.ELBO",
    ),
    Statement(
        id="engine-s1",
        section="engine",
        title="With one sample M2 is M1, and M3 is M1 with the cross term",
        assumptions="S = 1 and the biased estimator: the sample's score stands for its mean.",
        form=Form(r"M_2 = M_1, \quad M_3 = M_1 + s^q \cdot s^p", lambda m1, cross: (m1, m1 + cross)),
        checks=(_one_sample_symbolic, _one_sample_of_the_engine),
        mutations={
            "sign": lambda m1, cross: (m1, m1 - cross),
            "M2 twice": lambda m1, cross: (2 * m1, m1 + cross),
            "cross term in both": lambda m1, cross: (m1 + cross, m1 + cross),
        },
        code="vsmnp.objectives.M2",
    ),
)  # fmt: skip
