"""Equation (25): when integration by parts leaves no boundary term."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....types import Array
from ..checks import both_sides, symbolic_sides
from ..evidence import divergence_in
from ..examples.engine import EngineExample
from ..examples.toy import Toy, dot
from ..quadrature import normal_log_density, normal_rule
from ..statement import Form, Statement

# A claim maps (boundary, divergence), pi f at the ends and E_pi div f, to E_pi[grad log pi . f]. All three
# are integrals over |x| <= R where the full ones do not exist.

_R = 1e6


@symbolic_sides("Cauchy density, f = x|x|, integrals over [-R, R]")
def _cauchy_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare for density 1/(pi (1 + x^2)) -> 0, f = x |x|; their product -> +-1/pi."""
    x, r = sympy.symbols("x R", positive=True)
    density, f = 1 / (sympy.pi * (1 + x**2)), x**2

    def over(integrand: Any) -> Any:  # the integrand is even, so that half the line suffices
        return 2 * sympy.integrate(sympy.apart(integrand, x), (x, 0, r))

    claimed = claim(2 * (density * f).subs(x, r), over(density * sympy.diff(f, x)))
    return claimed, over(sympy.diff(density, x) * f)


@both_sides(
    "quadrature",
    1e-10,
    f"Cauchy density, f = x|x|, integrals over |x| <= {_R:.0e}, where pi is {1 / (np.pi * _R**2):.0e}",
)
def _cauchy_by_quadrature(claim: Any) -> tuple[Any, Any]:
    """Compare E[grad log pi f], E f' over |x| <= R, in u with x = sinh u, where integrands are smooth."""
    points, w = np.polynomial.legendre.leggauss(200)
    u = 0.5 * np.arcsinh(_R) * (points + 1)
    x, dx = np.sinh(u), np.cosh(u)
    w = np.arcsinh(_R) * w * dx  # both halves of the line
    density = 1 / (np.pi * (1 + x * x))
    boundary = 2 * _R**2 / (np.pi * (1 + _R**2))
    return claim(boundary, w @ (density * 2 * x)), w @ (-2 * x / (1 + x * x) * density * x * x)


@both_sides("quadrature", 1e-10, "mixture of Gaussians, f = E_q s^p of the toy")
def _mixture_by_quadrature(claim: Any) -> tuple[Any, Any]:
    """Compare without boundary term: pi falls like a Gaussian, f grows like x."""
    toy = Toy(z_nodes=24)
    x, w = toy.data

    def f(x: Array) -> Array:
        return toy.expect_q(toy.score_p, x)

    return claim(0.0, w @ divergence_in(f, x)), w @ dot(toy.score_pi(x), f(x))


@both_sides("quadrature", 1e-10, "standard normal, f = E_q g - x of the engine's networks")
def _networks_by_quadrature(claim: Any) -> tuple[Any, Any]:
    (x, w), example = normal_rule(120, 1), EngineExample.build(d_x=1, d_z=1, nodes=120)

    def f(x: Array) -> Array:
        return example.mean_decoded(x) - x

    return claim(0.0, w @ divergence_in(f, x)), w @ dot(-x, f(x))


# --- the boundary term: a claim maps L, pi(R_0), pi(R) and the logarithm to the integral of pi' f ---


@symbolic_sides("integral of pi' L/pi for pi = A (b + x)^-n")
def _boundary_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    x, r0, r, b, limit, scale = sympy.symbols("x R0 R b L A", positive=True)
    n = sympy.Symbol("n", positive=True)
    density = scale * (b + x) ** -n
    integrand = sympy.simplify(sympy.diff(density, x) * limit / density)
    integral = sympy.integrate(integrand, x)
    truth = integral.subs(x, r) - integral.subs(x, r0)
    claimed = claim(limit, density.subs(x, r0), density.subs(x, r), sympy.log)
    return sympy.expand_log(claimed, force=True), sympy.expand_log(truth, force=True)


@both_sides("quadrature", 1e-10, "Gaussian tails of sd 0.8 from x = 0.6 to 1.9 and 7, pi f = 1.7")
def _boundary_by_quadrature(claim: Any) -> tuple[Any, Any]:
    points, w = np.polynomial.legendre.leggauss(80)
    limit, claimed, truth = 1.7, [], []
    for end in (1.9, 7.0):
        x, half = 0.6 + (end - 0.6) * (points + 1) / 2, (end - 0.6) / 2
        density = np.exp(normal_log_density(x, 0.0, 0.8**2))
        truth.append(half * w @ (-x / 0.8**2 * density * (limit / density)))
        first, last = (float(np.exp(normal_log_density(np.array(at), 0.0, 0.8**2))) for at in (0.6, end))
        claimed.append(claim(limit, first, last, np.log))
    return claimed, truth


STATEMENTS = (
    Statement(
        id="25",
        section="A.3",
        title="Integration by parts under pi",
        assumptions="pi and f are differentiable; pi f vanishes at infinity, which on the line follows if pi "
            "vanishes and both expectations are finite.",
        latex=r"E_\pi[\nabla_x \log \pi \cdot f] = [\pi f]_{-\infty}^{\infty} - E_\pi[\nabla_x \cdot f] "
            r"= -E_\pi[\nabla_x \cdot f] \text{ if } \pi f \to 0",
        claim=lambda boundary, divergence: boundary - divergence,
        printed=Form(
            r"E_\pi[\nabla_x \log \pi \cdot f] = -E_\pi[\nabla_x \cdot f] \text{ if } \pi \to 0",
            lambda boundary, divergence: -divergence,
        ),
        error="finite-expectations",
        checks=(_cauchy_symbolic, _cauchy_by_quadrature, _mixture_by_quadrature, _networks_by_quadrature),
        mutations={
            "sign": lambda boundary, divergence: boundary + divergence,
            "sign of the boundary": lambda boundary, divergence: -boundary - divergence,
            "half": lambda boundary, divergence: boundary - divergence / 2,
        },
        consequence="The counterexample compares integrals over |x| <= R: over the whole line its "
            "expectations are infinite. Where they are finite, the printed condition suffices on the line, "
            "since a limit of pi f other than zero would make the expectation on the left infinite "
            "(engine-boundary-term). Nothing in the paper depends on it.",
        without_code="The engine evaluates the result of the integration, the divergence of s^p, and neither "
            "side of it.",
    ),
    Statement(
        id="engine-boundary-term",
        title="A boundary term makes the expectation infinite on the line",
        assumptions="pi is positive and differentiable, and pi f is a constant L beyond R_0.",
        latex=r"\int_{R_0}^{R} \pi \, (\log \pi)' f \, dx = L \log \frac{\pi(R)}{\pi(R_0)} \to -\infty "
            r"\text{ as } \pi(R) \to 0, \; L > 0",
        claim=lambda limit, first, last, log: limit * log(last / first),
        checks=(_boundary_symbolic, _boundary_by_quadrature),
        mutations={
            "difference of the densities": lambda limit, first, last, log: limit * (last - first),
            "sign": lambda limit, first, last, log: limit * log(first / last),
            "no limit": lambda limit, first, last, log: log(last / first),
        },
        without_code="The statement is about densities of data, of which the engine has samples only.",
    ),
)  # fmt: skip
