"""Beyond the paper: binary latents, their divergence from the prior and the relaxation of their samples."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np

from ....kernels import load
from ....model.bernoulli import Bernoulli
from ....rng import Key
from ....types import Array
from ..checks import both_sides, sampling_check, symbolic_sides, value_check
from ..evidence import derivative, gradient
from ..examples.bernoulli_latents import (
    LOGITS,
    bias_over_square,
    estimated,
    logistic,
    odds,
    over_logistic,
    pulled_back,
    relaxed,
)
from ..statement import Claim, Statement

# --- D_KL[q || p(z)]: a claim is the divergence and its gradient, of the logits and elementary functions ---


@symbolic_sides("KL of one latent from its two probabilities, and its derivative")
def _kl_symbolic(claim: Claim, sympy: Any) -> tuple[Any, Any]:
    odds_of_one = sympy.Symbol("o", positive=True)  # e^a: all terms are rational in it, or logarithms
    a, one = sympy.log(odds_of_one), odds_of_one / (1 + odds_of_one)
    kl = one * sympy.log(one) + (1 - one) * sympy.log(1 / (1 + odds_of_one)) + sympy.log(2)
    claimed = [np.ravel(part(np.array([a]), sympy))[0] for part in claim]
    truth = [kl, odds_of_one * sympy.diff(kl, odds_of_one)]  # d/da = o d/do
    return [sympy.expand_log(f) for f in claimed], [sympy.expand_log(f) for f in truth]


def _kl_by_states() -> Array:
    """Compute ``sum_z q(z) log q(z)/p(z)`` over all states of three latents, and differences of it."""
    states = np.array(list(product((0, 1), repeat=len(LOGITS))))

    def kl(a: Array) -> Array:
        q = np.prod(np.where(states == 1, logistic(a), logistic(-a)), axis=1)
        return np.asarray((q * np.log(q * len(states))).sum())

    return np.append(kl(LOGITS), gradient(kl, LOGITS))


def _kl_of_the_engine() -> Array:
    posterior, q = Bernoulli(len(LOGITS)), odds()
    no_decoder = np.zeros((1, 2, 1, len(LOGITS)))
    slope = posterior.pathwise(load("reference"), Key((1,)), q, no_decoder, 1.0)
    return np.append(posterior.kl(q), slope)


def _kl_claimed(claim: Claim) -> Array:
    return np.concatenate([np.ravel(part(LOGITS, np)) for part in claim])


def _kl(a: Any, m: Any) -> Any:
    terms = [v / (1 + m.exp(-v)) - m.log(1 + m.exp(v)) + m.log(2) for v in a]
    return sum(terms)


def _kl_slope(a: Any, m: Any) -> Any:
    return np.array([v / ((1 + m.exp(-v)) * (1 + m.exp(v))) for v in a])


# --- the relaxed sample: a claim has its distribution function and its slope in the logit ---

_LEVELS, _WARM, _COLD = np.array([0.1, 0.5, 0.8]), 0.7, 0.3
_COTANGENTS = np.random.default_rng(3).standard_normal((4, len(LOGITS)))  # of four relaxed samples


def _raw_moments() -> Array:
    """Compute ``E z, E z^2`` of the relaxed samples at two temperatures, over the noise, ``(2, 2, Z)``."""

    def moment(n: int, T: float) -> Array:
        return over_logistic(lambda noise: logistic((LOGITS + noise) / T) ** n)

    return np.stack([np.stack([moment(n, T) for n in (1, 2)]) for T in (_WARM, _COLD)])


def _moments_claimed(claim: Claim) -> Array:
    """Compute the same moments as ``int n y^(n-1) (1 - F(y)) dy``, with y the logistic of an equal grid."""

    def moment(n: int, T: float) -> Array:
        return over_logistic(
            lambda v: n * logistic(v) ** (n - 1) * (1 - claim.distribution(logistic(v), LOGITS, T))
        )

    return np.stack([np.stack([moment(n, T) for n in (1, 2)]) for T in (_WARM, _COLD)])


def _slopes() -> Array:
    """Compute differences of the engine's samples in their logits, the noise fixed."""

    def of(T: float) -> Array:
        return derivative(lambda t: relaxed(T, 4, logits=LOGITS + t))

    return np.stack([of(T) for T in (_WARM, _COLD)])


def _below(z: Array) -> Array:
    """Compute which samples are below each level, ``(S, Z, 3)``."""
    return (z[..., None] <= _LEVELS).astype(float)


_RELAXED = SimpleNamespace(
    distribution=lambda y, a, T: logistic(T * np.log(y / (1 - y)) - a), slope=lambda z, T: z * (1 - z) / T
)


def _but(**parts: Any) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(_RELAXED), **parts})


# --- the bias of the relaxed mean: a claim maps p to the coefficient of T^2 ---


@both_sides("quadrature", 1e-6, "limit of (E z - p)/T^2 for three logits")
def _bias_by_quadrature(claim: Claim) -> tuple[Any, Any]:
    return claim(logistic(LOGITS)), bias_over_square()


_TEPID = 0.2

STATEMENTS = (
    Statement(
        id="engine-bernoulli-kl",
        title="Divergence of factorised binary latents from the uniform prior, and its gradient",
        assumptions="q(z|x) has independent bits of probabilities p = sigma(a), the prior is 2^-Z; in nats.",
        latex=r"D_{KL}[q \| p] = \sum \bigl( p a - \log (1 + e^a) + \log 2 \bigr) = \sum ( \log 2 - H(p) ), "
            r"\quad \nabla_a = a \, p (1 - p)",
        claim=(_kl, _kl_slope),
        checks=(
            _kl_symbolic,
            value_check("finite differences", 1e-9, "sum over the 8 states of three latents, its gradient",
                _kl_claimed, _kl_by_states),
            value_check("closed form", 1e-13, "KL and its gradient, as the engine has them",
                _kl_claimed, _kl_of_the_engine),
        ),
        mutations={
            "no prior": (lambda a, m: _kl(a, m) - len(a) * m.log(2), _kl_slope),
            "in bits": (lambda a, m: _kl(a, m) / m.log(2), _kl_slope),
            "sign of the entropy": (lambda a, m: 2 * len(a) * m.log(2) - _kl(a, m), _kl_slope),
            "slope of p alone": (_kl, lambda a, m: _kl_slope(a, m) / a),
            "gradient in p": (_kl, lambda a, m: a),
            "sign": (_kl, lambda a, m: -_kl_slope(a, m)),
        },
        code="vsmnp.model.bernoulli.Bernoulli",
    ),
    Statement(
        id="engine-bernoulli-relaxed",
        title="Distribution and slope of a relaxed binary sample",
        assumptions="z = sigma((a + L)/T) with logistic noise L, T > 0; the exact sample is [a + L > 0].",
        latex=r"P(\tilde z \le y) = \sigma \bigl( T \log \tfrac{y}{1 - y} - a \bigr), \quad "
            r"P(\tilde z \le \tfrac12) = 1 - p, \quad \lim_{T \to 0} P(\tilde z \le y) = 1 - p \; (0 < y < "
            r"1), "
            r"\quad \partial_a \tilde z = \tfrac1T \tilde z (1 - \tilde z)",
        claim=_RELAXED,
        checks=(
            value_check("quadrature", 1e-10, "E z and E z^2 of three latents, T = 0.7 and 0.3",
                _moments_claimed, _raw_moments),
            value_check("finite differences", 1e-9, "slopes of four samples of the engine, T = 0.7 and 0.3",
                lambda claim: np.stack([claim.slope(relaxed(T, 4), T) for T in (_WARM, _COLD)]), _slopes),
            value_check("closed form", 1e-12, "the engine's gradient from four samples, T = 0.7 and 0.3",
                lambda claim: np.stack(
                    [(_COTANGENTS * claim.slope(relaxed(T, 4), T)).sum(0) for T in (_WARM, _COLD)]),
                lambda: np.stack([pulled_back(T, _COTANGENTS) for T in (_WARM, _COLD)])),
            sampling_check(200_000, "engine samples below 0.1, 0.5 and 0.8, T = 0.7, {samples:,} samples",
                lambda claim: claim.distribution(_LEVELS, LOGITS[:, None], _WARM), estimated(_WARM, _below)),
            sampling_check(200_000, "engine samples below 0.1, 0.5 and 0.8, T = 0.3, {samples:,} samples",
                lambda claim: claim.distribution(_LEVELS, LOGITS[:, None], _COLD), estimated(_COLD, _below)),
        ),
        mutations={
            "temperature on the logit": _but(
                distribution=lambda y, a, T: logistic(T * (np.log(y / (1 - y)) - a))
            ),
            "temperature inverted": _but(distribution=lambda y, a, T: logistic(np.log(y / (1 - y)) / T - a)),
            "sign of the logit": _but(distribution=lambda y, a, T: logistic(T * np.log(y / (1 - y)) + a)),
            "always in the limit": _but(distribution=lambda y, a, T: logistic(0 * y - a)),
            "T is 0.7": _but(distribution=lambda y, a, T: logistic(0.7 * np.log(y / (1 - y)) - a)),
            "T is 0.3": _but(distribution=lambda y, a, T: logistic(0.3 * np.log(y / (1 - y)) - a)),
            "slope without T": _but(slope=lambda z, T: z * (1 - z)),
            "slope of the logit": _but(slope=lambda z, T: T / (z * (1 - z))),
            "sign of the slope": _but(slope=lambda z, T: -z * (1 - z) / T),
        },
        consequence="The relaxed sample is on the same side of 1/2 as the exact one at every temperature. "
            "Its "
            "slope is at most 1/(4 T), and vanishes where the sample is near 0 or 1: the smaller T, the "
            "rarer and "
            "the larger are the gradients.",
        code="vsmnp.model.bernoulli.Bernoulli",
    ),
    Statement(
        id="engine-bernoulli-relaxed-bias",
        title="Bias of the mean of a relaxed sample for a small temperature",
        assumptions="As for its distribution; p = sigma(a) is the mean of the exact sample.",
        latex=r"E \tilde z = p + \tfrac{\pi^2}{6} T^2 p (1 - p) (1 - 2 p) + O(T^4)",
        claim=lambda p: np.pi**2 / 6 * p * (1 - p) * (1 - 2 * p),
        checks=(
            _bias_by_quadrature,
            sampling_check(400_000, f"mean of the engine's samples at T = {_TEPID}, {{samples:,}} samples",
                lambda claim: logistic(LOGITS) + _TEPID**2 * claim(logistic(LOGITS)),
                estimated(_TEPID, lambda z: z)),
        ),
        mutations={
            "no bias": lambda p: 0 * p,
            "sign": lambda p: -np.pi**2 / 6 * p * (1 - p) * (1 - 2 * p),
            "half": lambda p: np.pi**2 / 12 * p * (1 - p) * (1 - 2 * p),
            "variance alone": lambda p: np.pi**2 / 6 * p * (1 - p),
            "not towards 1/2": lambda p: np.pi**2 / 6 * p * (1 - p) * (2 * p - 1),
        },
        consequence="Relaxed samples are drawn towards 1/2, and so are their gradients: the bias of both "
            "is of "
            "second order in T, while the divergence from the prior is exact. At T = 1/2 the term is at "
            "most 0.04.",
        code="vsmnp.model.bernoulli.Bernoulli",
    ),
)  # fmt: skip
