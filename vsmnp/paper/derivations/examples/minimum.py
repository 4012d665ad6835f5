"""Find minima to nearly all digits by a quasi-Newton search, then Newton's method on difference stencils."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....types import Array
from ..evidence import gradient


def hessian(f: Callable[[Array], float], at: Array, step: float = 1e-2) -> Array:
    """Compute the second derivatives of a function at ``at (K,)``, ``(K, K)``."""
    return gradient(lambda there: gradient(f, there, step), at, step)


def least_between(
    f: Callable[[float], float], low: float, high: float, tolerance: float = 1e-9
) -> tuple[float, float]:
    """Find the minimiser of a function of one variable on an interval, and the minimum."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(f, bounds=(low, high), method="bounded", options={"xatol": tolerance})
    return float(found.x), float(found.fun)


def minimise(f: Callable[[Array], float], start: Array, polish: int = 3) -> Array:
    """Find the local minimum that a search from ``start (K,)`` converges to, ``(K,)``."""
    from scipy.optimize import minimize

    at = np.asarray(minimize(f, np.asarray(start, float), method="BFGS", options={"gtol": 1e-7}).x)
    curvature = hessian(f, at)
    for _ in range(polish):  # one Hessian is enough: each step still gains several digits
        at = at - np.linalg.solve(curvature, gradient(f, at))
    return at
