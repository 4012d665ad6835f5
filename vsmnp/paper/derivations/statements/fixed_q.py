"""Propositions 4.1 and A.1 hold for a fixed q: minimising over q as well is a different problem."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import M2, FixedGamma
from ....objectives.quadratic import Learning
from ....types import Array
from ..evidence import numeric, symbolic
from ..examples.engine import EngineExample
from ..examples.moments import (
    SAMPLES,
    Reconstruction,
    ScaledToy,
    evaluate,
    sampled_reconstruction,
    toy_reconstruction,
    toy_scores,
)
from ..quadrature import normal_moment
from ..statement import Effort, Evidence, Form, Statement

# A claim maps the width of the q that M2 and M3 were given to the widths over which its autoencoding
# losses are minimised besides theta, the scale of the decoder.


def _losses(r: Reconstruction, d_x: int) -> Array:
    """Compute the autoencoding losses of M2 and M3 at the optimal gamma."""
    l2, b = (r.B + 2 * r.T).mean(), max(0.0, (d_x - r.cross).mean())
    return np.array([-(d_x**2) / (2 * l2), -(b**2) / (2 * r.B.mean())])


def _least(losses: Any, widths: Any, i: int, bounds: tuple[float, float]) -> float:
    """Minimise loss i over the scale within bounds, by search, and over the given widths."""
    from scipy.optimize import minimize_scalar

    def over_scale(width: float) -> float:
        found = minimize_scalar(lambda c: losses(c, width)[i], bounds=bounds, method="bounded",
                                options={"xatol": 1e-9})  # fmt: skip
        return float(found.fun)

    return min(over_scale(width) for width in widths)


def _scaled(r: Reconstruction, c: float) -> Reconstruction:
    """Scale the decoder by c with the same q: the cross term is linear in g, since E_q s^q = 0."""
    return Reconstruction(r.x, c * r.mean, c**2 * r.variance, np.empty(0), np.empty(0), c * r.cross)


@cache
def _of_the_toy(width: float) -> Reconstruction:
    return toy_reconstruction(ScaledToy(width=width))


@cache
def _minima_of_the_toy() -> Array:
    """Minimise the mean of M2 and of M3 over (scale, log gamma), q fixed, by search from the definitions."""
    from scipy.optimize import minimize

    def loss(v: Array, i: int) -> float:
        s = toy_scores(ScaledToy(gamma=float(np.exp(v[1])), scale=float(v[0])))
        return float((s.m2, s.m3)[i].mean())

    return np.array(
        [minimize(loss, np.array([1.0, 0.0]), args=(i,), options={"gtol": 1e-8}).fun for i in (0, 1)]
    )


def _toy(claim: Any, effort: Effort) -> Evidence:
    def losses(c: float, width: float) -> Array:
        return _losses(_scaled(_of_the_toy(width), c), 2)

    claimed = [_least(losses, claim(1.0), i, (0.2, 3)) for i in (0, 1)]
    detail = "least means of M2 and M3 over the decoder's scale and gamma, q given"
    return numeric("search", claimed, _minima_of_the_toy(), effort.tolerance(1e-9), detail)


def _engine(scale: float = 1.0, width: float = 1.0, log_gamma: float | None = None) -> EngineExample:
    example = EngineExample.build()
    phi, theta = example.phi.copy(), example.theta.copy()
    *_, (_, bias) = example.model.phi_layout.named(phi)
    bias[:, example.model.d_z :] += np.log(width)
    *_, (_, w), (_, bias), _ = example.model.theta_layout.named(theta)
    w *= scale
    bias *= scale
    if log_gamma is not None:
        example.model.log_sd(theta)[:] = 0.5 * log_gamma
    return example.at(phi, theta)


@cache
def _minimum_of_the_engine() -> float:
    """Minimise the engine's M2 over (scale, log gamma) with the noise frozen."""
    from scipy.optimize import minimize

    m2: Learning = M2(SAMPLES, FixedGamma())

    def loss(v: Array) -> float:
        return float(evaluate(_engine(float(v[0]), log_gamma=float(v[1])), m2).loss[0])

    return float(minimize(loss, np.array([1.0, 2.0]), options={"gtol": 1e-7}).fun)


@cache
def _of_the_engine(width: float) -> Reconstruction:
    return sampled_reconstruction(_engine(width=width), SAMPLES)


def _frozen_noise(claim: Any, effort: Effort) -> Evidence:
    def losses(c: float, width: float) -> Array:
        return _losses(_scaled(_of_the_engine(width), c), 2)

    claimed = _least(losses, claim(1.0), 0, (-20, 20))
    detail = "least M2 of the engine over the decoder's scale and gamma, q given"
    return numeric("search", claimed, _minimum_of_the_engine(), effort.tolerance(1e-9), detail)


def _linear(claim: Any, effort: Effort) -> Evidence:
    """Solve for vanishing slopes of M2, for ``q = N(phi x, s^2)``, ``g = theta z`` and data variance v."""
    import sympy

    x, eps, theta, phi = sympy.symbols("x eps theta phi", real=True)
    gamma, s, v = sympy.symbols("gamma s v", positive=True)

    def expect(f: Any, of: Any, variance: Any) -> Any:
        terms = sympy.Poly(sympy.expand(f), of).terms()
        return sum(c * normal_moment(k) * variance ** sympy.Rational(k, 2) for (k,), c in terms)

    def over_q(f: Any) -> Any:
        return expect(f, eps, 1)

    error = theta * (phi * x + s * eps) - x
    score = error / gamma
    m2 = expect(over_q(score**2) - 1 / gamma - over_q(score) ** 2 / 2, x, v)  # definition (13)
    (best,) = sympy.solve([sympy.diff(m2, theta), sympy.diff(m2, gamma)], [theta, gamma], dict=True)

    def least(width: Any) -> Any:
        mean = over_q(error)
        b, t = expect(mean**2, x, v), expect(over_q((error - mean) ** 2), x, v)
        l2 = (b + 2 * t).subs(s, width * s)
        return -1 / (2 * l2.subs(theta, sympy.solve(sympy.diff(l2, theta), theta)[0]))

    claimed = sympy.Min(*(least(sympy.nsimplify(width)) for width in claim(sympy.Integer(1))))
    return symbolic(claimed, m2.subs(best), "least M2 of a linear model over theta and gamma, q given")


STATEMENTS = (
    Statement(
        id="min-over-q",
        section="A.2",
        title="The autoencoding losses are minimised over theta, for the q that is given",
        assumptions="M2 and M3 are functions of theta; q is what inference has made of it.",
        form=Form(
            r"\min_{\theta, \gamma} E_D M_i = \min_\theta h_i(\theta, q), \quad i = 2, 3",
            lambda width: (width,),
        ),
        printed=Form(
            r"\min_{\theta, \gamma} E_D M_i = \min_{\theta, q} h_i(\theta, q)",
            lambda width: tuple(width * np.array([0.1, 0.3, 1.0, 2.0])),
            literal=False,
        ),
        checks=(_linear, _toy, _frozen_noise),
        mutations={
            "another q": lambda width: (1.5 * width,),
            "a narrow q": lambda width: (0.1 * width,),
        },
        consequence=(
            "Minimised over q too, the loss of M2 would make q a point, where its variance vanishes; the "
            "counterexample moves the width of q alone. Proposition 3.1 has it right, q fixed."
        ),
        code="vsmnp.objectives.M2",
    ),
)  # fmt: skip
