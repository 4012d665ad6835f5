r"""A template of a statement: copy it into a file of :mod:`vsmnp.paper.derivations.statements`.

1. Write the *claim*: the formula as a function of the quantities in it, in operators that NumPy and SymPy
   share.
2. Write at least two *checks*, by the functions of :mod:`vsmnp.paper.derivations.checks`. The other side
   comes from the definition, never from the claim: a derivative by the stencil, an integral by quadrature,
   the engine.
3. Name the *mutations*: errors that a reader could make. The tests require that each is rejected by some
   check, and that each check rejects one.
4. If the paper prints something else, give that as ``printed``, and name its ``error``, a row of
   :mod:`vsmnp.paper.derivations.errata` with a grade; the failing checks become its counterexample.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model.likelihood import kl_to_normal
from .checks import both_sides, symbolic_sides, value_check
from .quadrature import normal_mean, normal_rule
from .statement import Statement


@symbolic_sides("E_q[log q - log p]")
def _by_algebra(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare with ``E_q[log q - log p]``, a polynomial in the noise eps but for the logarithm of s."""
    mu, eps = sympy.symbols("mu eps", real=True)
    s = sympy.symbols("s", positive=True)
    truth = normal_mean(-(eps**2) / 2 + (mu + s * eps) ** 2 / 2, eps) - sympy.log(s)
    return claim(mu, s, sympy.log(s)), truth


@both_sides("quadrature", 1e-12, "D_KL[N(.7, .4^2) || N(0, 1)]")
def _by_quadrature(claim: Any) -> tuple[Any, Any]:
    """Compare with the same expectation by a Gauss-Hermite rule; the integrand is a polynomial."""
    mu, s = 0.7, 0.4
    eps, w = normal_rule(8)
    z = mu + s * eps[:, 0]
    return claim(mu, s, np.log(s)), w @ (-0.5 * eps[:, 0] ** 2 - np.log(s) + 0.5 * z**2)


SKELETON = Statement(
    id="engine-kl",
    title="Kullback-Leibler divergence from the prior",
    assumptions="q = N(mu, s^2), p = N(0, 1).",
    latex=r"D_{KL}[q \| p] = \tfrac12 (\mu^2 + s^2 - 1) - \log s",
    claim=lambda mu, s, log_s: (mu**2 + s**2 - 1) / 2 - log_s,
    checks=(
        _by_algebra,
        _by_quadrature,
        value_check(
            "closed form",
            1e-12,
            "the engine's KL",
            lambda claim: claim(0.7, 0.4, np.log(0.4)),
            lambda: kl_to_normal(np.array([0.7]), np.array([0.4])),
        ),
    ),
    mutations={
        "no half": lambda mu, s, log_s: mu**2 + s**2 - 1 - log_s,
        "sign of the logarithm": lambda mu, s, log_s: (mu**2 + s**2 - 1) / 2 + log_s,
    },
    code="vsmnp.model.likelihood.kl_to_normal",
)
