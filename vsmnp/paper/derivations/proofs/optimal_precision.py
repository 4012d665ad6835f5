"""Derive the stationary precisions of the trace in A.4: the symmetric square roots of P^2."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..examples.linear_posterior import LinearPosterior, spread
from ..proof import Proofs, Step

_P = LinearPosterior().precision
_LAMBDA, _ALONG = np.array([[2.3, 0.4], [0.4, 1.7]]), np.array([[0.5, -0.8], [-0.8, 1.1]])


def _trace_of(precision: Array) -> float:
    return float(np.trace(precision - 2 * _P + _P @ np.linalg.inv(precision) @ _P))


def _slope_matrix() -> Array:
    inverse = np.linalg.inv(_LAMBDA)
    return np.asarray(np.eye(2) - inverse @ _P @ _P @ inverse)


def _square_roots() -> list[Array]:
    values, vectors = np.linalg.eigh(_P)
    signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    return [np.asarray((vectors * (np.array(sign) * values)) @ vectors.T) for sign in signs]


PROOFS: Proofs = {
    "A.4-optimal-precision": (
        Step(
            r"T(\Lambda) = \operatorname{tr}[(\Lambda - P) \Lambda^{-1} (\Lambda - P)] = "
            r"\operatorname{tr}[\Lambda - 2 P + P \Lambda^{-1} P]",
            "The product is expanded; Lambda times its inverse is I.",
            lambda: (spread(_LAMBDA, _P), _trace_of(_LAMBDA)),
            kind="closed form",
        ),
        Step(
            r"\tfrac{d}{dt} T(\Lambda + t V) \big|_{t=0} = "
            r"\operatorname{tr}[(I - \Lambda^{-1} P^2 \Lambda^{-1}) V]",
            "The inverse has the derivative -Lambda^-1 V Lambda^-1, and a trace allows cyclic exchange.",
            lambda: (
                derivative(lambda t: spread(_LAMBDA + t * _ALONG, _P)),
                np.trace(_slope_matrix() @ _ALONG),
            ),
            kind="finite differences",
        ),
        Step(
            r"I = \Lambda^{-1} P^2 \Lambda^{-1} \iff \Lambda^2 = P^2",
            "The slope vanishes along every symmetric V; multiplied by Lambda from both sides.",
            lambda: (
                [np.linalg.inv(root) @ _P @ _P @ np.linalg.inv(root) for root in _square_roots()],
                [np.eye(2)] * 4,
            ),
            kind="closed form",
        ),
        Step(
            r"\Lambda = \textstyle\sum_i \pm p_i u_i u_i^T \text{ for } P = \sum_i p_i u_i u_i^T",
            "A symmetric Lambda commutes with its square P^2 and has the eigenvectors u_i of P, whose "
            "eigenvalues differ; each eigenvalue of Lambda is a root of p_i^2, and the paper names two of "
            "these sign patterns.",
            lambda: ([root @ root for root in _square_roots()], [_P @ _P] * 4),
            kind="closed form",
        ),
        Step(
            r"\partial_\Lambda \operatorname{tr}[(\Lambda - P) \Lambda^{-1} (\Lambda - P)] = 0 "
            r"\iff \Lambda = \Lambda^T, \; \Lambda^2 = P^2: "
            r"2^{d_z} \text{ solutions, the minimum } 0 \text{ at } P",
            "Of these only P is positive definite; there the trace is 0, and for every positive definite "
            "Lambda it is a sum of squares.",
        ),
    )
}
