"""Compare the two sides of a formula in several ways, each of which yields a piece of evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...types import Array
from .statement import Evidence, Kind

#: Standard errors by which a Monte Carlo estimate may differ from the claim.
SIGMAS = 4.0
#: Samples drawn in one chunk.
_CHUNK = 50_000


def symbolic(left: Any, right: Any, detail: str) -> Evidence:
    """Check by SymPy that two expressions, or two sequences of them, are identical.

    Parameters
    ----------
    left, right : sympy.Expr or sequence of them
        Both sides of the formula.
    detail : str
        Name of what is compared.
    """
    import sympy

    lefts, rights = (side if isinstance(side, list | tuple) else [side] for side in (left, right))
    for one, other in zip(lefts, rights, strict=True):
        rest = sympy.simplify(sympy.sympify(one) - sympy.sympify(other))
        if rest != 0:
            return Evidence("symbolic", 1.0, 0.0, f"{detail}: the sides differ by {rest}")
    return Evidence("symbolic", 0.0, 0.0, detail)


def numeric(kind: Kind, claimed: Any, truth: Any, tolerance: float, detail: str) -> Evidence:
    """Check that two arrays agree; the error is ``|claimed - truth| / |truth|`` in the Euclidean norm.

    Parameters
    ----------
    kind : str
        How the truth was obtained.
    claimed, truth : array_like
        Arrays of equal shapes; where the truth is zero the error is absolute.
    tolerance : float
        Largest accepted relative error.
    detail : str
        Name of what is compared.
    """
    claimed, truth = np.asarray(claimed, float), np.asarray(truth, float)
    if claimed.shape != truth.shape:
        raise ValueError(f"{detail}: shapes {claimed.shape} and {truth.shape} cannot be compared.")
    size = float(np.linalg.norm(truth)) or 1.0
    error = float(np.linalg.norm(claimed - truth)) / size
    return Evidence(kind, error, tolerance, f"{detail}: claimed {_show(claimed)}, found {_show(truth)}")


def statistical(claimed: Any, mean: Any, standard_error: Any, detail: str) -> Evidence:
    """Check a claim against a Monte Carlo estimate; the error is the largest distance in standard errors.

    Parameters
    ----------
    claimed, mean, standard_error : array_like
        Arrays of equal shapes.
    detail : str
        Name of what is compared, and the number of samples.
    """
    claimed, mean, error = (np.asarray(a, float) for a in (claimed, mean, standard_error))
    distance = float(np.max(np.abs(claimed - mean) / error))
    found = f"{_show(mean)} +- {_show(error)}"
    return Evidence("monte carlo", distance, SIGMAS, f"{detail}: claimed {_show(claimed)}, found {found}")


def monte_carlo(draw: Callable[[np.random.Generator, int], Array], samples: int) -> tuple[Array, Array]:
    """Compute mean and standard error of independent draws, in chunks of bounded memory.

    Parameters
    ----------
    draw : callable
        ``draw(rng, n)`` gives ``(n,)`` or ``(n, K)`` independent values.
    samples : int
        Number of draws in all.
    """
    rng = np.random.default_rng(20)
    total, squares, done = np.float64(0.0), np.float64(0.0), 0
    centre: Array | None = None
    while done < samples:
        n = min(_CHUNK, samples - done)
        values = draw(rng, n)
        centre = values.mean(0) if centre is None else centre  # keeps the squares small
        values = values - centre
        total, squares, done = total + values.sum(0), squares + (values * values).sum(0), done + n
    mean = total / done
    assert centre is not None
    variance = squares / done - mean * mean
    return np.asarray(centre + mean), np.asarray(np.sqrt(variance / (done - 1)))


def derivative(f: Callable[[float], Any], step: float = 1e-3) -> Array:
    """Compute ``f'(0)`` by the central stencil of fourth order."""
    plus, minus, plus2, minus2 = (np.asarray(f(t), float) for t in (step, -step, 2 * step, -2 * step))
    return np.asarray((8 * (plus - minus) - (plus2 - minus2)) / (12 * step))


def gradient(f: Callable[[Array], Any], at: Array, step: float = 1e-3) -> Array:
    """Compute the gradient of a function at ``at (K,)``, one coordinate at a time, on a last axis."""
    at = np.asarray(at, float)

    def along(axis: Array) -> Array:
        return derivative(lambda t: f(at + t * axis), step)

    return np.stack([along(axis) for axis in np.eye(len(at))], axis=-1)


def gradient_in(f: Callable[[Array], Any], x: Array, step: float = 1e-3) -> Array:
    """Compute the gradient of a function of rows ``x (..., D)``, each moved alike, on a last axis."""
    return gradient(lambda shift: f(x + shift), np.zeros(x.shape[-1]), step)


def divergence_in(f: Callable[[Array], Any], x: Array, step: float = 1e-3) -> Array:
    """Compute the divergence of a field that maps rows ``x (..., D)`` to ``(..., D)``."""
    return np.asarray(np.trace(gradient_in(f, x, step), axis1=-2, axis2=-1))


def mean_and_error(values: Any) -> tuple[Array, Array]:
    """Compute mean and standard error of independent estimates, one in each entry of the first axis."""
    return np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / np.sqrt(len(values))


def _show(values: Array) -> str:
    """Format the first values of an array."""
    flat = values.ravel()
    shown = ", ".join(f"{v:.6g}" for v in flat[:3])
    return shown if flat.size == 1 else f"({shown}{', ...' if flat.size > 3 else ''})"
