"""Derive the divergence of binary latents, and the distribution, slope and mean of a relaxed sample."""

from __future__ import annotations

import numpy as np

from ....types import Array
from ..evidence import derivative, gradient
from ..examples.bernoulli_latents import (
    LOGITS,
    bias_over_square,
    logistic,
    over_logistic,
    relaxed,
    relaxed_mean,
)
from ..proof import Proofs, Step

_P = logistic(LOGITS)
_T = 0.4


def _kl(a: Array) -> Array:
    """Compute the divergence of each latent from its two probabilities."""
    p = np.stack([logistic(a), logistic(-a)])
    return np.asarray((p * np.log(2 * p)).sum(0))


def _in_logits(a: Array) -> Array:
    return np.asarray(logistic(a) * a - np.log1p(np.exp(a)) + np.log(2))


def _bump(v: Array) -> Array:
    """Compute the logistic density ``sigma'(v)``."""
    return np.asarray(logistic(v) * logistic(-v))


def _trapezoid(f: Array, v: Array) -> float:
    return float(f.sum() * (v[1] - v[0]))


def _moved() -> tuple[Array, Array]:
    """Compute ``E z - p`` directly, and as the integral over u of the density at T u and the difference."""
    u = (np.arange(-80_000, 80_000) + 0.5)[:, None] / 1000  # midpoints: the step is an edge
    off = logistic(u) - (u > 0)
    return relaxed_mean(_T) - _P, _T * (off * _bump(_T * u - LOGITS)).sum(0) / 1000


def _first_moment() -> tuple[float, float]:
    u = np.linspace(0, 60, 60_001)
    f = u * logistic(-u)
    return -2 * _trapezoid(f, u), -(np.pi**2) / 6


def _series() -> tuple[float, float]:
    """Compute the partial sum of ``(-1)^(n+1)/n^2`` with the mean of two, and its limit."""
    n = np.arange(1, 200_001)
    terms = (-1.0) ** (n + 1) / n**2
    return float(terms[:-1].sum() + terms[-1] / 2), np.pi**2 / 12


PROOFS: Proofs = {
    "engine-bernoulli-kl": (
        Step(
            r"D_{KL}[q \| p] = \sum \bigl( p \log \tfrac{p}{1/2} + (1 - p) \log \tfrac{1 - p}{1/2} \bigr) "
            r"= \sum ( \log 2 - H(p) )",
            "Both distributions are products, so the divergence is a sum over the latents, each with two "
            "states.",
            lambda: (_kl(LOGITS), np.log(2) + _P * np.log(_P) + (1 - _P) * np.log(1 - _P)),
            kind="closed form",
        ),
        Step(
            r"\log p = a - \log (1 + e^a), \quad \log (1 - p) = -\log (1 + e^a)",
            "The logistic function: p = e^a/(1 + e^a).",
            lambda: (
                [np.log(_P), np.log(1 - _P)],
                [LOGITS - np.log1p(np.exp(LOGITS)), -np.log1p(np.exp(LOGITS))],
            ),
            kind="closed form",
        ),
        Step(
            r"D_{KL}[q \| p] = \sum \bigl( p a - \log (1 + e^a) + \log 2 \bigr)",
            "The logarithms are inserted; log(1 + e^a) has the weight p + 1 - p = 1.",
            lambda: (_kl(LOGITS), _in_logits(LOGITS)),
            kind="closed form",
        ),
        Step(
            r"\nabla_a = p + a p' - p = a\, p', \quad p' = p (1 - p)",
            "The slope of log(1 + e^a) is p, which cancels the derivative of the factor a.",
            lambda: (gradient(lambda a: _kl(a).sum(), LOGITS), LOGITS * _P * (1 - _P)),
            kind="finite differences",
        ),
    ),
    "engine-bernoulli-relaxed": (
        Step(
            r"L = \log \tfrac{u}{1 - u}: \quad P(L \le v) = P(u \le \sigma(v)) = \sigma(v)",
            "The logit increases, and its inverse is the logistic function; u is uniform on (0, 1).",
            lambda: (
                over_logistic(lambda noise: logistic(noise) ** np.array([1, 2, 3])),
                1 / np.array([2, 3, 4]),
            ),
        ),
        Step(
            r"\tilde z = \sigma \bigl( \tfrac{a + L}{T} \bigr) \le y \iff L \le T \log \tfrac{y}{1 - y} - a",
            "The logistic function increases, so its inverse may be taken on both sides; T > 0.",
        ),
        Step(
            r"P(\tilde z \le y) = \sigma \bigl( T \log \tfrac{y}{1 - y} - a \bigr)",
            "The first line at this v; the mean of the sample is the integral of 1 - P over y.",
            lambda: (
                relaxed_mean(_T),
                over_logistic(lambda v: 1 - logistic(_T * v - LOGITS)),  # y = sigma(v), dy = sigma'(v) dv
            ),
        ),
        Step(
            r"P(\tilde z \le \tfrac12) = \sigma(-a) = 1 - p, \quad \lim_{T \to 0} P(\tilde z \le y) = 1 - p "
            r"\; (0 < y < 1)",
            "At y = 1/2 the logarithm is 0 for every T, and for T to 0 the product is: the mass moves to 0 "
            "and 1.",
            lambda: (logistic(1e-13 * np.log(9.0) - LOGITS), 1 - _P),
            kind="closed form",
        ),
        Step(
            r"\partial_a \tilde z = \sigma' \bigl( \tfrac{a + L}{T} \bigr) \tfrac1T = \tfrac1T \tilde z "
            r"(1 - \tilde z)",
            "The chain rule with the noise held fixed, and sigma' = sigma (1 - sigma).",
            lambda: (
                derivative(lambda t: relaxed(_T, 3, logits=LOGITS + t)),
                relaxed(_T, 3) * (1 - relaxed(_T, 3)) / _T,
            ),
            kind="finite differences",
        ),
    ),
    "engine-bernoulli-relaxed-bias": (
        Step(
            r"E \tilde z - p = \int f(v) \bigl( \sigma(v / T) - [v > 0] \bigr) dv, \quad f(v) = \sigma'(v "
            r"- a)",
            "The density of v = a + L is f, and p is the probability of v > 0.",
        ),
        Step(
            r"= T \int f(T u) \bigl( \sigma(u) - [u > 0] \bigr) du",
            "The substitution v = T u; the bracket is odd in u and decays like e^-|u|.",
            _moved,
            tolerance=1e-6,
        ),
        Step(
            r"= T f(0) \int \bigl( \sigma(u) - [u > 0] \bigr) du + T^2 f'(0) \int u \bigl( \sigma(u) - [u "
            r"> 0] "
            r"\bigr) du + O(T^4)",
            "Taylor's series of f at 0; the even powers of u have the integral 0, the first of them "
            "included.",
        ),
        Step(
            r"\int u \bigl( \sigma(u) - [u > 0] \bigr) du = -2 \int_0^\infty \frac{u\, du}{1 + e^u} "
            r"= -\frac{\pi^2}{6}",
            "Both halves are equal, and the integral is the sum over n of (-1)^(n+1)/n^2, which is pi^2/12.",
            _first_moment,
            tolerance=1e-6,
        ),
        Step(
            r"\sum_{n \ge 1} \frac{(-1)^{n+1}}{n^2} = \frac{\pi^2}{12}",
            "Because 1/(1 + e^u) is the sum of (-1)^(n+1) e^(-n u); it is half of Euler's pi^2/6.",
            _series,
            kind="closed form",
        ),
        Step(
            r"f'(0) = \sigma''(-a) = -p (1 - p) (1 - 2 p)",
            "From sigma' = sigma (1 - sigma), and the derivative of that; sigma(-a) = 1 - p.",
            lambda: (derivative(lambda t: _bump(t - LOGITS)), -_P * (1 - _P) * (1 - 2 * _P)),
            kind="finite differences",
        ),
        Step(
            r"E \tilde z = p + \tfrac{\pi^2}{6} T^2 p (1 - p) (1 - 2 p) + O(T^4)",
            "Both are inserted into the third line.",
            lambda: (bias_over_square(), np.pi**2 / 6 * _P * (1 - _P) * (1 - 2 * _P)),
            tolerance=1e-6,
        ),
    ),
}
