"""The state of a training run: parameters, what the optimisers remember, and who is still alive."""

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
    """R models side by side; the arrays are updated in place.

    Attributes
    ----------
    step : int
        Decoder updates done.
    phi, theta : Array
        ``(R, P_e)`` and ``(R, P_d)``.
    phi_memory, theta_memory : Memory
        What the two optimisers remember.
    alive : Array
        ``(R,)`` flags; a model whose loss or gradient stopped being finite is left as it was.
    gamma_kept, gamma_floored : Array
        ``(R,)`` counts of batches without an optimal gamma, and with one below the floor.
    cause : Array
        ``(R,)``, 0 while alive; then 1 + the place of what broke first in ``Trainer.causes``.
    died_at : Array
        ``(R,)``, the step in which a model died.
    """

    step: int
    phi: Array
    theta: Array
    phi_memory: Memory
    theta_memory: Memory
    alive: Array
    cause: Array
    died_at: Array
    gamma_kept: Array
    gamma_floored: Array

    def copy(self) -> State:
        """A state of its own memory."""
        flags = {name: getattr(self, name).copy() for name in FLAGS}
        return State(
            self.step, self.phi.copy(), self.theta.copy(),
            _copied(self.phi_memory), _copied(self.theta_memory), **flags,
        )  # fmt: skip

    def restore(self, earlier: State, which: Array) -> None:
        """Put the parameters of models ``which (R,)`` back to where they were."""
        pairs = [(self.phi, earlier.phi), (self.theta, earlier.theta)]
        for mine, theirs in (
            (self.phi_memory, earlier.phi_memory),
            (self.theta_memory, earlier.theta_memory),
        ):
            pairs += [(mine.m, theirs.m), (mine.v, theirs.v), (mine.t, theirs.t)]
        for now, then in pairs:
            chosen = which if now.ndim == 1 else which[:, None]
            now[...] = np.where(chosen, then, now)


#: The arrays ``(R,)`` of a state that are not parameters.
FLAGS = ("alive", "cause", "died_at", "gamma_kept", "gamma_floored")


def new_state(k: Kernels, phi: Array, theta: Array, phi_memory: Memory, theta_memory: Memory) -> State:
    """Before the first step: everybody is alive."""
    models = phi.shape[:1]
    counts = {name: k.zeros(models, np.int64) for name in FLAGS if name != "alive"}
    return State(0, phi, theta, phi_memory, theta_memory, k.asarray(np.ones(models, bool)), **counts)


def _copied(memory: Memory) -> Memory:
    return Memory(memory.m.copy(), memory.v.copy(), memory.t.copy())


def _networks(model: GaussianVAE, state: State) -> Iterator[tuple[str, Layout, Array, Memory]]:
    yield "encoder", model.phi_layout, state.phi, state.phi_memory
    yield "decoder", model.theta_layout, state.theta, state.theta_memory


def to_arrays(k: Kernels, model: GaussianVAE, state: State) -> dict[str, Array]:
    """Every array of the state under a readable name, on the host."""
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
    """The state that :func:`to_arrays` wrote, in the shape of a ``blank`` one of the same settings.

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
