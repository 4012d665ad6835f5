"""Expectations to the last digits: Gauss-Hermite rules for Gaussians and mixtures of them."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..types import Array


@cache
def normal_rule(nodes: int, dim: int = 1) -> tuple[Array, Array]:
    """Nodes ``(K, dim)`` and weights ``(K,)`` with ``sum w f(node) = E f(eps)``, ``eps ~ N(0, I)``.

    ``K = nodes^dim``. Exact for polynomials of degree ``2 nodes - 1`` in each coordinate.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    grid = np.stack(np.meshgrid(*[points] * dim, indexing="ij"), -1).reshape(-1, dim)
    product = np.prod(np.stack(np.meshgrid(*[weights] * dim, indexing="ij"), -1), -1).reshape(-1)
    for array in (grid, product):
        array.setflags(write=False)  # the cache hands out the same arrays again
    return grid, product
