"""Beyond the paper: what its published toy script computes under the names M2 and M3."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....objectives import M2AsPublished, M3AsPublished, OptimalGamma
from ....objectives.quadratic import Learning
from ....types import Array
from ..checks import sampling_check, value_check
from ..evidence import gradient_in
from ..examples.engine import EngineExample
from ..examples.moments import drawn, evaluate, loss
from ..examples.toy import dot, square
from ..quadrature import normal_rule
from ..statement import Check, Statement

_SAMPLES = 5

# A claim takes (e, t): residuals e = g(z_n) - x_n, (S, N, D), one sample a row, and t (N, D), the gradient of
# sum log s at x_n; it gives (a, b) of each row, the loss being a/(2 gamma^2) - b/gamma, and takes d_x.


def _evaluated(claim: Any, example: EngineExample, eps: Array, weights: Array) -> tuple[Any, ...]:
    """Compute the means of a and b over the rows of noise ``eps (S, N, Z)`` with weights ``(S,)``."""
    residual = example.g(example.place(eps)) - example.data
    slope = gradient_in(lambda x: np.log(example.q(x)[1]).sum(-1), example.data)
    return tuple(
        weights @ np.broadcast_to(each, weights.shape) for each in claim(residual, slope, example.model.d_x)
    )


def _checks(objective: type[Learning]) -> tuple[Check, Check]:
    """Make the checks of an objective, on the engine's own samples and in the mean over both latents."""
    example, two = EngineExample.build(), EngineExample.build(d_x=4, d_z=1, n=2)

    def on_noise(claim: Any) -> list[Any]:
        a, b = _evaluated(claim, example, drawn(example, _SAMPLES), np.full(_SAMPLES, 1 / _SAMPLES))
        return [a / (2 * example.gamma**2) - b / example.gamma, a / b]

    def of_the_engine() -> list[Any]:
        best = evaluate(example, objective(_SAMPLES, OptimalGamma())).gamma
        assert best is not None
        return [evaluate(example, objective(_SAMPLES)).loss[0], np.exp(2 * best.log_sd[0])]

    def in_mean(claim: Any) -> Any:
        eps, w = normal_rule(30, 2)
        a, b = _evaluated(claim, two, eps[..., None], w)
        return a / (2 * two.gamma**2) - b / two.gamma

    return (
        value_check(
            "finite differences",
            1e-9,
            "the engine's loss and optimal gamma on given samples",
            on_noise,
            of_the_engine,
        ),
        sampling_check(
            1_000_000,
            "the engine's loss on a minibatch of two, {samples} samples",
            in_mean,
            lambda samples: two.outcomes(objective, samples, loss),
        ),
    )


def _each(e: Array) -> Array:
    return np.asarray(square(e).mean(1))


def _of_mean(e: Array) -> Array:
    """Compute the square of the mean over the minibatch, ``(S,)``."""
    return square(e.mean(1))


def _per_datum(e: Array) -> Array:
    """Compute the paper's term instead, the squared mean over samples, for one sample: ``(S,)``."""
    return np.asarray(square(e).mean(1))


def _cross(e: Array, t: Array) -> Array:
    return np.asarray(dot(t, e).mean(1))


STATEMENTS = (
    Statement(
        id="engine-m2-as-published",
        title="M2 of the published script",
        assumptions="One sample a datum, s_n = s^p(x_n|z_n); bars are means over the minibatch.",
        latex=r"\overline{|s_n|^2} - \tfrac12 |\overline{s_n}|^2 - \tfrac{d_x}{\gamma}, \quad "
            r"\gamma^* = ( 2 \overline{|x_n - g_n|^2} - |\overline{x_n - g_n}|^2 ) / d_x",
        claim=lambda e, t, d_x: (2 * _each(e) - _of_mean(e), d_x),
        checks=_checks(M2AsPublished),
        mutations={
            "M2 of the paper": lambda e, t, d_x: (2 * _each(e) - _per_datum(e), d_x),
            "sign": lambda e, t, d_x: (2 * _each(e) + _of_mean(e), d_x),
            "no square of the mean": lambda e, t, d_x: (2 * _each(e), d_x),
        },
        consequence="The square is of the mean over the minibatch, not over samples of the posterior of one "
            "datum. Where residuals average out, gamma is near 2A/d_x, twice the optimum of M1; the M2 of "
            "the paper with one sample is M1.",
        code="vsmnp.objectives.M2AsPublished",
    ),
    Statement(
        id="engine-m3-as-published",
        title="M3 of the published script",
        assumptions="As for M2; z is not detached, so that log q(z|x) is differentiated through z as well.",
        latex=r"\tfrac12 |\overline{s_n}|^2 - \overline{\nabla_x \sum_j \log \sigma_j(x_n) \cdot s_n} "
            r"- \tfrac{d_x}{\gamma}",
        claim=lambda e, t, d_x: (_of_mean(e), d_x + _cross(e, t)),
        checks=_checks(M3AsPublished),
        mutations={
            "sign of the cross term": lambda e, t, d_x: (_of_mean(e), d_x - _cross(e, t)),
            "no cross term": lambda e, t, d_x: (_of_mean(e), d_x),
            "square for each datum": lambda e, t, d_x: (_per_datum(e), d_x + _cross(e, t)),
        },
        consequence="Along the path log q depends on x through -sum log s alone: that slope stands where "
            "s^q should. Where residuals average out over N data the square is about A/N, and gamma falls "
            "to about A/(N d_x).",
        code="vsmnp.objectives.M3AsPublished",
    ),
)  # fmt: skip
