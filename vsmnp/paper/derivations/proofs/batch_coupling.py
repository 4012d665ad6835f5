"""Derive the Jacobian of batch norm, and which terms of the coupled score have a mean."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import derivative
from ..examples.batch_norm import (
    SCALE,
    X,
    coupled,
    decoded_blocks,
    expectations,
    jacobian,
    normalised,
    score_blocks,
    statistics,
)
from ..proof import Proofs, Step

_N = len(X)
_S = statistics()
_EPS = np.random.default_rng(16).standard_normal((3, 4, 1))


def _in_first(f: str) -> Array:
    """Compute the derivative of the mean, the variance or the rate in the first datum, ``(C,)``."""
    way = np.eye(_N)[:, :1]

    def of(t: float) -> Array:
        s = statistics(X + t * way)
        return np.asarray({"mean": (X + t * way).mean(0), "variance": s.v, "rate": s.r}[f])

    return derivative(of)


def _score_by_differences() -> tuple[Array, Array]:
    """Compute the gradient in one datum of the sum of log q, z fixed, and the engine's score of it."""
    e, m = coupled(), 2
    z = e.place(_EPS)

    def log_q(t: float, axis: Array) -> Array:
        x = e.data.copy()
        x[m] += t * axis
        mu, s = e.q(x)
        return np.asarray((-0.5 * ((z - mu) / s) ** 2 - np.log(s)).sum((-2, -1)))

    found = np.stack([derivative(lambda t, a=a: log_q(t, a)) for a in np.eye(2)], -1)  # type: ignore[misc]
    q, c = e.model.encode(e.k, e.phi, e.x)
    return found, e.model.score_q(e.k, e.phi, q, c, _EPS[None])[0][:, m]


PROOFS: Proofs = {
    "engine-batch-norm-coupled": (
        Step(
            r"\frac{\partial \bar x}{\partial x_m} = \frac1N, \quad "
            r"\frac{\partial v}{\partial x_m} = \frac2N (x_m - \bar x) = \frac{2 h_m}{N r}",
            "In v the derivative of the mean is multiplied by the sum of x_n - mean, which is 0.",
            lambda: (
                [_in_first("mean"), _in_first("variance")],
                [np.full(2, 1 / _N), 2 * _S.h[0] / (_N * _S.r)],
            ),
            kind="finite differences",
        ),
        Step(
            r"\frac{\partial r}{\partial x_m} = -\frac{r^3}{2} \frac{\partial v}{\partial x_m} "
            r"= -\frac{r^2 h_m}{N}",
            "The rate is r = (v + epsilon)^(-1/2).",
            lambda: (_in_first("rate"), -(_S.r**2) * _S.h[0] / _N),
            kind="finite differences",
        ),
        Step(
            r"\frac{\partial h_n}{\partial x_m} = r \Bigl( \delta_{nm} - \frac1N \Bigr) + (x_n - \bar x) "
            r"\frac{\partial r}{\partial x_m} = r \Bigl( \delta_{nm} - \frac{1 + h_n h_m}{N} \Bigr)",
            "The product rule for h_n = r (x_n - mean), and x_n - mean = h_n/r.",
            lambda: (
                derivative(lambda t: normalised(X + t * np.eye(_N)[:, :1])),
                _S.r * (np.eye(_N)[:, :1] - (1 + _S.h * _S.h[0]) / _N),
            ),
            kind="finite differences",
        ),
        Step(
            r"\sum_n h_n^2 = N v r^2",
            "The sum of (x_n - mean)^2 is N v: it is N up to epsilon.",
            lambda: ((normalised(X) ** 2).sum(0), _N * _S.v * _S.r**2),
            kind="closed form",
        ),
        Step(
            r"\frac{\partial y_n}{\partial x_m} = c r \Bigl( \delta_{nm} - \frac{1 + h_n h_m}{N} \Bigr), "
            r"\quad "
            r"\sum_n \frac{\partial y_n}{\partial x_n} = c r ( N - 1 - v r^2 )",
            "Because y = c h + b; the trace by the last two lines.",
            lambda: (np.trace(jacobian()), SCALE * _S.r * (_N - 1 - _S.v * _S.r**2)),
            kind="finite differences",
        ),
    ),
    "engine-batch-score": (
        Step(
            r"s^q_m = \nabla_{x_m} \sum_n \log q(z_n|x_1, \dots, x_N) = \sum_n J_{nm}^T a_n, \quad "
            r"a_n = \Bigl( \tfrac{\epsilon_n}{s_n}, \tfrac{(\epsilon_n^2 - 1) S'}{s_n} \Bigr)",
            "By (engine-score-q) for each datum n; x_m moves the features of all data through the "
            "statistics.",
            _score_by_differences,
            kind="finite differences",
        ),
        Step(
            r"E [ J_{nm}^T a_n \cdot s^p_m ] = J_{nm}^T E a_n \cdot E s^p_m = 0 \quad (n \ne m)",
            "The noise of datum n is independent of that of datum m, on which alone s^p_m depends, and the "
            "mean "
            "of eps and of eps^2 - 1 is 0.",
        ),
        Step(
            r"E [s^q_m \cdot s^p_m] = E [ J_{mm}^T a_m \cdot s^p_m ] = \tfrac1\gamma \nabla_{x_m} \cdot E\, "
            r"g(z_m)",
            "What is left is the score in x_m of q(z_m|x), the other data held fixed: (engine-m3-field).",
            lambda: (expectations()[0], np.diag(decoded_blocks()) / coupled().gamma),
            tolerance=1e-8,
        ),
        Step(
            r"E |s^q_m|^2 = \sum_n E |J_{nm}^T a_n|^2",
            "The a_n are independent with mean 0, so the mixed terms of the square vanish.",
        ),
        Step(
            r"= \sum_n \sum_i \Bigl( \tfrac{|\nabla_{x_m} \mu_{ni}|^2}{s_{ni}^2} + 2 |\nabla_{x_m} \log "
            r"s_{ni}|^2 "
            r"\Bigr)",
            "By (engine-score-norm) for each block; a square has no cancellation, so all blocks count.",
            lambda: (expectations()[1], score_blocks().sum(0)),
            tolerance=1e-8,
        ),
    ),
}
