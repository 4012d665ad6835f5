"""Beyond the paper: what its published toy script computes under the names M2 and M3."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ....objectives import M2AsPublished, M3AsPublished, OptimalGamma
from ....objectives.quadratic import Learning
from ....types import Array
from ..evidence import gradient, numeric, statistical
from ..examples.engine import EngineExample
from ..examples.moments import drawn, evaluate, loss
from ..examples.toy import dot, square
from ..quadrature import normal_rule
from ..statement import Effort, Evidence, Form, Statement

_SAMPLES = 4

# A claim takes (e, t): residuals e = g(z_n) - x_n, (S, N, D), one sample a row, and t (N, D), the gradient of
# sum log s at x_n; it gives (a, h) of each row, the loss being a/(2 gamma^2) + (h - d_x)/gamma.


def _two_data() -> EngineExample:
    return EngineExample.build(d_z=1, n=2)


@cache
def _slope_of_log_s(n: int, d_z: int) -> Array:
    example = EngineExample.build(d_z=d_z, n=n)
    return gradient(lambda shift: np.log(example.q(example.data + shift)[1]).sum(-1), np.zeros(2))


def _on_noise(claim: Any, objective: type[Learning], effort: Effort) -> Evidence:
    """Compare loss at a given gamma, and optimal gamma, on the engine's own samples."""
    example = EngineExample.build()
    mu, s = example.q()
    residual = example.g(mu + s * drawn(example, _SAMPLES)) - example.data
    a, h = (np.mean(each) for each in claim(residual, _slope_of_log_s(3, 2)))
    gamma = example.gamma
    best = evaluate(example, objective(_SAMPLES, OptimalGamma())).gamma
    assert best is not None
    truth = [evaluate(example, objective(_SAMPLES)).loss[0], np.exp(2 * best.log_sd[0])]
    claimed = [a / (2 * gamma**2) + (h - 2) / gamma, a / (2 - h)]
    detail = "the engine's loss and optimal gamma on given samples"
    return numeric("finite differences", claimed, truth, effort.tolerance(1e-9), detail)


@cache
def _mean_of_the_engine(objective: type[Learning], samples: int) -> tuple[Array, Array]:
    return _two_data().outcomes(objective, samples, loss)


def _in_mean(claim: Any, objective: type[Learning], effort: Effort) -> Evidence:
    """Compare the mean loss on a minibatch of two; the claim is averaged over both latents by quadrature."""
    example, samples = _two_data(), effort.samples(1_000_000)
    eps, w = normal_rule(30, 2)
    mu, s = example.q()
    residual = example.g(mu + s * eps[..., None]) - example.data
    a, h = (w @ np.broadcast_to(each, w.shape) for each in claim(residual, _slope_of_log_s(2, 1)))
    claimed = a / (2 * example.gamma**2) + (h - 2) / example.gamma
    found = _mean_of_the_engine(objective, samples)
    return statistical(claimed, *found, f"the engine's loss on a minibatch of two, {samples} samples")


def _m2_on_noise(claim: Any, effort: Effort) -> Evidence:
    return _on_noise(claim, M2AsPublished, effort)


def _m2_in_mean(claim: Any, effort: Effort) -> Evidence:
    return _in_mean(claim, M2AsPublished, effort)


def _m3_on_noise(claim: Any, effort: Effort) -> Evidence:
    return _on_noise(claim, M3AsPublished, effort)


def _m3_in_mean(claim: Any, effort: Effort) -> Evidence:
    return _in_mean(claim, M3AsPublished, effort)


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
        section="engine",
        title="M2 of the published script",
        assumptions="One sample a datum, s_n = s^p(x_n|z_n); bars are means over the minibatch.",
        form=Form(
            r"\overline{|s_n|^2} - \tfrac12 |\overline{s_n}|^2 - \tfrac{d_x}{\gamma}, \quad "
            r"\gamma^* = ( 2 \overline{|x_n - g_n|^2} - |\overline{x_n - g_n}|^2 ) / d_x",
            lambda e, t: (2 * _each(e) - _of_mean(e), 0.0),
        ),
        checks=(_m2_on_noise, _m2_in_mean),
        mutations={
            "M2 of the paper": lambda e, t: (2 * _each(e) - _per_datum(e), 0.0),
            "sign": lambda e, t: (2 * _each(e) + _of_mean(e), 0.0),
            "no square of the mean": lambda e, t: (2 * _each(e), 0.0),
        },
        consequence=(
            "The square is of the mean over the minibatch, not over samples of the posterior of one datum. "
            "Where residuals average out, gamma is near 2A/d_x, twice the optimum of M1; the M2 of the paper "
            "with one sample is M1."
        ),
        code="vsmnp.objectives.M2AsPublished",
    ),
    Statement(
        id="engine-m3-as-published",
        section="engine",
        title="M3 of the published script",
        assumptions="As for M2; z is not detached, so that log q(z|x) is differentiated through z as well.",
        form=Form(
            r"\tfrac12 |\overline{s_n}|^2 - \overline{\nabla_x \sum_j \log \sigma_j(x_n) \cdot s_n} "
            r"- \tfrac{d_x}{\gamma}",
            lambda e, t: (_of_mean(e), -_cross(e, t)),
        ),
        checks=(_m3_on_noise, _m3_in_mean),
        mutations={
            "sign of the cross term": lambda e, t: (_of_mean(e), _cross(e, t)),
            "no cross term": lambda e, t: (_of_mean(e), 0.0),
            "square for each datum": lambda e, t: (_per_datum(e), -_cross(e, t)),
        },
        consequence=(
            "Along the path log q depends on x through -sum log s alone: that slope stands where s^q should. "
            "Where residuals average out over N data the square is about A/N, and gamma falls to about "
            "A/(N d_x)."
        ),
        code="vsmnp.objectives.M3AsPublished",
    ),
)  # fmt: skip
