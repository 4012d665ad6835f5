r"""A template of a statement: copy it into a file of :mod:`vsmnp.paper.derivations.statements`.

1. Write the *claim*: the formula as a function of the quantities in it, in operators that NumPy and SymPy
   share.
2. Write at least two *checks*, each ``(claim, effort) -> Evidence``. The other side comes from the
   definition, never from the claim: a derivative by the stencil, an integral by quadrature, the engine.
3. Name the *mutations*: slips that a reader could make. The tests require that each is rejected by some
   check, and that each check rejects one.
4. If the paper prints something else, give that as ``printed``; the failing checks become its counterexample.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model.likelihood import kl_to_normal
from .evidence import numeric, symbolic
from .quadrature import normal_rule
from .statement import Effort, Evidence, Form, Statement


def _by_algebra(claim: Any, effort: Effort) -> Evidence:
    """Compare with ``E_q[log q - log p]`` after substituting the moments of q."""
    import sympy

    mu, z = sympy.symbols("mu z", real=True)
    s = sympy.symbols("s", positive=True)
    log_q = -((z - mu) ** 2) / (2 * s**2) - sympy.log(s)
    log_ratio = sympy.expand(log_q + z**2 / 2)
    mean = log_ratio.subs(z**2, mu**2 + s**2).subs(z, mu)
    return symbolic(claim(mu, s, sympy.log(s)), mean, "E_q[log q - log p]")


def _by_quadrature(claim: Any, effort: Effort) -> Evidence:
    """Compare with the same expectation by a Gauss-Hermite rule; the integrand is a polynomial."""
    mu, s = 0.7, 0.4
    eps, w = normal_rule(8)
    z = mu + s * eps[:, 0]
    truth = w @ (-0.5 * eps[:, 0] ** 2 - np.log(s) + 0.5 * z**2)
    return numeric(
        "quadrature", claim(mu, s, np.log(s)), truth, effort.tolerance(1e-12), "D_KL[N(.7, .4^2) || N(0, 1)]"
    )


def _by_the_engine(claim: Any, effort: Effort) -> Evidence:
    """Compare with the divergence that the engine computes."""
    mu, s = np.array([0.7]), np.array([0.4])
    truth = kl_to_normal(mu, s)
    return numeric(
        "closed form", claim(0.7, 0.4, np.log(0.4)), truth, effort.tolerance(1e-12), "the engine's KL"
    )


SKELETON = Statement(
    id="engine-kl",
    section="engine",
    title="Kullback-Leibler divergence from the prior",
    assumptions="q = N(mu, s^2), p = N(0, 1).",
    form=Form(
        r"D_{KL}[q \| p] = \tfrac12 (\mu^2 + s^2 - 1) - \log s",
        lambda mu, s, log_s: (mu**2 + s**2 - 1) / 2 - log_s,
    ),
    checks=(_by_algebra, _by_quadrature, _by_the_engine),
    mutations={
        "no half": lambda mu, s, log_s: mu**2 + s**2 - 1 - log_s,
        "sign of the logarithm": lambda mu, s, log_s: (mu**2 + s**2 - 1) / 2 + log_s,
    },
    code="vsmnp.model.likelihood.kl_to_normal",
)
