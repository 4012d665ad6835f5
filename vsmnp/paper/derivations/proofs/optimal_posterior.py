"""Derive (10) and the least posterior Fisher divergences of a linear decoder."""

from __future__ import annotations

from functools import cache

import numpy as np

from ....types import Array
from ..evidence import gradient
from ..examples.linear_posterior import LinearPosterior, root_of, spread
from ..examples.minimum import minimise
from ..proof import Proofs, Step

_LINEAR = LinearPosterior()
_P, _Z0 = _LINEAR.precision, np.array(_LINEAR.z0)
_BEST = np.linalg.solve(_P, _LINEAR.j.T @ _LINEAR.x) / _LINEAR.gamma  # the mean of the posterior
_MU, _LAMBDA = np.array([0.3, 0.4]), np.array([[2.3, 0.4], [0.4, 1.7]])
_Z = np.array([[0.6, -1.2], [-0.3, 0.8]])
_SD = np.array([0.6, 0.9])


def _log_joint(z: Array) -> Array:
    error = _LINEAR.x - z @ _LINEAR.j.T
    return np.asarray(-(z * z).sum(-1) / 2 - (error * error).sum(-1) / (2 * _LINEAR.gamma))


def _excess(mu: Array, precision: Array) -> float:
    """Compute ``|P(mu - m)|^2/2 + tr[(Lambda - P) Lambda^-1 (Lambda - P)]/2``."""
    shift = _P @ (mu - _BEST)
    return float((shift @ shift + spread(precision, _P)) / 2)


def _by_coordinates(sd: Array) -> float:
    """Compute half the trace for a diagonal Lambda, coordinate by coordinate."""
    return float((sd**-2 - 2 * np.diag(_P) + np.diag(_P @ _P) * sd**2).sum() / 2)


@cache
def _best_precisions(kl: bool) -> Array:
    """Find the diagonal precisions ``(2,)`` of least KL or Fisher divergence, mu = m, by a search."""
    divergence = _LINEAR.kl if kl else _LINEAR.fisher
    log_s = minimise(lambda log_s: divergence(_BEST, np.diag(np.exp(log_s))), np.array([-0.5, -0.5]))
    return np.asarray(np.exp(-2 * log_s))


def _kl_of_coordinates(log_s: Array) -> float:
    return float((np.diag(_P) * np.exp(2 * log_s)).sum() / 2 - log_s.sum())


_POSTERIOR = Step(
    r"\nabla_z \log p(z|x) = -z + \tfrac1\gamma J^T (x - J z) = -P (z - m), \quad "
    r"P = I + \tfrac1\gamma J^T J, \; m = \tfrac1\gamma P^{-1} J^T x",
    "For linear g the posterior is N(m, P^-1).",
    lambda: (gradient(lambda t: _log_joint(_Z + t), np.zeros(2), 0.5), -(_Z - _BEST) @ _P),
    kind="finite differences",
)
_DIFFERENCE = Step(
    r"d = \Lambda (z - \mu) - P (z - m) = -P (\mu - m) + (\Lambda - P)(z - \mu)",
    "The score of q is -Lambda (z - mu) for a Gaussian q; z - m = (z - mu) + (mu - m).",
    lambda: (
        -_LINEAR.score_difference(_Z, _MU, root_of(_LAMBDA)),
        -_P @ (_MU - _BEST) + (_Z - _MU) @ (_LAMBDA - _P),
    ),
    kind="finite differences",
)
_DIVERGENCE = Step(
    r"D_F = \tfrac12 |P (\mu - m)|^2 + \tfrac12 \operatorname{tr}[(\Lambda - P) \Lambda^{-1} (\Lambda - P)]",
    "Half the mean of |d|^2: z - mu has mean 0 and covariance Lambda^-1.",
    lambda: (_LINEAR.fisher_by_smoothing(_MU, _LAMBDA), _excess(_MU, _LAMBDA)),
    kind="finite differences",
)
_COORDINATES = Step(
    r"\min_\mu D_F = \tfrac12 \operatorname{tr}[(\Lambda - P) \Lambda^{-1} (\Lambda - P)] "
    r"= \tfrac12 \textstyle\sum_i \left[ \Lambda_i - 2 P_{ii} + \tfrac{(P^2)_{ii}}{\Lambda_i} \right]",
    "At mu = m only the trace is left (10-linear-full), and for a diagonal Lambda it separates.",
    lambda: (_LINEAR.fisher(_BEST, np.diag(_SD)), _by_coordinates(_SD)),
)
_EACH = Step(
    r"\partial_{\Lambda_i} \left[ \Lambda_i + \tfrac{(P^2)_{ii}}{\Lambda_i} \right] = 1 - "
    r"\tfrac{(P^2)_{ii}}{\Lambda_i^2} = 0 \iff \Lambda_i = \sqrt{(P^2)_{ii}}",
    "Each summand is convex in its own positive Lambda_i; the mean is m.",
    lambda: (_best_precisions(kl=False), np.sqrt(np.diag(_P @ _P))),
    tolerance=1e-8,
    kind="search",
)

PROOFS: Proofs = {
    "10": (
        Step(
            r"D_F = \tfrac12 |\mu|^2 + \tfrac12 \operatorname{tr}[(\Lambda - I - G) \Lambda^{-1} "
            r"(\Lambda - I - G)] \text{ at } g(\mu) = x, \quad G = \tfrac1\gamma J^T J",
            "The divergence of a linear decoder at a mean that is decoded to the datum (A.4-trace).",
            lambda: (_LINEAR.fisher(_Z0, root_of(_LAMBDA)), (_Z0 @ _Z0 + spread(_LAMBDA, _P)) / 2),
        ),
        Step(
            r"D_F[q \| p(z|x)] = \tfrac12 |\mu|^2 \text{ at } "
            r"g(\mu) = x, \; \Lambda = I + \tfrac1\gamma J^T J",
            "At this Lambda the trace is 0; the paper takes this q for the optimal one, but mu was set by "
            "g(mu) = x and not minimised over.",
            lambda: (_LINEAR.fisher(_Z0, root_of(_P)), _Z0 @ _Z0 / 2),
        ),
    ),
    "10-linear-full": (
        _POSTERIOR,
        _DIFFERENCE,
        _DIVERGENCE,
        Step(
            r"g(\mu) = J \mu = x \Rightarrow P (\mu - m) = P \mu - \tfrac1\gamma J^T J \mu = \mu",
            "So at the q of (10) the first term is |mu|^2 / 2, the value in the paper, and not the least "
            "one.",
            lambda: (_P @ (_Z0 - _BEST), _Z0),
            kind="closed form",
        ),
        Step(
            r"\min_q D_F[q \| p(z|x)] = 0 \text{ at } \Lambda = P = I + \tfrac1\gamma J^T J, \; "
            r"\mu = \tfrac1\gamma P^{-1} J^T x",
            "Both terms of D_F are not negative, and both are 0 there: the optimal q is the posterior.",
        ),
    ),
    "10-linear-diagonal": (
        _POSTERIOR,
        _DIFFERENCE,
        _DIVERGENCE,
        _COORDINATES,
        _EACH,
        Step(
            r"\min_q D_F[q \| p(z|x)] = \textstyle\sum_i \left[ \sqrt{(P^2)_{ii}} - P_{ii} \right]",
            "Each bracket is twice its value here; the sum is 0 only if P is diagonal.",
            lambda: (
                _LINEAR.fisher(_BEST, np.diag(_best_precisions(kl=False) ** -0.5)),
                (np.sqrt(np.diag(_P @ _P)) - np.diag(_P)).sum(),
            ),
            kind="search",
        ),
    ),
    "3.3.1-lambda": (
        Step(
            r"D_{KL}[q \| p(z|x)] = \tfrac12 (\mu - m)^T P (\mu - m) + \tfrac12 \textstyle\sum_i \left[ "
            r"\tfrac{P_{ii}}{\Lambda_i} + \log \Lambda_i \right] + c",
            "The mean of log q - log p(z|x) under a diagonal Gaussian, whose posterior is N(m, P^-1).",
            lambda: (
                _LINEAR.kl(_BEST, np.diag(_SD)) - _LINEAR.kl(_BEST, np.eye(2)),
                _kl_of_coordinates(np.log(_SD)) - _kl_of_coordinates(np.zeros(2)),
            ),
        ),
        Step(
            r"\partial_{\Lambda_i} D_{KL} = -\tfrac{P_{ii}}{2 \Lambda_i^2} + \tfrac1{2 \Lambda_i} = 0 "
            r"\iff \Lambda_i = P_{ii}",
            "The only zero; the slope is negative below it and positive above.",
            lambda: (_best_precisions(kl=True), np.diag(_P)),
            tolerance=1e-8,
            kind="search",
        ),
        _COORDINATES,
        _EACH,
        Step(
            r"\Lambda^*_{KL, i} = P_{ii}, \qquad \Lambda^*_{F, i} = \sqrt{(P^2)_{ii}} "
            r"= \sqrt{\textstyle\sum_j P_{ij}^2}",
            "The second is larger by the squares of the off-diagonal entries: they coincide, as the paper "
            "says, only if the posterior is uncorrelated or q has a full covariance.",
            lambda: (np.sqrt(np.diag(_P @ _P)), np.sqrt((_P**2).sum(1))),
            kind="closed form",
        ),
    ),
}
