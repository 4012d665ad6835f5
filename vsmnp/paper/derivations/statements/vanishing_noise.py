"""The posterior Fisher divergence of a nonlinear decoder for vanishing noise: (10) is not its limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..evidence import numeric, symbolic
from ..examples.minimum import minimise
from ..quadrature import normal_moment, normal_rule
from ..statement import Effort, Evidence, Form, Statement

_Z0, _BEND = 0.4, 0.3


def _line_fd(a: float, b: float, gamma: float) -> float:
    """Compute ``D_F`` for ``g(z) = z + .3 z^2``, ``x = g(z0)``.

    The offsets of ``mu - z0`` and ``log s`` are gamma (a, b).
    """
    eps, w = normal_rule(12)
    slope = 1 + 2 * _BEND * _Z0
    s = np.exp(gamma * b) / np.sqrt(1 + slope**2 / gamma)
    z = _Z0 + gamma * a + s * eps[:, 0]
    error = (_Z0 - z) * (1 + _BEND * (_Z0 + z))  # x - g(z) without cancellation
    d = -eps[:, 0] / s + z - (1 + 2 * _BEND * z) * error / gamma
    return float(0.5 * w @ (d * d))


def _limit(f: Callable[[float], float]) -> float:
    """Compute ``f(0+)`` by a polynomial through six small gamma."""
    steps = np.arange(1.0, 7.0)
    return float(np.polynomial.Polynomial.fit(steps, [f(2e-3 * t) for t in steps], 5)(0.0))


@cache
def _limits() -> tuple[float, float]:
    """Compute the limits at the q of (10), and at the best q."""

    def best(gamma: float) -> float:
        a, b = minimise(lambda v: _line_fd(v[0], v[1], gamma), np.zeros(2))
        return _line_fd(a, b, gamma)

    return _limit(lambda gamma: _line_fd(0.0, 0.0, gamma)), _limit(best)


def _line_limit(which: int, detail: str) -> Callable[[Any, Effort], Evidence]:
    def check(claim: Any, effort: Effort) -> Evidence:
        claimed = claim(_Z0, 1 + 2 * _BEND * _Z0, 2 * _BEND)
        return numeric("quadrature", claimed, _limits()[which], effort.tolerance(1e-9), detail)

    return check


def _line_series(best: bool) -> Callable[[Any, Effort], Evidence]:
    """Make a check to order zero in ``h = sqrt gamma``.

    It expands at ``z = z0 + h^2 m + s eps``, ``s = h (1 + k h^2) / g'``.
    """

    def check(claim: Any, effort: Effort) -> Evidence:
        import sympy

        h, g1 = sympy.symbols("h g1", positive=True)
        e, z0, m, k, g2 = sympy.symbols("e z0 m k g2", real=True)
        s = h * (1 + k * h**2) / g1
        u = h**2 * m + s * e
        d = -e / s + z0 + u + (g1 + g2 * u) * (g1 * u + g2 * u**2 / 2) / h**2
        zeroth = sympy.Poly(sympy.series(sympy.expand(d), h, 0, 1).removeO().simplify(), e)
        square = sum(c * normal_moment(p) for (p,), c in (zeroth**2).terms()) / 2
        where = sympy.solve(sympy.diff(square, m), m)[0] if best else 0
        return symbolic(claim(z0, g1, g2), square.subs(m, where), "D_F as gamma goes to 0")

    return check


# --- the assumptions of A.4 at a small gamma: q is tight, and its mean is decoded to the datum ---

_TIGHT = 1e-4


def _is_tight(
    offset: float, log_scale: float, which: int, claim: Callable[[float, float, float], float]
) -> Evidence:
    """Check at gamma = 1e-4 that s and ``|x - g(mu)|`` are small and D_F near its limit, not near mu^2/2."""
    slope = 1 + 2 * _BEND * _Z0
    s = np.exp(_TIGHT * log_scale) / np.sqrt(1 + slope**2 / _TIGHT)
    residual = abs(_TIGHT * offset * (1 + _BEND * (2 * _Z0 + _TIGHT * offset)))
    found, limit = _line_fd(offset, log_scale, _TIGHT), claim(_Z0, slope, 2 * _BEND)
    detail = (
        f"gamma = {_TIGHT:.0e}: s = {s:.2g}, |x - g(mu)| = {residual:.1g}; D_F = {found:.4f}, its limit "
        f"{_limits()[which]:.4f}, mu^2/2 = {limit:.4f}"
    )
    small = s < 0.01 and residual < 0.001 and abs(found - limit) > 10 * abs(found - _limits()[which])
    return Evidence("quadrature", 0.0 if small else 1.0, 0.0, detail)


def _best_is_tight() -> Evidence:
    a, b = minimise(lambda v: _line_fd(v[0], v[1], _TIGHT), np.zeros(2))
    return _is_tight(float(a), float(b), 1, lambda z0, g1, g2: z0**2 / 2)


def _decoded_is_tight() -> Evidence:
    return _is_tight(0.0, 0.0, 0, lambda z0, g1, g2: z0**2 / 2)


STATEMENTS = (
    Statement(
        id="10-nonlinear-limit",
        section="3.3.1",
        title="Least posterior Fisher divergence of a nonlinear decoder on the line, as the noise vanishes",
        assumptions="One latent, g(z0) = x, g'(z0) not 0; q any Gaussian whose mean goes to z0.",
        latex=r"\lim_{\gamma \to 0} \min_q D_F[q \| p(z|x)] = "
            r"\tfrac94 \left( \tfrac{g''(z_0)}{g'(z_0)} \right)^2",
        claim=lambda z0, g1, g2: 9 * (g2 / g1) ** 2 / 4,
        printed=Form(
            r"\lim_{\gamma \to 0} \min_q D_F[q \| p(z|x)] = \tfrac12 \mu^{*2}", lambda z0, g1, g2: z0**2 / 2,
            literal=False,
        ),
        error="zero-at-the-optimum",
        within=_best_is_tight,
        checks=(_line_limit(1, "least D_F, extrapolated to gamma = 0"), _line_series(best=True)),
        mutations={
            "factor": lambda z0, g1, g2: 9 * (g2 / g1) ** 2 / 8,
            "not squared": lambda z0, g1, g2: 9 * (g2 / g1) / 4,
        },
        consequence="In the limit in which the paper expects the squared mean, the divergence at the optimum "
            "depends on the curvature of the decoder and not on the mean.",
        without_code="The engine estimates D_F from samples at one gamma, and takes no limit.",
    ),
    Statement(
        id="A.4-dropped-term",
        section="A.4",
        title="What the second order of the expansion adds, as the noise vanishes",
        assumptions="One latent, g(mu) = x, Lambda = 1 + g'(mu)^2 / gamma.",
        latex=r"\lim_{\gamma \to 0} D_F[q \| p(z|x)] = "
            r"\tfrac12 \left( \mu + \tfrac32 \tfrac{g''}{g'} \right)^2 "
            r"+ \tfrac94 \left( \tfrac{g''}{g'} \right)^2",
        claim=lambda z0, g1, g2: (z0 + 3 * g2 / (2 * g1)) ** 2 / 2 + 9 * (g2 / g1) ** 2 / 4,
        printed=Form(
            r"\lim_{\gamma \to 0} D_F[q \| p(z|x)] = \tfrac12 \mu^2", lambda z0, g1, g2: z0**2 / 2,
            literal=False,
        ),
        error="order-one",
        within=_decoded_is_tight,
        checks=(_line_limit(0, "D_F at that q, extrapolated to gamma = 0"), _line_series(best=False)),
        mutations={
            "sign": lambda z0, g1, g2: (z0 - 3 * g2 / (2 * g1)) ** 2 / 2 + 9 * (g2 / g1) ** 2 / 4,
            "no variance": lambda z0, g1, g2: (z0 + 3 * g2 / (2 * g1)) ** 2 / 2,
        },
        consequence="The terms that are dropped are of order |z - mu|^2 / gamma, and q has a variance of "
            "order gamma, so they are of order one however tight q is. The approximation needs a locally "
            "linear g.",
        without_code="The engine estimates D_F from samples at one gamma, and takes no limit.",
    ),
)  # fmt: skip
