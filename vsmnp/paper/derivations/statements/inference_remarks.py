"""Remarks on inference: the meaning of matching shapes (3.3.2), and a q whose score jumps (A.5.3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....types import Array
from ...reproduce.laplace.family import NormalTarget
from ..checks import symbolic_sides, value_check
from ..evidence import derivative
from ..examples.expected import loss_of
from ..examples.linear_engine import on_the_line
from ..quadrature import normal_rule
from ..statement import Form, Statement

# --- the hypothesis of 3.3.2: a claim selects the scores whose difference is small where shapes match ---


def _shape_difference(claim: Any, q: Array) -> float:
    """Compute ``E_q |claim|^2/2`` with scores of the exact posterior of a linear VAE in x and in z."""
    vae, (_, _, mean, sd) = on_the_line()
    gain = vae.to_mean[0, 0]  # slope of the posterior mean in x
    eps, weights = normal_rule(10)
    z = q[0] + q[1] * eps[:, 0]

    def log_posterior(dx: float, dz: float) -> Array:
        return np.asarray(-0.5 * ((z + dz - mean - gain * dx) / sd) ** 2)

    in_x = derivative(lambda t: log_posterior(t, 0.0), 0.5)
    in_z = derivative(lambda t: log_posterior(0.0, t), 0.5)
    of_q = derivative(lambda t: -0.5 * ((z + t - q[0]) / q[1]) ** 2, 0.5)
    return float(weights @ (0.5 * claim(in_x, in_z, of_q) ** 2))


# --- A.5.3: a claim is the gradient in m of Lap(m, s), samples held fixed, for the target N(0, 1): first of
# the integrand where it is differentiable, as in A.5.1, then with the jump of the score counted ---

_M, _S = 0.7, 0.6
_AT = np.array(_M), np.array(_S)


def _expect(m: float, f: Any) -> float:
    """Compute ``E f(y, sign y)`` for ``z = m + y`` under Lap(m, s), by Gauss-Laguerre on either side."""
    y, w = np.polynomial.laguerre.laggauss(30)
    return float(0.5 * w @ (f(m + _S * y, 1.0) + f(m - _S * y, -1.0)))


def _half_square(z: Array, side: float) -> Array:
    """Compute ``|d|^2/2``, ``d = grad log q - grad log N(0, 1)``; side is the sign of z - m."""
    return np.asarray(0.5 * (-side / _S + z) ** 2)


@symbolic_sides("derivative of |d|^2/2 in m on either side of m")
def _almost_everywhere(claim: Any, sympy: Any) -> tuple[Any, Any]:
    z, m = sympy.symbols("z m", real=True)
    s = sympy.Symbol("s", positive=True)
    sides = [sympy.diff((-side / s + z) ** 2 / 2, m) for side in (1, -1)]
    return [claim(m, s)] * 2, sides


def _of_fixed_samples() -> float:
    """Compute the mean over samples off m of the derivative in m of ``|d|^2/2``, by differences."""

    def integrand(z: Array, side: float) -> Array:
        return derivative(lambda t: 0.5 * (-np.sign(z - _M - t) / _S + z) ** 2)

    return _expect(_M, integrand)


def _by_parts() -> float:
    """Compute the total derivative of the divergence less the part due to the density of q."""
    total = derivative(lambda t: _expect(_M + t, _half_square))
    density = _expect(_M, lambda z, side: _half_square(z, side) * side / _S)
    return float(total - density)


def _by_rounding() -> float:
    """Compute the limit of the same gradient for a score that changes sign over a width h, without a jump."""
    t, w = np.polynomial.legendre.leggauss(120)
    t, w = 20 * (t + 1), 20 * w  # one side; the other is symmetric

    def at(h: float) -> float:
        def one(side: float) -> float:
            z = _M + side * h * t
            density = np.exp(-h * t / _S) / (2 * _S)
            d = -np.tanh(side * t) / _S + z
            return float(w @ (density * d / (_S * np.cosh(t) ** 2)))  # h dt times d d/dm

        return one(1.0) + one(-1.0)

    steps = np.arange(1.0, 9.0)
    return float(np.polynomial.Polynomial.fit(steps, [at(0.01 * h) for h in steps], 7)(0.0))


@symbolic_sides("expected derivative of |d|^2/2 in m, the jump of the score a delta")
def _with_delta(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare with the derivative of q's score as a distribution; the square of the sign is 1."""
    z, m = sympy.symbols("z m", real=True)
    s = sympy.Symbol("s", positive=True)
    side = sympy.sign(z - m)
    half_square = sympy.expand((-side / s + z) ** 2 / 2).subs(side**2, 1)
    density = sympy.exp(-sympy.Abs(z - m) / s) / (2 * s)
    gradient = sympy.integrate(sympy.diff(half_square, m) * density, (z, -sympy.oo, sympy.oo))
    return claim(m, s), gradient


STATEMENTS = (
    Statement(
        id="3.3.2-hypothesis",
        section="3.3.2",
        title="What is small where the shapes of q and of the posterior match",
        assumptions="q and p(z|x) have scores in z; one data dimension for the comparison.",
        latex=r"|\nabla_z \log p(z|x) - \nabla_z \log q(z|x)|",
        claim=lambda in_x, in_z, of_q: in_z - of_q,
        printed=Form(
            r"|\nabla_x \log p(z|x) - \nabla_z \log q(z|x)|", lambda in_x, in_z, of_q: in_x - of_q
        ),
        error="nabla-x",
        checks=(
            value_check("quadrature", 1e-10, "half its square against D_F",
                lambda claim: _shape_difference(claim, on_the_line()[1][:2]),
                lambda: loss_of(on_the_line()[0].example)),
            value_check("closed form", 1e-10, "half its square at q = p(z|x), which must be 0",
                lambda claim: _shape_difference(claim, on_the_line()[1][2:]), lambda: 0.0),
        ),
        mutations={
            "in x, and the sum": lambda in_x, in_z, of_q: in_x + of_q,
            "sum": lambda in_x, in_z, of_q: in_z + of_q,
        },
        consequence="With unlike dimensions the two gradients cannot be subtracted.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="A.5.3-laplace",
        section="A.5.3",
        title="Gradient in the location of a Laplace q, with the samples held fixed",
        assumptions="q = Lap(m, s), target N(0, 1); the integrand is differentiated before the expectation "
            "is taken, as A.5.1 defines it, and almost everywhere.",
        latex=r"\partial^b_m D_F = 0",
        claim=lambda m, s: 0 * m,
        checks=(
            _almost_everywhere,
            value_check("finite differences", 1e-9, "mean derivative of |d|^2/2 at samples off m",
                lambda claim: claim(_M, _S), _of_fixed_samples),
            value_check("closed form", 1e-12, "gradient 'biased' of the code of A.5.3",
                lambda claim: claim(_M, _S), lambda: NormalTarget().biased(*_AT).m),
        ),
        mutations={
            "the total one": lambda m, s: m,
            "with the jump of the score": lambda m, s: m / s**2,
        },
        consequence="Automatic differentiation returns this value, with which m is not learned.",
        code="vsmnp.paper.reproduce.laplace.family.NormalTarget",
    ),
    Statement(
        id="engine-laplace-jump",
        title="The term that the jump of the score of a Laplace q adds to the gradient in its location",
        assumptions="q = Lap(m, s), target N(0, 1); the 1/2 of (5) counts; the derivative of the score of q "
            "in m is taken as a distribution, which is another reading than that of A.5.3.",
        latex=r"\partial^b_m D_F = \tfrac{m}{s^2}",
        claim=lambda m, s: m / s**2,
        checks=(
            _with_delta,
            value_check("quadrature", 1e-10, "total derivative of D_F less the part of q's density",
                lambda claim: claim(_M, _S), _by_parts),
            value_check("quadrature", 1e-8, "the same gradient for a rounded score, as the rounding vanishes",
                lambda claim: claim(_M, _S), _by_rounding),
            value_check("closed form", 1e-12, "gradient 'biased, with jump' of the code of A.5.3",
                lambda claim: claim(_M, _S), lambda: NormalTarget().with_jump(*_AT).m),
        ),
        mutations={
            "the total one": lambda m, s: m,
            "density once more": lambda m, s: m / (2 * s**2),
            "sign": lambda m, s: -m / s**2,
        },
        consequence="With the samples held fixed, this term is the whole gradient, and a step against it "
            "moves m towards the optimum. `vsmnp reproduce laplace` calls the gradient without it 'biased' "
            "and with it 'biased, with jump'.",
        code="vsmnp.paper.reproduce.laplace.family.NormalTarget",
    ),
)  # fmt: skip
