"""Normal distributions: log-density, moments, and expectations that are exact up to rounding."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ...model.likelihood import LOG_2PI
from ...types import Array


@cache
def normal_rule(nodes: int, dim: int = 1) -> tuple[Array, Array]:
    """Return nodes ``(K, dim)``, weights ``(K,)``: ``sum w f(node) = E f(eps)``, ``eps ~ N(0, I)``.

    ``K = nodes^dim``. Exact for polynomials of degree ``2 nodes - 1`` in each coordinate.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    grid = np.stack(np.meshgrid(*[points] * dim, indexing="ij"), -1).reshape(-1, dim)
    product = np.prod(np.stack(np.meshgrid(*[weights] * dim, indexing="ij"), -1), -1).reshape(-1)
    for array in (grid, product):
        array.setflags(write=False)  # the cache returns the same arrays again
    return grid, product


def normal_moment(power: int) -> int:
    """Compute ``E eps^power`` for ``eps ~ N(0, 1)``: the product of the odd numbers below an even power."""
    return 0 if power % 2 else int(np.prod(np.arange(1, power, 2)))


def normal_mean(polynomial: Any, symbol: Any, variance: Any = 1) -> Any:
    """Compute the expectation of a SymPy polynomial in a symbol that is ``N(0, variance)``."""
    import sympy

    terms = sympy.Poly(sympy.expand(polynomial), symbol).terms()
    return sum(c * normal_moment(power) * variance ** (power // 2) for (power,), c in terms)


def normal_log_density(x: Array, mean: Array | float, variance: Array | float) -> Array:
    """Compute ``log N(x; mean, variance)`` elementwise."""
    return np.asarray(-0.5 * (x - mean) ** 2 / variance - 0.5 * (np.log(variance) + LOG_2PI))
