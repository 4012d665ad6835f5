"""The last term of Appendix A.4, a trace, and the precision of q that minimises it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....types import Array
from ..checks import both_sides, value_check
from ..evidence import gradient
from ..examples.linear_posterior import LinearPosterior, root_of, spread
from ..examples.minimum import minimise
from ..statement import Form, Statement

# --- the last term alone: a claim lists its stationary Lambda, given P = I + G, the minimum first ---


def _unpack(v: Array) -> Array:
    return np.array([[v[0], v[1]], [v[1], v[2]]])


def _slope(v: Array, p: Array) -> Array:
    """Compute the slope of the trace in the three entries of a symmetric Lambda."""
    return gradient(lambda at: spread(_unpack(at), p), v)


@cache
def _stationary() -> list[Array]:
    """Find every symmetric Lambda to which a root search from many starts converges."""
    from scipy.optimize import root

    p = LinearPosterior().precision
    found: dict[tuple[float, ...], Array] = {}
    for start in np.random.default_rng(1).normal(0, 6, (20, 3)):
        end = root(_slope, start, args=(p,), tol=1e-10)
        if end.success and np.abs(end.x).max() < 100 and abs(_slope(end.x, p)).max() < 1e-8:
            found.setdefault(tuple(np.round(end.x, 4)), _unpack(end.x))
    return list(found.values())


def _summary(precisions: list[Array]) -> list[float]:
    """Summarise matrices by their number and two symmetric functions of them."""
    traces = [np.trace(each) for each in precisions]
    return [len(precisions), np.square(traces).sum(), sum(np.linalg.det(each) for each in precisions)]


@both_sides("finite differences", 1e-9, "slopes of the trace at every Lambda that is claimed")
def _flat_there(claim: Any) -> tuple[Any, Any]:
    p = LinearPosterior().precision
    slopes = [_slope(each[np.triu_indices(2)], p) for each in claim(p)]
    return slopes, np.zeros((len(slopes), 3))


@both_sides("search", 1e-9, "the positive definite Lambda of the least trace")
def _least_by_search(claim: Any) -> tuple[Any, Any]:
    """Compare with a search for the minimum over ``Lambda = L L'``."""
    p = LinearPosterior().precision

    def precision(v: Array) -> Array:
        lower = np.array([[v[0], 0.0], [v[1], v[2]]])
        return np.asarray(lower @ lower.T)

    best = minimise(lambda v: spread(precision(v), p), np.array([1.0, 0.0, 1.0]))
    return claim(p)[0], precision(best)


def _square_roots(p: Array) -> list[Array]:
    """Compute all symmetric square roots of ``P^2``: each eigenvalue with either sign."""
    values, vectors = np.linalg.eigh(p)
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    return [np.asarray((vectors * (sign * values)) @ vectors.T) for sign in signs]


STATEMENTS = (
    Statement(
        id="A.4-optimal-precision",
        section="A.4",
        title="Stationary points of the trace in the precision, one of them positive definite",
        assumptions="P = I + G of two latents with different eigenvalues; mu fixed.",
        latex=r"\partial_\Lambda \operatorname{tr}[(\Lambda - P) \Lambda^{-1} (\Lambda - P)] = 0 "
            r"\iff \Lambda = \Lambda^T, \; \Lambda^2 = P^2: "
            r"2^{d_z} \text{ solutions, the minimum } 0 \text{ at } P",
        claim=_square_roots,
        printed=Form(
            r"\Lambda = P \text{ and the other solution } \Lambda = -P", lambda p: [p, -p]
        ),
        error="other-solutions",
        checks=(
            value_check("search", 1e-8, "number of stationary Lambda, sums of tr^2 and det",
                lambda claim: _summary(claim(LinearPosterior().precision)), lambda: _summary(_stationary())),
            _flat_there,
            _least_by_search,
        ),
        mutations={
            "minimum elsewhere": lambda p: _square_roots(p)[::-1],
            "one only": lambda p: [p],
            "square roots of P": lambda p: [root_of(np.linalg.inv(p)) * sign for sign in (1, -1)],
        },
        consequence="With several latents there are more solutions than two, but none of the others is "
            "positive definite either, so the conclusion stands.",
        without_code="The q of the engine has a diagonal covariance, and its precision is trained.",
    ),
)  # fmt: skip
