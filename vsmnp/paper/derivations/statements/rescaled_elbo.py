"""Beyond the paper: M1 is the ELBO rescaled, and with one sample M2 is M1."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import ELBO, M1, M2, M3
from ....objectives.quadratic import Learning
from ....types import Array
from ..checks import both_sides, symbolic_sides, value_check
from ..evidence import derivative
from ..examples.engine import EngineExample
from ..examples.expected import theta_gradient
from ..examples.moments import FEW, ScaledToy, drawn, evaluate, toy_scores
from ..examples.toy import dot
from ..statement import Statement

_SAMPLES = 4


_EXAMPLE = EngineExample.build(d_x=3)


def _gradient(objective: Learning) -> tuple[Array, float]:
    """Compute the gradient in the weights and in l by the engine, on the same noise for all objectives."""
    weights = theta_gradient(evaluate(_EXAMPLE, objective)).copy()
    slope = float(_EXAMPLE.model.log_sd(weights)[0])
    _EXAMPLE.model.log_sd(weights)[:] = 0
    return weights[0], slope


# --- M1 and the ELBO: functions of (gradient of NELBO in the weights, in l, gamma) that give both of M1 ---


@cache
def _slopes_of_the_toy() -> Array:
    """Compute slopes of negative ELBO and M1 in the decoder's scale and in l, ``(2, 2)``, of three data."""
    gamma = ScaledToy().gamma

    def both(scale: float, log_sd: float) -> Array:
        toy = ScaledToy(gamma=gamma * float(np.exp(2 * log_sd)), scale=scale)
        return np.array([-toy.expect_q(toy.log_likelihood, FEW).mean(), toy_scores(toy).m1.mean()])

    return np.stack([derivative(lambda t: both(1 + t, 0)), derivative(lambda t: both(1, t))], 1)


# --- one sample: functions of (M1, s^q . s^p) that give M2 and M3 ---


@symbolic_sides("(13) and (15) with one sample for q")
def _one_sample_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    s, q, divergence = sympy.symbols("s q divergence", real=True)
    m1 = s**2 / 2 + divergence
    m2, m3 = s**2 + divergence - s**2 / 2, q * s + divergence + s**2 / 2  # (13), (15): the mean is the sample
    return list(claim(m1, q * s)), [m2, m3]


@both_sides(
    "finite differences", 1e-9, "the engine's M2 and M3 with one sample: losses and derivatives in theta"
)
def _one_sample_of_the_engine(claim: Any) -> tuple[Any, Any]:
    """Compare losses, and their derivatives along a direction in theta."""
    example = _EXAMPLE
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
        return np.array([found.loss[0], (theta_gradient(found) * direction).sum()])

    return claim(of(M1(1)), np.array([cross(0.0), derivative(cross)])), [of(M2(1)), of(M3(1))]


STATEMENTS = (
    Statement(
        id="engine-k-m1",
        title="The gradient of M1 is the one of the ELBO, rescaled",
        assumptions="p(x|z) = N(x; g(z), gamma I), gamma = exp(2l), q fixed; it holds sample by sample.",
        latex=r"\nabla_{weights} M_1 = \tfrac1\gamma \nabla_{weights} L_{NELBO}, \quad "
            r"\partial_l M_1 = \tfrac2\gamma \partial_l L_{NELBO}",
        claim=lambda weights, slope, gamma: (weights / gamma, 2 * slope / gamma),
        checks=(
            value_check("closed form", 1e-12, "the engine's gradients of M1, from those of its negative ELBO",
                lambda claim: np.append(*claim(*_gradient(ELBO(_SAMPLES)), _EXAMPLE.gamma)),
                lambda: np.append(*_gradient(M1(_SAMPLES)))),
            value_check("finite differences", 1e-9,
                "derivatives of M1 in the scale of the decoder and in l, from those of the ELBO",
                lambda claim: claim(*_slopes_of_the_toy()[0], ScaledToy().gamma),
                lambda: _slopes_of_the_toy()[1]),
        ),
        mutations={
            "one factor for both": lambda weights, slope, gamma: (weights / gamma, slope / gamma),
            "gamma squared": lambda weights, slope, gamma: (weights / gamma**2, 2 * slope / gamma),
            "not rescaled": lambda weights, slope, gamma: (weights, slope),
        },
        code="vsmnp.objectives.ELBO",
    ),
    Statement(
        id="engine-s1",
        title="With one sample M2 is M1, and M3 is M1 with the cross term",
        assumptions="S = 1 and the biased estimator: the sample's score stands for its mean.",
        latex=r"M_2 = M_1, \quad M_3 = M_1 + s^q \cdot s^p",
        claim=lambda m1, cross: (m1, m1 + cross),
        checks=(_one_sample_symbolic, _one_sample_of_the_engine),
        mutations={
            "sign": lambda m1, cross: (m1, m1 - cross),
            "M2 twice": lambda m1, cross: (2 * m1, m1 + cross),
            "cross term in both": lambda m1, cross: (m1 + cross, m1 + cross),
        },
        code="vsmnp.objectives.M2",
    ),
)  # fmt: skip
