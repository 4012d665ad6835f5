"""What a contender can do, and the product as one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..model.layout import Layout
from ..rng import Key, Stream
from ..training.trainer import Info
from ..types import Array
from .problem import Noise, Problem


@dataclass(frozen=True)
class Evaluation:
    """Both losses ``(R,)`` and both gradients by name ``(R, *shape)`` at the initial parameters, on the host.

    The losses are those of the objectives, means over the batch in nats.
    """

    inference: Array
    learning: Array
    g_phi: Mapping[str, Array]
    g_theta: Mapping[str, Array]


class Contender(Protocol):
    """One way to train a model of a problem."""

    def evaluate(self, noise: Noise) -> Evaluation:
        """Losses and gradients at the initial parameters on the first minibatch; called before any step."""

    def step(self, noise: Noise | None = None) -> None:
        """J encoder updates and a decoder update on the next minibatch; without ``noise``, draw it."""

    def losses(self) -> tuple[Array, Array]:
        """The last step's losses, each ``(R,)``: of the last encoder update, and of the decoder update."""

    def wait(self) -> None:
        """Until everything that was asked for is done."""


class Peer(Protocol):
    """A module of the folder of peers."""

    def obstacle(self, problem: Problem) -> str | None:
        """What keeps it from this problem here, in a sentence; None if nothing does."""

    def make(self, problem: Problem) -> Contender:
        """A contender at the problem's parameters."""


class Engine:
    """The engine: the trainer's own step, noise drawn inside."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.trainer = problem, problem.trainer
        self.state = self.trainer.initial_state()
        self.info: Info | None = None
        self._wait = waiter(problem.case.device)

    def evaluate(self, noise: Noise) -> Evaluation:
        """By the composed objectives, which draw the noise of step 0 themselves."""
        trainer, state, k = self.trainer, self.trainer.initial_state(), self.trainer.k
        x, key = trainer.batches.noisy(0, 0), Key(trainer.settings.seeds)
        model, phi, theta = trainer.model, state.phi, state.theta
        inferred = trainer.inference(k, model, phi, theta, x, key.on(Stream.INFERENCE, 0))
        learned = trainer.learning(k, model, phi, theta, x, key.on(Stream.LEARNING, 0))

        def named(layout: Layout, g: Array | None) -> dict[str, Array]:
            assert g is not None
            return dict(layout.named(k.to_host(g)))

        return Evaluation(
            k.to_host(inferred.loss), k.to_host(learned.loss),
            named(model.phi_layout, inferred.g_phi), named(model.theta_layout, learned.g_theta),
        )  # fmt: skip

    def step(self, noise: Noise | None = None) -> None:
        self.info = self.trainer.step(self.state)

    def losses(self) -> tuple[Array, Array]:
        assert self.info is not None
        to_host = self.trainer.k.to_host
        return np.asarray(to_host(self.info.inference.loss)), np.asarray(to_host(self.info.learning.loss))

    def wait(self) -> None:
        self._wait.synchronize()


class _Waiter(Protocol):
    def synchronize(self) -> None:
        """Until the device is idle."""


class _Nothing:
    """The CPU is done when it returns."""

    def synchronize(self) -> None:
        """At once."""


class _Event:
    """Everything in the current stream so far."""

    def synchronize(self) -> None:
        """By an event, which waits for this stream alone."""
        import cupy

        event = cupy.cuda.Event()
        event.record()
        event.synchronize()


def waiter(device: str) -> _Waiter:
    """What waits for a device."""
    return _Event() if device == "gpu" else _Nothing()
