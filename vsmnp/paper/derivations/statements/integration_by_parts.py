"""Equation (25): when integration by parts leaves no boundary term."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....types import Array
from ..evidence import gradient, numeric, symbolic
from ..examples.engine import EngineExample
from ..examples.toy import Toy, dot
from ..quadrature import normal_rule
from ..statement import Effort, Evidence, Form, Statement

# A claim maps (boundary, divergence), pi f at the ends and E_pi div f, to E_pi[grad log pi . f]. All three
# are integrals over |x| <= R where the full ones do not exist.

_R = 1e6


@cache
def _cauchy_integrals() -> tuple[Any, Any, Any]:
    """Integrate over [-R, R] for density 1/(pi (1 + x^2)) -> 0, f = x |x|; their product -> +-1/pi."""
    import sympy

    x, r = sympy.symbols("x R", positive=True)
    density, f = 1 / (sympy.pi * (1 + x**2)), x**2

    def over(integrand: Any) -> Any:  # the integrand is even, so that half the line suffices
        return 2 * sympy.integrate(sympy.apart(integrand, x), (x, 0, r))

    return over(sympy.diff(density, x) * f), 2 * (density * f).subs(x, r), over(density * sympy.diff(f, x))


def _cauchy_symbolic(claim: Any, effort: Effort) -> Evidence:
    left, boundary, divergence = _cauchy_integrals()
    detail = "Cauchy density, f = x|x|, integrals over [-R, R]"
    return symbolic(claim(boundary, divergence), left, detail)


@cache
def _cauchy_numbers() -> tuple[float, float]:
    """Compute E[grad log pi f], E f' over |x| <= R, in u with x = sinh u, where integrands are smooth."""
    points, w = np.polynomial.legendre.leggauss(200)
    u = 0.5 * np.arcsinh(_R) * (points + 1)
    x, dx = np.sinh(u), np.cosh(u)
    w = 0.5 * np.arcsinh(_R) * w * dx
    density = 1 / (np.pi * (1 + x * x))
    return 2 * float(w @ (-2 * x / (1 + x * x) * density * x * x)), 2 * float(w @ (density * 2 * x))


def _cauchy_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    left, divergence = _cauchy_numbers()
    boundary = 2 * _R**2 / (np.pi * (1 + _R**2))
    detail = (
        f"Cauchy density, f = x|x|, integrals over |x| <= {_R:.0e}, where pi is {1 / (np.pi * _R**2):.0e}"
    )
    return numeric("quadrature", claim(boundary, divergence), left, effort.tolerance(1e-10), detail)


@cache
def _mixture() -> tuple[float, float]:
    toy = Toy(z_nodes=24)
    x, w = toy.data
    f = toy.expect_q(toy.score_p, x)
    slope = gradient(lambda shift: toy.expect_q(toy.score_p, x + shift), np.zeros(2))
    return float(w @ dot(toy.score_pi(x), f)), float(w @ np.trace(slope, axis1=-2, axis2=-1))


def _mixture_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    """Compare without boundary term: pi falls like a Gaussian, f grows like x."""
    truth, divergence = _mixture()
    detail = "mixture of Gaussians, f = E_q s^p of the toy"
    return numeric("quadrature", claim(0.0, divergence), truth, effort.tolerance(1e-10), detail)


@cache
def _networks() -> tuple[float, float]:
    x, w = normal_rule(120, 1)
    example = EngineExample.build(d_x=1, d_z=1)
    eps, weights = normal_rule(120, 1)

    def f(shift: Array) -> Array:
        mu, s = example.q(x + shift)
        return np.asarray(np.tensordot(weights, example.g(mu + s * eps[:, None, :]), 1) - x - shift)

    slope = gradient(f, np.zeros(1))[:, 0, 0]
    return float(w @ (-x * f(np.zeros(1)))[:, 0]), float(w @ slope)


def _networks_by_quadrature(claim: Any, effort: Effort) -> Evidence:
    truth, divergence = _networks()
    detail = "standard normal, f = E_q g - x of the engine's networks"
    return numeric("quadrature", claim(0.0, divergence), truth, effort.tolerance(1e-10), detail)


STATEMENTS = (
    Statement(
        id="25",
        section="A.3",
        title="Integration by parts under pi",
        assumptions="pi and f are differentiable; the product pi f vanishes at infinity.",
        form=Form(
            r"E_\pi[\nabla_x \log \pi \cdot f] = [\pi f]_{-\infty}^{\infty} - E_\pi[\nabla_x \cdot f] "
            r"= -E_\pi[\nabla_x \cdot f] \text{ if } \pi f \to 0",
            lambda boundary, divergence: boundary - divergence,
        ),
        printed=Form(
            r"E_\pi[\nabla_x \log \pi \cdot f] = -E_\pi[\nabla_x \cdot f] \text{ if } \pi \to 0",
            lambda boundary, divergence: -divergence,
        ),
        checks=(_cauchy_symbolic, _cauchy_by_quadrature, _mixture_by_quadrature, _networks_by_quadrature),
        mutations={
            "sign": lambda boundary, divergence: boundary + divergence,
            "sign of the boundary": lambda boundary, divergence: -boundary - divergence,
            "half": lambda boundary, divergence: boundary - divergence / 2,
        },
        consequence=(
            "That pi vanishes is not enough: it must vanish faster than f grows, or a boundary term stays. "
            "In one dimension it is enough if both expectations exist: pi f then has a limit, and any limit "
            "but zero would make the expectation on the left infinite. Nothing in the paper depends on it."
        ),
    ),
)  # fmt: skip
