"""Remark 3.2: the utilities h_F of M1 and h_K of the ELBO."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import ELBO, M1, OptimalGamma
from ..checks import both_sides, symbolic_sides
from ..evidence import derivative
from ..examples.moments import SAMPLES, evaluate, sampled_reconstruction, wide
from ..statement import Statement

# --- Remark 3.2: functions of (y, d_x) that give h_F', h_F'', h_K', h_K'' ---


@symbolic_sides("slopes and curvatures of both minima, unbounded at 0 and concave")
def _slopes_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare with h_F and h_K as minima over gamma of M1 and of the reconstruction term of the ELBO."""
    y, d, gamma = sympy.symbols("y d gamma", positive=True)
    truth = []
    for loss in (y / (2 * gamma**2) - d / gamma, y / (2 * gamma) + d * sympy.log(gamma) / 2):
        (best,) = sympy.solve(sympy.diff(loss, gamma), gamma)
        least = loss.subs(gamma, best)
        truth += [sympy.diff(least, y), sympy.diff(least, y, 2)]
    claimed = list(claim(y, d))
    at_zero = [sympy.limit(1 / slope, y, 0, "+") for slope in claimed[::2]]  # 0: unbounded
    signs = [sympy.sign(curvature) for curvature in claimed[1::2]]  # -1: concave
    return [*claimed, *at_zero, *signs], [*truth, 0, 0, -1, -1]


@both_sides("finite differences", 1e-9, "directional derivatives of M1 and of the negative ELBO at gamma*")
def _slopes_of_the_engine(claim: Any) -> tuple[Any, Any]:
    """Compare with gradients of M1 and the ELBO at their common gamma*, along a direction in the weights."""
    example, r = wide()
    direction = np.random.default_rng(3).standard_normal(example.theta.shape)
    example.model.log_sd(direction)[:] = 0
    direction /= np.linalg.norm(direction)
    found = [evaluate(example, each(SAMPLES, OptimalGamma())).g_theta for each in (M1, ELBO)]
    truth = [(each * direction).sum() for each in found if each is not None]
    h_f, _, h_k, _ = claim(r.A.mean(), 3)
    return np.array([h_f, h_k]) * _slope_of_l_kl(direction.tobytes()), truth


@cache
def _slope_of_l_kl(direction: bytes) -> float:
    example, _ = wide()
    step = np.frombuffer(direction).reshape(example.theta.shape)
    return float(
        derivative(
            lambda t: sampled_reconstruction(example.at(theta=example.theta + t * step), SAMPLES).A.mean()
        )
    )


STATEMENTS = (
    Statement(
        id="remark-3.2",
        section="3.2",
        title="The utilities of M1 and of the ELBO: concave, infinitely steep at zero, of one optimal gamma",
        assumptions="y > 0; both utilities are minima over the same gamma* = y / d_x.",
        latex=r"h_F' = \tfrac{d_x^2}{2y^2}, \; h_F'' = -\tfrac{d_x^2}{y^3}, \quad "
            r"h_K' = \tfrac{d_x}{2y}, \; h_K'' = -\tfrac{d_x}{2y^2}, \quad h_F' = h_K' / \gamma^*",
        claim=lambda y, d: (d**2 / (2 * y**2), -(d**2) / y**3, d / (2 * y), -d / (2 * y**2)),
        checks=(_slopes_symbolic, _slopes_of_the_engine),
        mutations={
            "no square": lambda y, d: (d**2 / (2 * y), -(d**2) / y**3, d / (2 * y), -d / (2 * y**2)),
            "convex": lambda y, d: (d**2 / (2 * y**2), d**2 / y**3, d / (2 * y), -d / (2 * y**2)),
            "h_K without half": lambda y, d: (d**2 / (2 * y**2), -(d**2) / y**3, d / y, -d / y**2),
        },
        code="vsmnp.objectives.ELBO",
    ),
)  # fmt: skip
