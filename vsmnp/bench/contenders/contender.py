"""Define the protocols of contenders and peers, and the engine as a contender."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...rng import Key, Stream
from ...training.info import Info
from ...types import Array
from ..problem import Noise, Problem


@dataclass(frozen=True)
class Evaluation:
    """Both losses ``(R,)`` and both gradients by name ``(R, *shape)`` at the initial parameters, on the host.

    The losses are those of the objectives, means over the batch.
    """

    inference: Array
    learning: Array
    g_phi: Mapping[str, Array]
    g_theta: Mapping[str, Array]


class Contender(Protocol):
    """One implementation that trains a model of a problem."""

    def evaluate(self, noise: Noise) -> Evaluation:
        """Compute losses and gradients at the initial parameters on the first minibatch, before any step."""

    def step(self, noise: Noise | None = None) -> None:
        """Run J encoder updates and a decoder update on the next minibatch; draw the noise if None."""

    def losses(self) -> tuple[Array, Array]:
        """Return the losses ``(R,)`` of the last step: of its last encoder update and its decoder update."""

    def parameters(self) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        """Return the parameters of encoder and decoder by name ``(R, *shape)``, on the host."""

    def wait(self) -> None:
        """Block until all submitted work is done."""


class Peer(Protocol):
    """The protocol of a module in the folder of peers."""

    def obstacle(self, problem: Problem) -> str | None:
        """Return the reason why the peer cannot run this problem here, or None."""

    def make(self, problem: Problem) -> Contender:
        """Build a contender at the problem's parameters."""


class Engine:
    """The engine as a contender: the trainer's step, which draws its noise."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.trainer = problem, problem.trainer
        self.state = self.trainer.initial_state()
        self.info: Info | None = None
        self._wait = waiter(problem.case.device)

    def evaluate(self, noise: Noise) -> Evaluation:
        """Evaluate the composed objectives, which draw the noise of step 0."""
        trainer, state, k = self.trainer, self.trainer.initial_state(), self.trainer.k
        x, key = trainer.batches.noisy(0, 0), Key(trainer.settings.seeds)
        model, phi, theta = trainer.model, state.phi, state.theta
        inferred = trainer.inference(k, model, phi, theta, x, key.on(Stream.INFERENCE, 0))
        learned = trainer.learning(k, model, phi, theta, x, key.on(Stream.LEARNING, 0))
        assert inferred.g_phi is not None
        assert learned.g_theta is not None
        g_phi, g_theta = self._named(inferred.g_phi, learned.g_theta)
        return Evaluation(k.to_host(inferred.loss), k.to_host(learned.loss), g_phi, g_theta)

    def step(self, noise: Noise | None = None) -> None:
        self.info = self.trainer.step(self.state)

    def losses(self) -> tuple[Array, Array]:
        assert self.info is not None
        to_host = self.trainer.k.to_host
        return np.asarray(to_host(self.info.inference.loss)), np.asarray(to_host(self.info.learning.loss))

    def parameters(self) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        return self._named(self.state.phi, self.state.theta)

    def wait(self) -> None:
        self._wait()

    def _named(self, phi: Array, theta: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        model, to_host = self.trainer.model, self.trainer.k.to_host
        return (dict(model.phi_layout.named(to_host(phi))), dict(model.theta_layout.named(to_host(theta))))


def waiter(device: str) -> Callable[[], None]:
    """Return a function that blocks until a device is done; work on a CPU is done when its call returns."""
    if device != "gpu":
        return lambda: None

    def wait() -> None:
        """Block on an event of the current stream, and of no other."""
        import cupy

        event = cupy.cuda.Event()
        event.record()
        event.synchronize()

    return wait
