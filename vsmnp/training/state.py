"""The state of a training run: parameters, optimiser states, and flags of diverged models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CheckpointError
from ..model.layout import Layout
from ..model.vae import GaussianVAE
from ..types import Array, Kernels
from .optimizers import Memory


@dataclass
class State:
    """The state of R models side by side; its arrays are updated in place.

    Attributes
    ----------
    step : int
        Number of decoder updates so far.
    phi, theta : Array
        ``(R, P_e)`` and ``(R, P_d)``.
    phi_memory, theta_memory : Memory
        States of the two optimisers.
    active : Array
        ``(R,)`` flags of the models that are updated; one with a loss or gradient that is not finite is not.
    gamma_kept, gamma_floored : Array
        ``(R,)`` counts of batches without an optimal gamma, and with one below the floor.
    cause : Array
        ``(R,)``, 0 for a model that has not diverged; else 1 + the index of the cause in ``Info.causes``.
    diverged_at : Array
        ``(R,)``, the step in which a model diverged.
    """

    step: int
    phi: Array
    theta: Array
    phi_memory: Memory
    theta_memory: Memory
    active: Array
    cause: Array
    diverged_at: Array
    gamma_kept: Array
    gamma_floored: Array

    def copy(self) -> State:
        """Return a copy of the state with its own arrays."""
        flags = {name: getattr(self, name).copy() for name in FLAGS}
        return State(
            self.step, self.phi.copy(), self.theta.copy(),
            self.phi_memory.copy(), self.theta_memory.copy(), **flags,
        )  # fmt: skip

    def restore(self, earlier: State, which: Array) -> None:
        """Reset the models ``which (R,)`` to their parameters and optimiser states in an earlier state."""
        for now, then in zip(self._trained(), earlier._trained(), strict=True):
            chosen = which if now.ndim == 1 else which[:, None]
            now[...] = np.where(chosen, then, now)

    def _trained(self) -> Iterator[Array]:
        """Yield the parameters and the arrays of the optimisers."""
        for vector, memory in ((self.phi, self.phi_memory), (self.theta, self.theta_memory)):
            yield from (vector, memory.m, memory.v, memory.t)


#: The arrays ``(R,)`` of a state that are not parameters.
FLAGS = ("active", "cause", "diverged_at", "gamma_kept", "gamma_floored")
#: Names of flags in files of earlier versions, with those of this version.
FORMER_FLAGS = {"alive": "active", "died_at": "diverged_at"}


def new_state(k: Kernels, phi: Array, theta: Array, phi_memory: Memory, theta_memory: Memory) -> State:
    """Return the state before the first step, with every model flagged active."""
    models = phi.shape[:1]
    counts = {name: k.zeros(models, np.int64) for name in FLAGS if name != "active"}
    return State(0, phi, theta, phi_memory, theta_memory, k.asarray(np.ones(models, bool)), **counts)


def _networks(model: GaussianVAE, state: State) -> Iterator[tuple[str, Layout, Array, Memory]]:
    yield "encoder", model.phi_layout, state.phi, state.phi_memory
    yield "decoder", model.theta_layout, state.theta, state.theta_memory


def to_arrays(k: Kernels, model: GaussianVAE, state: State) -> dict[str, Array]:
    """Return every array of the state under a readable name, on the host."""
    arrays: dict[str, Array] = {"step": np.asarray(state.step)}
    arrays |= {name: k.to_host(getattr(state, name)) for name in FLAGS}
    for network, layout, vector, memory in _networks(model, state):
        arrays[f"{network}/t"] = k.to_host(memory.t)
        for kind, values in (("parameters", vector), ("m", memory.m), ("v", memory.v)):
            if values.shape[1]:
                for name, array in layout.named(k.to_host(values)):
                    arrays[f"{network}/{kind}/{name}"] = array
    return arrays


def from_arrays(k: Kernels, model: GaussianVAE, blank: State, arrays: Mapping[str, Array]) -> State:
    """Rebuild the state that :func:`to_arrays` wrote; ``blank`` is a new state of the same settings.

    Raises
    ------
    CheckpointError
        If an array is missing or has another shape.
    """
    state = replace(blank.copy(), step=int(_fetch(arrays, "step", ())))
    for name in FLAGS:
        flags = getattr(state, name)
        flags[:] = k.asarray(_fetch(arrays, name, flags.shape), flags.dtype)
    for network, layout, vector, memory in _networks(model, state):
        memory.t[:] = k.asarray(_fetch(arrays, f"{network}/t", memory.t.shape))
        for kind, values in (("parameters", vector), ("m", memory.m), ("v", memory.v)):
            if values.shape[1]:
                for name, view in layout.named(values):
                    view[...] = k.asarray(_fetch(arrays, f"{network}/{kind}/{name}", view.shape))
    return state


def _fetch(arrays: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    found = np.asarray(arrays[name]) if name in arrays else None
    if found is None or found.shape != shape or found.dtype.kind not in "biuf":
        what = "nothing" if found is None else f"{found.dtype} of shape {found.shape}"
        raise CheckpointError(f"The checkpoint holds {what} where '{name}' of shape {shape} belongs.")
    return found
