"""The optima of inference on the first toy likelihood of (11): a local minimum, which others leave."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import KL, Objective, PosteriorFisher
from ....types import Array
from ..checks import symbolic_sides, value_check
from ..evidence import derivative, gradient, gradient_in
from ..examples.expected import gradient_in_q, loss_of, with_q
from ..examples.minimum import hessian, minimise
from ..quadrature import normal_mean, normal_rule
from ..statement import Statement
from .toy_likelihoods import DATUM, GAMMA, LATENTS, log_joint, product_engine

_ELSEWHERE = (1.7, 0.4)  # another datum and gamma


def _half_square(z: Array, mu: Array, s: Array) -> Array:
    """Compute ``|d|^2/2`` of the score difference; the stencil is exact for polynomials of degree four."""
    d = -(z - mu) / s**2 - gradient_in(log_joint, z, 0.5)
    return np.asarray(0.5 * (d * d).sum(-1))


def _nodes(v: Array) -> tuple[Array, Array, Array]:
    """Return weights, latents and s of a rule for ``v = (mu, log s)``."""
    eps, w = normal_rule(8, 2)
    s = np.exp(v[2:])
    return w, v[:2] + s * eps, s


def _fisher(v: Array) -> float:
    w, z, s = _nodes(v)
    return float(w @ _half_square(z, v[:2], s))


def _kl(v: Array) -> float:
    w, z, _ = _nodes(v)
    return float(-w @ log_joint(z) - v[2:].sum())


# --- the optimum at the origin: a claim is (s^2, value) ---


def _optimum_claimed(claim: Any) -> list[Any]:
    square, value = claim(DATUM, GAMMA)
    return [0.0, 0.0, *[0.5 * np.log(square)] * 2, value]


def _optimum_by_search() -> list[Any]:
    """Minimise the Fisher divergence by a search from near the origin, which ends at a minimum."""
    end = minimise(_fisher, np.array([0.05, -0.03, -0.95, -1.1]))
    return [*end, _fisher(end)]


def _excess_of_the_engine(claim: Any) -> list[Any]:
    square, value = claim(*_ELSEWHERE)
    there = with_q(product_engine(LATENTS, *_ELSEWHERE), np.zeros(2), np.full(2, np.sqrt(square)))
    return [loss_of(there) - value, *gradient_in_q(there, PosteriorFisher(reparametrised=True))]


def _loss_at_origin(a: float, x: float, gamma: float) -> float:
    """Compute ``D_F`` for ``q = N(0, a I)`` in closed form."""
    return a * (1 + (x / gamma) ** 2 - 2 / gamma) - 2 + 1 / a + 2 * a**2 / gamma + 3 * a**3 / gamma**2


def _optimum(x: float, gamma: float, fourth: float = 9.0) -> tuple[float, float]:
    """Compute the minimiser ``a = s^2`` of D_F, the positive root of a quartic, and D_F at it.

    The root solves ``9 a^4/gamma^2 + 4 a^3/gamma + (1 + x^2/gamma^2 - 2/gamma) a^2 = 1``.
    """
    roots = np.roots([fourth / gamma**2, 4 / gamma, 1 + (x / gamma) ** 2 - 2 / gamma, 0, -1])
    a = float(min(r.real for r in roots if r.real > 0 and abs(r.imag) < 1e-9))
    return a, _loss_at_origin(a, x, gamma)


# --- KL and the fixed field have a saddle at the origin: a claim is the negative curvature of each ---


@cache
def _kl_scale() -> Array:
    """Find log s of the best q centred at the origin, by KL."""
    return minimise(lambda log_s: _kl(np.r_[0, 0, log_s]), np.array([-0.5, -0.5]))


@symbolic_sides("curvature of KL, slope of the fixed Fisher gradient")
def _saddle_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    """Compare both curvatures along ``mu = (t, t)``, from the moments of q."""
    t, z1, z2, m1, m2, e1, e2 = sympy.symbols("t z1 z2 m1 m2 e1 e2", real=True)
    (s, x), gamma = sympy.symbols("s x", positive=True), sympy.Rational(1, 4)
    log_p = -(z1**2 + z2**2) / 2 - (x - z1 * z2) ** 2 / (2 * gamma)

    def expect(f: Any) -> Any:
        there = sympy.expand(f).subs({m1: t, m2: t, z1: t + s * e1, z2: t + s * e2})
        return normal_mean(normal_mean(there, e1), e2)

    kl = -expect(log_p) - 2 * sympy.log(s)
    (own,) = sympy.solve(sympy.diff(kl, s).subs(t, 0), s)
    half = sum((-(z - m) / s**2 - sympy.diff(log_p, z)) ** 2 for z, m in ((z1, m1), (z2, m2))) / 2
    slopes = sympy.diff(kl, t) / 2, expect(sympy.diff(half, m1) + sympy.diff(half, m2)) / 2
    return claim(x, gamma, sympy.sqrt), [sympy.diff(slope, t).subs({t: 0, s: own}) for slope in slopes]


def _saddle_by_quadrature() -> list[Any]:
    log_s = _kl_scale()
    curvature = hessian(lambda mu: _kl(np.r_[mu, log_s]), np.zeros(2), 0.05)

    def fixed(t: float) -> Array:
        """Compute the slope along the diagonal of ``E_q`` of the derivative of ``|d|^2/2``, z held fixed."""
        w, z, s = _nodes(np.r_[t, t, log_s])
        return np.asarray((w @ gradient(lambda mu: _half_square(z, mu, s), np.full(2, t), 0.5)).mean())

    return [np.linalg.eigvalsh(curvature)[0], derivative(fixed, 0.05)]


def _saddle_of_the_engine() -> list[Array]:
    def slope(objective: Objective) -> Array:
        def along(t: float) -> Array:
            there = with_q(product_engine(), np.full(2, t), np.exp(_kl_scale()))
            return np.asarray(gradient_in_q(there, objective)[:2].mean())

        return derivative(along, 0.05)

    return [slope(KL()), slope(PosteriorFisher())]


def _saddle(x: Any, gamma: Any, sqrt: Any) -> tuple[Any, Any]:
    """Compute the curvature ``1 + (a - x)/gamma``, and it over a; ``a = s^2`` and ``a^2/gamma + a = 1``."""
    a = (-1 + sqrt(1 + 4 / gamma)) * gamma / 2
    curvature = 1 + (a - x) / gamma
    return curvature, curvature / a


STATEMENTS = (
    Statement(
        id="11-local-optimum",
        section="3.3.2",
        title="Local minimum of the Fisher divergence between the modes",
        assumptions="p_I, x = 2, gamma = 1/4; q = N(mu, diag s^2), the exact Fisher divergence.",
        latex=r"\mu = 0, \; s_1^2 = s_2^2 = a: \; \tfrac{9 a^4}{\gamma^2} + \tfrac{4 a^3}{\gamma} "
            r"+ (1 + \tfrac{x^2}{\gamma^2} - \tfrac2\gamma) a^2 = 1, \quad "
            r"D_F = a (1 + \tfrac{x^2}{\gamma^2} - \tfrac2\gamma) - 2 "
            r"+ \tfrac1a + \tfrac{2 a^2}{\gamma} + \tfrac{3 a^3}{\gamma^2}",
        claim=_optimum,
        checks=(
            value_check("search", 1e-9, "mu, log s, D_F of the minimum",
                _optimum_claimed, _optimum_by_search),
            value_check("quadrature", 1e-9, "loss - value and reparametrised gradient at the origin",
                _excess_of_the_engine, lambda: np.zeros(5)),
        ),
        mutations={
            "no fourth power": lambda x, gamma: _optimum(x, gamma, 0.0),
            "the variance of KL": lambda x, gamma: (0.39, _loss_at_origin(0.39, x, gamma)),
        },
        consequence="The density of the posterior at the origin is about 1/450 of the one at its modes: the "
            "low-density optimum is one of the divergence itself, not of an optimiser.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
    Statement(
        id="11-no-attractor",
        section="3.3.2",
        title="At the origin both KL inference and Fisher inference with fixed samples have a saddle",
        assumptions="p_I, x = 2, gamma = 1/4; mu = 0 and s the stationary one, along the diagonal of mu.",
        latex=r"\partial^2_\mu D_{KL} = 1 + \tfrac{a - x}{\gamma} < 0, \quad \partial_\mu \nabla^b_\mu D_F "
            r"= \tfrac1a \left( 1 + \tfrac{a - x}{\gamma} \right) < 0, \quad \tfrac{a^2}{\gamma} + a = 1",
        claim=_saddle,
        checks=(
            _saddle_symbolic,
            value_check("quadrature", 1e-9,
                "curvature of KL along the diagonal, slope of the fixed Fisher gradient",
                lambda claim: claim(DATUM, GAMMA, np.sqrt), _saddle_by_quadrature),
            value_check("quadrature", 1e-9, "the same through the two objectives",
                lambda claim: claim(DATUM, GAMMA, np.sqrt), _saddle_of_the_engine),
        ),
        mutations={
            "the other diagonal": lambda x, gamma, sqrt: tuple(-v for v in _saddle(-x, gamma, sqrt)),
            "no scale": lambda x, gamma, sqrt: (_saddle(x, gamma, sqrt)[0],) * 2,
        },
        consequence="Neither ends at the origin, as the paper reports.",
        code="vsmnp.objectives.PosteriorFisher",
    ),
)  # fmt: skip
