"""Binary latents of the engine, and expectations over logistic noise by quadrature."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ....kernels import load
from ....model.bernoulli import Bernoulli, Odds
from ....rng import Key, Stream
from ....types import Array
from ..evidence import mean_and_error

#: Logits of three latents, on both sides of 0.
LOGITS = np.array([-1.3, 0.8, 2.1])
LOGITS.setflags(write=False)
#: Samples in one call of the engine.
_SAMPLES = 10_000


def logistic(v: Array) -> Array:
    """Compute ``1 / (1 + e^-v)``, which is also the distribution function of logistic noise."""
    return np.asarray(np.exp(-np.logaddexp(0, -v)))


def odds(logits: Array = LOGITS) -> Odds:
    """Return the engine's q with these logits ``(Z,)``, for one model and one datum."""
    return Bernoulli(len(logits)).moments(load("reference"), logits[None, None, None])


def relaxed(temperature: float, samples: int, step: int = 0, logits: Array = LOGITS) -> Array:
    """Draw relaxed samples of the engine, ``(S, Z)``; equal steps have equal noise."""
    k, key = load("reference"), Key((21,), Stream.OUTCOME, step)
    posterior = Bernoulli(len(logits), temperature)
    return np.asarray(posterior.sample(k, key, odds(logits), samples)[0, :, 0])


def pulled_back(temperature: float, gz: Array) -> Array:
    """Compute the engine's gradient in the logits ``(Z,)`` of cotangents ``gz (S, Z)`` of :func:`relaxed`."""
    k, key = load("reference"), Key((21,), Stream.OUTCOME, 0)
    posterior = Bernoulli(len(LOGITS), temperature)
    return np.asarray(posterior.pathwise(k, key, odds(), gz[None, :, None], 0.0)[0, 0, 0])


def estimated(temperature: float, value: Callable[[Array], Array]) -> Callable[[int], tuple[Array, Array]]:
    """Return the estimator of the mean of a function of relaxed samples ``(S, Z)``, by its means of calls."""

    def estimate(samples: int) -> tuple[Array, Array]:
        calls = max(16, samples // _SAMPLES)
        return mean_and_error(
            [value(relaxed(temperature, samples // calls, step)).mean(0) for step in range(calls)]
        )

    return estimate


def bias_over_square(temperatures: tuple[float, ...] = (0.24, 0.12, 0.06, 0.03)) -> Array:
    """Compute the limit of ``(E z - p)/T^2`` from temperatures of ratio 2, by extrapolation in ``T^2``."""
    levels = [(relaxed_mean(T) - logistic(LOGITS)) / T**2 for T in temperatures]
    for order in range(1, len(levels)):
        levels = [(4**order * near - far) / (4**order - 1) for far, near in pairwise(levels)]
    return levels[0]


def relaxed_mean(temperature: float) -> Array:
    """Compute the means of the relaxed samples of all logits over the noise, ``(Z,)``."""
    return over_logistic(lambda noise: logistic((LOGITS + noise) / temperature))


def over_logistic(f: Callable[[Array], Array]) -> Array:
    """Compute ``E f(L)`` over logistic noise; f maps ``L (Q, 1)`` to ``(Q, Z)``.

    The trapezoidal rule converges exponentially, for the density decays so on both sides.
    """
    noise = np.linspace(-34, 34, 5001)[:, None]
    weight = (noise[1, 0] - noise[0, 0]) * logistic(noise) * logistic(-noise)
    return np.asarray((weight * f(noise)).sum(0))
