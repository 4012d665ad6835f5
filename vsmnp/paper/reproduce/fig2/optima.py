r"""Compute the exact divergences of a toy problem, without samples, and find their optima.

The mean of the likelihood is ``u = f_1(z_1) f_2(z_2)``, so that every expectation over a factorised q is a
product of expectations over one coordinate, and these are quadratures:

.. math:: \mathrm{KL} = E[\log q - \log p(z)] + \frac{x^2 - 2x E f_1 E f_2 + E f_1^2 E f_2^2}{2\gamma},

.. math:: D_F = \tfrac12 E|d|^2, \qquad
          d_1 = z_1 - \epsilon_1/s_1 - \frac{x f_1'}{\gamma} f_2 + \frac{f_1 f_1'}{\gamma} f_2^2,

and ``d_2`` with the coordinates exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import numpy as np

from ....kernels import load
from ....layers.families import NO_PARAMETERS
from ....model.likelihood import kl_to_normal
from ....types import Array, Layer
from .problems import ToyProblem

#: Half-width of the quadrature in q's standard deviations; the mass beyond is negligible in float64.
_REACH = 9.0
#: Points at which the functions bend; panels of the quadrature end at them.
_BENDS = (-1.0, 0.0, 1.0)
#: Optima whose means are closer than the first are one; a slope below the second is zero.
_SAME, _LEVEL = 0.05, 1e-3
#: Logarithms of q's standard deviations at the start of a descent.
_LOG_SD = (-1.0, -1.0)


@cache
def _legendre(points: int = 32) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(points)


class _Coordinate(NamedTuple):
    """One coordinate at the nodes of a quadrature over ``N(mu, s^2)``, each array ``(nodes,)``."""

    weight: Array
    z: Array
    eps: Array
    f: Array
    slope: Array

    @classmethod
    def of(cls, layer: Layer, mu: float, s: float) -> _Coordinate:
        """Evaluate a function at Gauss-Legendre nodes, on panels between its bends."""
        low, high = mu - _REACH * s, mu + _REACH * s
        ends = np.clip([low, *_BENDS, high], low, high)
        node, weight = _legendre()
        half = np.diff(ends)[:, None] / 2
        z = (ends[:-1, None] + half * (1 + node)).ravel()
        eps = (z - mu) / s
        density = np.exp(-0.5 * eps * eps) / (np.sqrt(2 * np.pi) * s)
        k, column = load("reference"), z.reshape(1, 1, -1, 1)
        f, c = layer.forward(k, NO_PARAMETERS, column)
        slope = layer.vjp(k, NO_PARAMETERS, c, np.ones_like(column), None)
        assert slope is not None
        return cls((half * weight).ravel() * density, z, eps, f.ravel(), slope.ravel())

    def power(self, n: int) -> float:
        """Compute the moment ``E f^n``."""
        return float(self.weight @ self.f**n)


def _coordinates(problem: ToyProblem, mu: Array, s: Array) -> tuple[_Coordinate, _Coordinate]:
    functions = (problem.decoder.first, problem.decoder.second)
    one, two = (_Coordinate.of(f, float(m), float(sd)) for f, m, sd in zip(functions, mu, s, strict=True))
    return one, two


def kl(problem: ToyProblem, mu: Array, s: Array) -> float:
    """Compute ``KL[q || p(z|x)] + log p(x)``, ``q = N(mu, diag s^2)``, in nats: the negative ELBO."""
    one, two = _coordinates(problem, mu, s)
    square = problem.x**2 - 2 * problem.x * one.power(1) * two.power(1) + one.power(2) * two.power(2)
    evidence = 0.5 * square / problem.sd**2 + np.log(problem.sd) + 0.5 * np.log(2 * np.pi)
    return float(kl_to_normal(mu, s) + evidence)


def fisher(problem: ToyProblem, mu: Array, s: Array) -> float:
    """Compute ``D_F[q || p(z|x)]``, ``q = N(mu, diag s^2)``, in nats, with the 1/2 of equation (5)."""
    one, two = _coordinates(problem, mu, s)
    precision, total = 1 / problem.sd**2, 0.0
    for here, there, sd in ((one, two, s[0]), (two, one, s[1])):
        # d here = sum_a terms[a] f_there^a
        terms = np.stack([
            here.z - here.eps / sd,
            -precision * problem.x * here.slope,
            precision * here.f * here.slope,
        ])  # fmt: skip
        products = (terms * here.weight) @ terms.T
        powers = np.array([[there.power(a + b) for b in range(3)] for a in range(3)])
        total += 0.5 * float((products * powers).sum())
    return total


class Optimum(NamedTuple):
    """A local optimum of a divergence: q's mean and standard deviations, and the value in nats."""

    mean: tuple[float, float]
    sd: tuple[float, float]
    value: float


def optima(
    divergence: Callable[[ToyProblem, Array, Array], float], problem: ToyProblem, starts: Iterable[Array]
) -> tuple[Optimum, ...]:
    """Find local optima by quasi-Newton descents from means ``starts``, each ``(2,)``; the best first."""
    from scipy.optimize import minimize

    def value(v: Array) -> float:  # v: means and logarithms of the standard deviations
        return divergence(problem, v[:2], np.exp(v[2:]))

    found: list[Optimum] = []
    for start in starts:
        with np.errstate(over="ignore", invalid="ignore"):  # a line search may try very distant points
            end = minimize(value, np.array([*start, *_LOG_SD]), method="BFGS")
            one, two, *sd = map(float, (*end.x[:2], *np.exp(end.x[2:])))
        near = any(math.dist(each.mean, (one, two)) < _SAME for each in found)
        if np.linalg.norm(end.jac) < _LEVEL and not near:
            found.append(Optimum((one, two), (sd[0], sd[1]), float(end.fun)))
    return tuple(sorted(found, key=lambda each: (round(each.value, 6), each.mean)))
