"""The state of the last row of the metrics, to which a model that diverges returns, in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.vae import GaussianVAE
from ..training import state as states
from ..training.state import State
from ..types import Array, Kernels

#: Group of the last row in a checkpoint.
GROUP = "last_row/"


def to_arrays(k: Kernels, model: GaussianVAE, state: State, last: State | None) -> dict[str, Array]:
    """Return the arrays of the last row for a checkpoint of ``state``; empty if that is the last row."""
    if last is None or last.step >= state.step:
        return {}
    return {GROUP + name: array for name, array in states.to_arrays(k, model, last).items()}


def from_arrays(k: Kernels, model: GaussianVAE, state: State, arrays: Mapping[str, Array]) -> State | None:
    """Rebuild what :func:`to_arrays` returned; None if ``state`` is the last row.

    Raises
    ------
    CheckpointError
        If an array is missing or has another shape.
    """
    own = {name.removeprefix(GROUP): a for name, a in arrays.items() if name.startswith(GROUP)}
    return states.from_arrays(k, model, state, own) if own else None


def settled(k: Kernels, state: State, last: State | None) -> State:
    """Return a state whose models that have diverged since the last row are as they were there, and stopped.

    Between two rows a model may have parameters that are not finite, which the next row would reset.
    """
    if last is None:
        return state
    fine = k.finite(state.phi) & k.finite(state.theta) & state.active
    diverged = last.active & ~fine
    if not k.to_host(diverged).any():
        return state
    found = state.copy()
    found.restore(last, diverged)
    found.active[:] = found.active & ~diverged
    return found
