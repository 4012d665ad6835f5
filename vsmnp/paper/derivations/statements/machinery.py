"""Identities behind training and evaluation beside objectives: latent discrepancy, Adam, normal draws."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ....metrics import cubic_mmd
from ....rng import Key, Stream
from ....training.optimizers import Adam
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides
from ..evidence import mean_and_error, statistical
from ..examples.kernel_set import kernels
from ..quadrature import normal_rule
from ..statement import Claim, Effort, Evidence, Statement

# --- the cubic discrepancy between Gaussians ---

_SCALES, _SHIFT = (1.6, 0.7), np.array([0.3, -0.4, 0.5])  # of the quadrature and of the engine's draws


@both_sides("quadrature", 1e-11, "one side scaled, one shifted, against N(0, I) in 1, 2, 3 dimensions")
def _mmd_by_quadrature(claim: Claim) -> tuple[Any, Any]:
    """Compare with two nodes a coordinate, which are exact: the kernel has degree three in each."""
    claimed, truth = [], []
    for d in (1, 2, 3):
        eps, w = normal_rule(2, d)
        for z in (np.sqrt(_SCALES[0]) * eps, eps + _SHIFT[:d]):
            pairs = ((z, z, 1), (eps, eps, 1), (z, eps, -2))
            truth.append(sum(sign * w @ (a @ b.T + 1) ** 3 @ w for a, b, sign in pairs))
        claimed += _mmd_claimed(claim, d, _SCALES[0])
    return claimed, truth


def _mmd_claimed(claim: Claim, d: int, scale: float) -> list[float]:
    return [claim.scaled(d, scale), claim.shifted(d, float(_SHIFT[:d] @ _SHIFT[:d]))]


def _mmd_of_the_engine(calls: int, draws: int) -> tuple[Array, Array]:
    rng, found = np.random.default_rng(12), []
    for _ in range(calls):
        one, two = rng.standard_normal((2, draws, 3))
        found.append([cubic_mmd(np.sqrt(_SCALES[1]) * one, two), cubic_mmd(one + _SHIFT, two)])
    return mean_and_error(found)


# --- Adam ---

_RATES = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-3}


@symbolic_sides("steps 1, 2, 4 along a constant gradient")
def _adam_symbolic(claim: Claim, sympy: Any) -> tuple[Any, Any]:
    """Compare for a constant gradient: the bias correction makes every step the same."""
    g, lr, eps = sympy.symbols("g lr eps", positive=True)
    one, two = sympy.Rational(9, 10), sympy.Rational(99, 100)
    steps = [claim([g] * t, lr, one, two, eps, sympy.sqrt) for t in (1, 2, 4)]
    return steps, [lr * g / (g + eps)] * 3


@both_sides("closed form", 1e-12, "ten steps of the engine along changing gradients")
def _adam_of_the_engine(claim: Claim) -> tuple[Any, Any]:
    """Compare ten steps along varying gradients with the recursion of the kernels."""
    k, optimizer = kernels(), Adam(_RATES["beta1"], _RATES["beta2"], _RATES["eps"])
    gradients = np.random.default_rng(13).standard_normal((10, 4)) + 0.3
    p = np.zeros((1, 4))
    memory = optimizer.remember(k, p)
    claimed, truth = [], []
    for t, g in enumerate(gradients, 1):
        before = p.copy()
        optimizer.update(k, p, g[None], memory, np.array([_RATES["lr"]]), np.array([True]))
        truth.append((before - p)[0])
        claimed.append(claim(gradients[:t], *_RATES.values(), np.sqrt))
    return claimed, truth


def _moment(gradients: Any, beta: Any, power: int) -> Any:
    """Compute ``(1 - beta) sum_i beta^(t-i) g_i^power``, uncorrected, of numbers or symbols."""
    t = len(gradients)
    return sum((1 - beta) * beta ** (t - 1 - i) * g**power for i, g in enumerate(gradients))


# --- normal draws from uniform ones ---


@both_sides("quadrature", 1e-8, "moments (2,0), (0,2), (1,1), (4,0), (2,2), (3,1), (0,1), (6,0) of a pair")
def _normal_moments(claim: Claim) -> tuple[Any, Any]:
    """Compare moments over both uniforms: ``1 - u`` is ``e^-t`` with t exponential, the angle is uniform."""
    t, w = np.polynomial.laguerre.laggauss(12)
    n = np.stack(claim(-np.expm1(-t)[:, None], ((np.arange(16) + 0.5) / 16)[None, :]))
    weights = w[:, None] / 16
    return [(weights * n[0] ** i * n[1] ** j).sum() for i, j in _POWERS], _MOMENTS


@both_sides("closed form", 1e-13, "2,000 normals of the engine")
def _normals_of_the_engine(claim: Claim) -> tuple[Any, Any]:
    """Compare the engine's stream of normals with this map of its stream of uniforms."""
    k, key = kernels(), Key((6,), Stream.OUTCOME, 3)
    u = key.uniform(k, (1000, 2), np.float64)[0]
    return np.stack(claim(u[:, 0], u[:, 1]), axis=-1), key.normal(k, (1000, 2), np.float64)[0]


def _normals_by_draws(claim: Claim, effort: Effort) -> Evidence:
    """Compare moments of the map, evaluated at the engine's uniforms."""
    k, calls, found = kernels(), effort.samples(100), []
    for step in range(calls):
        u = Key((6,), Stream.OUTCOME, step).uniform(k, (5_000, 2), np.float64)[0]
        n = claim(u[:, 0], u[:, 1])
        found.append([(n[0] ** i * n[1] ** j).mean() for i, j in _POWERS])
    detail = f"moments of a pair from {calls * 10_000:,} uniforms of the engine"
    return statistical(_MOMENTS, *mean_and_error(found), detail)


_POWERS = ((2, 0), (0, 2), (1, 1), (4, 0), (2, 2), (3, 1), (0, 1), (6, 0))
_MOMENTS = (1, 1, 0, 3, 1, 0, 0, 15)

_MMD = SimpleNamespace(
    scaled=lambda d, a: 3 * d * (a - 1) ** 2, shifted=lambda d, m: m**3 + 9 * m**2 + (9 + 3 * d) * m
)


def _polar(u1: Array, u2: Array) -> tuple[Array, Array]:
    radius = np.sqrt(-2 * np.log1p(-u1))
    return radius * np.cos(2 * np.pi * u2), radius * np.sin(2 * np.pi * u2)


STATEMENTS = (
    Statement(
        id="engine-mmd",
        title="The cubic discrepancy of two Gaussians in closed form",
        assumptions="k(z, z') = (z . z' + 1)^3; the other side is N(0, I) in d dimensions; m = |mean|^2.",
        latex=r"\text{MMD}^2[N(0, a I), N(0, I)] = 3 d (a - 1)^2, \quad "
            r"\text{MMD}^2[N(\mu, I), N(0, I)] = m^3 + 9 m^2 + (9 + 3 d) m",
        claim=_MMD,
        checks=(
            _mmd_by_quadrature,
            sampling_check(25,
                "the unbiased estimate of the engine in 3 dimensions, {samples} x 2 x 20,000 draws",
                lambda claim: _mmd_claimed(claim, 3, _SCALES[1]),
                lambda calls: _mmd_of_the_engine(calls, 20_000)),
            sampling_check(10_000,
                "that estimate of few draws, which self-pairs would bias, {samples:,} x 2 x 5 draws",
                lambda claim: _mmd_claimed(claim, 3, _SCALES[1]), lambda calls: _mmd_of_the_engine(calls, 5)),
        ),
        mutations={
            "variances squared": SimpleNamespace(
                scaled=lambda d, a: 3 * d * (a**2 - 1) ** 2, shifted=_MMD.shifted
            ),
            "dimension missing": SimpleNamespace(scaled=lambda d, a: 3 * (a - 1) ** 2, shifted=_MMD.shifted),
            "shift alone": SimpleNamespace(scaled=_MMD.scaled, shifted=lambda d, m: (m + 1) ** 3 - 1),
            "dimension of the shift": SimpleNamespace(
                scaled=_MMD.scaled, shifted=lambda d, m: m**3 + 9 * m**2 + (9 + d) * m
            ),
        },
        code="vsmnp.metrics.mmd.cubic_mmd",
    ),
    Statement(
        id="engine-adam",
        title="A step of Adam from all gradients so far",
        assumptions="g_1 ... g_t are all gradients so far; a constant one gives lr g / (|g| + eps).",
        latex=r"\Delta_t = \eta \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon}, \quad "
            r"\hat m_t = \frac{1 - \beta_1}{1 - \beta_1^t} \sum_i \beta_1^{t - i} g_i, \quad "
            r"\hat v_t = \frac{1 - \beta_2}{1 - \beta_2^t} \sum_i \beta_2^{t - i} g_i^2",
        claim=lambda g, lr, one, two, eps, sqrt: lr * _moment(g, one, 1) / (1 - one ** len(g))
        / (sqrt(_moment(g, two, 2) / (1 - two ** len(g))) + eps),
        checks=(_adam_symbolic, _adam_of_the_engine),
        mutations={
            "bias not corrected": lambda g, lr, one, two, eps, sqrt: lr * _moment(g, one, 1)
            / (sqrt(_moment(g, two, 2)) + eps),
            "constant under the root": lambda g, lr, one, two, eps, sqrt: lr * _moment(g, one, 1)
            / (1 - one ** len(g)) / sqrt(_moment(g, two, 2) / (1 - two ** len(g)) + eps),
            "correction of the step before": lambda g, lr, one, two, eps, sqrt: lr * _moment(g, one, 1)
            / (1 - one ** (len(g) + 1)) / (sqrt(_moment(g, two, 2) / (1 - two ** len(g))) + eps),
            "rates exchanged": lambda g, lr, one, two, eps, sqrt: lr * _moment(g, two, 1)
            / (1 - one ** len(g)) / (sqrt(_moment(g, one, 2) / (1 - two ** len(g))) + eps),
        },
        code="vsmnp.training.optimizers.Adam",
    ),
    Statement(
        id="engine-philox-normal",
        title="Two independent normals from two uniforms",
        assumptions="u_1, u_2 are neighbouring uniforms on [0, 1) of the counter-based stream.",
        latex=r"(n_1, n_2) = \sqrt{-2 \log(1 - u_1)} \, (\cos 2 \pi u_2, \ \sin 2 \pi u_2)",
        claim=_polar,
        checks=(_normal_moments, _normals_of_the_engine, _normals_by_draws),
        mutations={
            "factor two missing": lambda u1, u2: tuple(n / np.sqrt(2) for n in _polar(u1, u2)),
            "half a turn": lambda u1, u2: _polar(u1, u2 / 2),
            "root missing": lambda u1, u2: (
                -2 * np.log1p(-u1) * np.cos(2 * np.pi * u2), -2 * np.log1p(-u1) * np.sin(2 * np.pi * u2)
            ),
            "cosine twice": lambda u1, u2: (_polar(u1, u2)[0], _polar(u1, u2)[0]),
        },
        code="vsmnp.kernels.reference.kernel_set.normal",
    ),
)  # fmt: skip
