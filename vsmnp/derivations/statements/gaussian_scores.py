"""Equations (18) to (22): scores of a Gaussian likelihood, and the precision that minimises a quadratic."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...types import Array
from ..engine_example import EngineExample
from ..evidence import gradient, numeric, symbolic
from ..statement import Effort, Evidence, Form, Statement
from ..toy import Toy, square

# --- (18), (21): derivatives of log N(x; g, gamma I), written for numbers and symbols alike ---


def _score_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    x, g = sympy.symbols("x g", real=True)
    gamma = sympy.symbols("gamma", positive=True)
    log_density = -((x - g) ** 2) / (2 * gamma) - sympy.log(2 * sympy.pi * gamma) / 2
    return symbolic(claim(x, g, gamma), sympy.diff(log_density, x), "d/dx log N(x; g, gamma)")


def _score_of_the_engine(claim: Any, effort: Effort) -> Evidence:
    """The engine's s^p is minus its gradient of the reconstruction term in g, with tau^2 for tau."""
    toy = Toy()
    x, z = np.array([0.3, -0.8]), np.array(0.7)
    truth = gradient(lambda shifted: toy.log_likelihood(shifted, z), x)
    claimed = claim(x, toy.g(z), toy.gamma)
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), "grad_x log p(x|z)")


# --- (19), (20): moments of the score under q ---


def _mean_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    toy = Toy()
    x = toy.data[0][::97]
    mean_score = toy.expect_q(toy.score_p, x)
    mean_g = toy.expect_q(lambda x, z: toy.g(z), x)
    return numeric(
        "quadrature", claim(x, mean_g, toy.gamma), square(mean_score), effort.tolerance(1e-10), "|E_q s^p|^2"
    )


def _mean_by_the_engine(claim: Any, effort: Effort) -> Evidence:
    example = EngineExample.build()
    mean_score = example.expect(lambda eps, z: example.score_p(z))
    mean_g = example.expect(lambda eps, z: example.g(z))
    claimed = claim(example.data, mean_g, example.gamma)
    return numeric(
        "closed form", claimed, square(mean_score), effort.tolerance(1e-12), "|E_q s^p|^2, engine's networks"
    )


def _abs2(v: Array) -> Array:
    return square(np.asarray(v))


# --- (22) ---


def _minimum_symbolic(claim: Any, effort: Effort) -> Evidence:
    import sympy

    a, b, tau = sympy.symbols("a b tau", positive=True)
    loss = tau**2 * a / 2 - tau * b
    (best,) = sympy.solve(sympy.diff(loss, tau), tau)
    return symbolic(claim(a, b), loss.subs(tau, best), "min over tau = 1/gamma, b > 0")


def _minimum_by_search(claim: Any, effort: Effort) -> Evidence:
    """Both signs of b: for b <= 0 the infimum 0 is approached as gamma grows."""
    from scipy.optimize import minimize_scalar

    cases = [(1.7, 0.9), (0.4, 2.5), (1.3, -0.7)]

    def infimum(a: float, b: float) -> float:
        found = minimize_scalar(
            lambda log_tau: 0.5 * a * np.exp(2 * log_tau) - b * np.exp(log_tau),
            bounds=(-60, 10), method="bounded", options={"xatol": 1e-12},
        )  # fmt: skip
        return float(found.fun)

    claimed = [float(claim(a, b)) for a, b in cases]
    truth = [infimum(a, b) for a, b in cases]
    detail = "infimum over gamma > 0 at (a, b) = (1.7, .9), (.4, 2.5), (1.3, -.7)"
    return numeric("closed form", claimed, truth, effort.tolerance(1e-9), detail)


STATEMENTS = (
    Statement(
        id="18",
        section="A.2",
        title="Score of the Gaussian likelihood",
        assumptions="p(x|z) = N(x; g(z), gamma I).",
        form=Form(r"s^p(x|z) = -\tfrac1\gamma (x - g(z))", lambda x, g, gamma: -(x - g) / gamma),
        checks=(_score_symbolic, _score_of_the_engine),
        mutations={
            "sign": lambda x, g, gamma: (x - g) / gamma,
            "gamma squared": lambda x, g, gamma: -(x - g) / gamma**2,
        },
        code="vsmnp.gaussian.precision",
    ),
    Statement(
        id="19",
        section="A.2",
        title="Squared norm of the mean score",
        assumptions="p(x|z) = N(x; g(z), gamma I); q has a mean of g.",
        form=Form(
            r"|E_q s^p|^2 = \tfrac1{\gamma^2} |x - E_q g|^2",
            lambda x, mean_g, gamma: _abs2(x - mean_g) / gamma**2,
        ),
        checks=(_mean_by_quadrature, _mean_by_the_engine),
        mutations={
            "one gamma": lambda x, mean_g, gamma: _abs2(x - mean_g) / gamma,
            "half": lambda x, mean_g, gamma: _abs2(x - mean_g) / (2 * gamma**2),
        },
        code="vsmnp.types.QuadraticForm",
    ),
    Statement(
        id="22",
        section="A.2",
        title="Minimum over gamma of a quadratic in the precision",
        assumptions="a > 0.",
        form=Form(
            r"\inf_{\gamma > 0} \{ \tfrac{a}{2\gamma^2} - \tfrac b\gamma \} = -\tfrac{\max(b, 0)^2}{2a}, "
            r"\text{ attained for } b > 0 \text{ at } \gamma = a/b",
            lambda a, b: -((b + abs(b)) ** 2) / (8 * a),
        ),
        printed=Form(
            r"\min_\gamma \{ \tfrac{a}{2\gamma^2} - \tfrac b\gamma \} = -\tfrac{b^2}{2a}",
            lambda a, b: -(b**2) / (2 * a),
        ),
        checks=(_minimum_symbolic, _minimum_by_search),
        mutations={
            "sign": lambda a, b: (b + abs(b)) ** 2 / (8 * a),
            "no half": lambda a, b: -((b + abs(b)) ** 2) / (4 * a),
        },
        consequence=(
            "For b <= 0 there is no optimal gamma: the loss falls towards 0 as gamma grows. M3 has b = d_x - D, "
            "which is not positive by itself, so its autoencoding loss (Proposition A.1) exists only while it is."
        ),
        code="vsmnp.objectives.gamma.OptimalGamma",
    ),
)  # fmt: skip
