"""Beyond the paper: batch norm couples the data of a minibatch, in its rules and in the score of q."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ....objectives import M3
from ....objectives.score_norm import ScoreNormTerm
from ....rng import Key, Stream
from ....types import Array
from ..checks import sampling_check, symbolic_sides, value_check
from ..evidence import mean_and_error
from ..examples import moments
from ..examples.batch_norm import (
    coupled,
    decoded_blocks,
    engine_jacobian,
    engine_tangents,
    expectations,
    frozen,
    jacobian,
    score_blocks,
    statistics,
)
from ..statement import Claim, Statement

# --- the Jacobian of batch norm: a claim maps the unit matrix, h (N, C), scale, r, v to it and the trace ---


@symbolic_sides("all derivatives of three outputs of one channel, and their trace")
def _jacobian_symbolic(claim: Claim, sympy: Any) -> tuple[Any, Any]:
    """Compare at the data (0, 1, 5), after the derivatives are taken."""
    x, c = sympy.symbols("x1:4", real=True), sympy.Symbol("c", real=True)
    epsilon = sympy.Symbol("epsilon", positive=True)
    mean = sum(x) / 3
    variance = sum((each - mean) ** 2 for each in x) / 3
    y = [c * (each - mean) / sympy.sqrt(variance + epsilon) for each in x]
    here = dict(zip(x, map(sympy.Integer, (0, 1, 5)), strict=True))
    truth = [sympy.diff(out, into).subs(here) for out in y for into in x]
    h = np.array([[(out / c).subs(here)] for out in y])
    v = variance.subs(here)
    found, trace = claim(np.eye(3, dtype=int), h, np.array([c]), np.array([1 / sympy.sqrt(v + epsilon)]),
                         np.array([v]))  # fmt: skip
    return [*found.ravel(), trace[0]], [*truth, truth[0] + truth[4] + truth[8]]


def _jacobian_claimed(claim: Claim) -> Array:
    s = statistics()
    return np.concatenate([part.ravel() for part in claim(s.one, s.h, s.scale, s.r, s.v)])


def _with_trace(found: Array) -> Array:
    return np.append(found, np.trace(found))


def _jacobian(one: Any, h: Any, scale: Any, r: Any, v: Any, of_mean: Any = 1, of_variance: Any = 1) -> Any:
    n = len(h)
    shift = of_mean + of_variance * h[:, None] * h[None]
    trace = scale * r * (n - of_mean - of_variance * v * r**2)
    return scale * r * (one[..., None] - shift / n), trace


# --- the score of q: a claim maps the traces of d E g(z_n)/d x_m (N, N), the squares of the blocks (N, N),
# those of frozen statistics (N,), and gamma to E[s^q_m . s^p_m] and E|s^q_m|^2 ---


def _score_claimed(claim: Claim, gamma: float = 0.6) -> list[Array]:
    traces, squares = (np.diag(f(frozen)) for f in (decoded_blocks, score_blocks))
    return list(claim(decoded_blocks(), score_blocks(), traces, squares, gamma))


def _norm_of_the_engine(draws: int) -> tuple[Array, Array]:
    """Estimate the mean of ``E |s^q|^2/2`` over the batch by the engine's term."""
    e, values, calls = coupled(), [], 16
    term = ScoreNormTerm("pathwise", True)
    q, cached = e.model.encode(e.k, e.phi, e.x)
    for step in range(calls):
        key = Key((7,), Stream.OUTCOME, step)
        eps = e.model.gaussian_posterior.noise(e.k, key, draws // calls, e.x)
        values.append(term(e.k, e.model, e.phi, q, cached, eps, key, None)[0])
    return mean_and_error(values)


def _coupled_score(
    cross: Array, squares: Array, fixed: Array, fixed_squares: Array, gamma: float
) -> tuple[Array, Array]:
    return np.diag(cross) / gamma, squares.sum(0)


STATEMENTS = (
    Statement(
        id="engine-batch-norm-coupled",
        title="The Jacobian of batch norm with the statistics of the batch",
        assumptions="y_n = c h_n + b, h_n = r (x_n - mean), r = (v + epsilon)^(-1/2), mean and v over the "
            "N data "
            "of the batch, each channel by itself; with frozen statistics the Jacobian is c r delta_nm.",
        latex=r"\frac{\partial y_n}{\partial x_m} = c r \Bigl( \delta_{nm} - \frac{1 + h_n h_m}{N} \Bigr), "
            r"\quad "
            r"\sum_n \frac{\partial y_n}{\partial x_n} = c r ( N - 1 - v r^2 )",
        claim=_jacobian,
        checks=(
            _jacobian_symbolic,
            value_check("finite differences", 1e-9, "differences of the definition, five data, two channels",
                _jacobian_claimed, lambda: _with_trace(jacobian())),
            value_check("closed form", 1e-12, "the engine's backward rule, five data, two channels",
                _jacobian_claimed, lambda: _with_trace(engine_jacobian())),
            value_check("closed form", 1e-12, "the engine's rule of tangents, five data, two channels",
                _jacobian_claimed, lambda: _with_trace(engine_tangents())),
        ),
        mutations={
            "frozen statistics": partial(_jacobian, of_mean=0, of_variance=0),
            "variance held fixed": partial(_jacobian, of_variance=0),
            "mean held fixed": partial(_jacobian, of_mean=0),
            "slope of the variance, not of its root": partial(_jacobian, of_variance=2),
            "sign of the variance": partial(_jacobian, of_variance=-1),
            "unit scale": lambda one, h, scale, r, v: _jacobian(one, h, scale**0, r, v),
            "five data": lambda one, h, scale, r, v: (
                scale * r * (one[..., None] - (1 + h[:, None] * h[None]) / 5),
                _jacobian(one, h, scale, r, v)[1],
            ),
            "sum of all entries for the trace": lambda *at: (_jacobian(*at)[0], 0 * _jacobian(*at)[1]),
        },
        consequence="Shifting all data, or stretching them about their mean, leaves the output (up to "
            "epsilon): two of the N directions of each channel are lost, so that a trace over the batch is "
            "that of N - 2 data.",
        code="vsmnp.layers.norm.BatchNorm",
    ),
    Statement(
        id="engine-batch-score",
        title="What coupled batch norm in the encoder does to the score of q",
        assumptions="s^q_m is the gradient in x_m of the sum over the batch of log q(z_n|x_1, ..., x_N), "
            "all z "
            "fixed; independent noise for each datum; a block is a derivative of datum n's moments in x_m, "
            "its "
            "own if n = m; statistics follow x_m.",
        latex=r"E [s^q_m \cdot s^p_m] = \tfrac1\gamma \nabla_{x_m} \cdot E\, g(z_m), \quad "
            r"E |s^q_m|^2 = \sum_n \sum_i \Bigl( \tfrac{|\nabla_{x_m} \mu_{ni}|^2}{s_{ni}^2} "
            r"+ 2 |\nabla_{x_m} \log s_{ni}|^2 \Bigr)",
        claim=_coupled_score,
        checks=(
            value_check("quadrature", 1e-8,
                "means over the noise of all four data, with the engine's backward sweep for the score, "
                "gamma = 0.6 and 1.1",
                lambda claim: [*_score_claimed(claim), *_score_claimed(claim, 1.1)],
                lambda: [*expectations(), *expectations(1.1)]),
            sampling_check(100_000, "the engine's cross term of M3, coupled encoder, {samples:,} samples",
                lambda claim: _score_claimed(claim)[0].mean(),
                lambda samples: coupled().outcomes(M3, samples, moments.cross)),
            sampling_check(48_000, "the engine's score norm with a coupled encoder, {samples:,} draws",
                lambda claim: 0.5 * _score_claimed(claim)[1].mean(), _norm_of_the_engine),
        ),
        mutations={
            "frozen statistics in the cross term": lambda cross, squares, fixed, fixed_squares, gamma: (
                fixed / gamma, squares.sum(0)
            ),
            "frozen statistics in the square": lambda cross, squares, fixed, fixed_squares, gamma: (
                np.diag(cross) / gamma, fixed_squares
            ),
            "others in the cross term": lambda cross, squares, fixed, fixed_squares, gamma: (
                cross.sum(0) / gamma, squares.sum(0)
            ),
            "no others in the square": lambda cross, squares, fixed, fixed_squares, gamma: (
                np.diag(cross) / gamma, np.diag(squares)
            ),
            "of datum m in all data": lambda cross, squares, fixed, fixed_squares, gamma: (
                np.diag(cross) / gamma, squares.sum(1)
            ),
            "gamma squared": lambda cross, squares, fixed, fixed_squares, gamma: (
                np.diag(cross) / gamma**2, squares.sum(0)
            ),
            "sign": lambda cross, squares, fixed, fixed_squares, gamma: (
                -np.diag(cross) / gamma, squares.sum(0)
            ),
        },
        consequence="The terms of the other data in s^q have no mean beside s^p of datum m: they enlarge the "
            "variance of M3's cross term, and the mean of the Fisher autoencoder's |s^q|^2. The cross term "
            "differs "
            "from that of frozen statistics by the datum's own share in them, which is of order 1/N.",
        code="vsmnp.model.vae.GaussianVAE",
    ),
)  # fmt: skip
