"""Flag models whose loss, gradient or parameters are not finite, with the cause and the step."""

from __future__ import annotations

import numpy as np

from ..objectives import Outcome
from ..types import Array, Kernels
from .state import State


def stop_diverged(k: Kernels, state: State, outcome: Outcome, g: Array, first: int) -> None:
    """Stop models with a term, a loss or a gradient ``g (R, P)`` that is not finite.

    ``first`` is the place of the outcome's first term among the causes of divergence.
    """
    for place, term in enumerate(outcome.terms.values()):
        mark(state, k.finite(term[:, None]), first + place)
    mark(state, k.finite(outcome.loss[:, None]) & k.finite(g), first + len(outcome.terms))


def mark(state: State, fine: Array, place: int) -> None:
    """Record the cause and step of divergence; models still active have done all decoder updates so far."""
    broke = state.active & ~fine
    state.cause[:] = np.where(broke, place + 1, state.cause)
    state.diverged_at[:] = np.where(broke, state.theta_memory.t + 1, state.diverged_at)
    state.active &= fine
