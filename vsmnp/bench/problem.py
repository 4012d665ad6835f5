"""Prepare the common input of all contenders: model, parameters, minibatches and noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..data.fixed import FixedDataset
from ..kernels import choose, load
from ..model.layout import Layout
from ..rng import Key, Stream
from ..settings.in_effect import estimators
from ..training.trainer import Trainer
from ..types import Array, DType, Kernels, Shape
from .case import Case

#: Minibatches that are prepared before timing; steps cycle through them.
READY = 4


class Noise(NamedTuple):
    """The posterior noise of one step, on the host."""

    #: ``(J, R, S, N, Z)``.
    inference: Array
    #: ``(R, S, N, Z)``.
    learning: Array
    #: ``(K, R, S, N, Z)``.
    bilevel: Array


@dataclass(frozen=True, eq=False)
class Resident(FixedDataset):
    """Minibatches in the memory of the kernel set, in one order, so that a timed step prepares no data."""

    resident: Any = None

    @classmethod
    def of(cls, rows: Array, host: Array, image: Shape | None = None) -> Resident:
        """Return the dataset of ``rows (N, D)`` in the memory of the kernel set and ``host``, their copy."""
        name = "ready minibatches"
        return cls(name, image or host.shape[1:], host, host, about=name, resident=rows)

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Any:
        """Return the rows without a copy."""
        return self.resident


@dataclass(frozen=True, eq=False)
class Problem:
    """A case with its parameters and data, drawn from fixed seeds."""

    case: Case

    @cached_property
    def k(self) -> Kernels:
        """The engine's kernel set.

        Raises
        ------
        DeviceError
            If this machine does not have it.
        """
        case = self.case
        return load(choose(case.device, case.kernels, case.tf32), case.tf32)

    @cached_property
    def batches(self) -> Array:
        """Prepared minibatches ``(READY, N, D)``: noisy rings in pairs of dimensions; or pixels."""
        case = self.case
        normals = Key((0,), Stream.TRAIN_DATA).normal(
            load("reference"), (READY, case.batch_size, case.d_x), np.float64
        )[0]
        if case.image is not None:
            return np.asarray(1 / (1 + np.exp(-2 * normals)), case.dtype)
        lengths = np.sqrt((normals**2).mean(-1, keepdims=True))
        return np.asarray(normals / (0.25 + lengths), case.dtype)

    @cached_property
    def trainer(self) -> Trainer:
        """The engine's trainer on the prepared minibatches.

        Raises
        ------
        ConfigError, DeviceError
            If the case is invalid, or not possible on this machine.
        """
        host = self.batches.reshape(-1, self.case.d_x)
        ready = Resident.of(self.k.asarray(host), host, self.case.image)
        return Trainer.build(self.k, self.case.settings, ready)

    @property
    def estimators(self) -> tuple[str, str]:
        """Name the estimator of ``|E s|^2`` and the baseline of M3 in these settings."""
        return estimators(self.case.settings)

    @cached_property
    def phi(self) -> Mapping[str, Array]:
        """The encoder's parameters ``(R, *shape)``: ``net.0.w (O, I)``, ``net.0.b``, ``net.2.w`` ..."""
        return self._named(self.trainer.model.phi_layout, self.trainer.initial_state().phi)

    @cached_property
    def theta(self) -> Mapping[str, Array]:
        """The decoder's parameters in the same form, and ``log_sd (R,)``."""
        return self._named(self.trainer.model.theta_layout, self.trainer.initial_state().theta)

    def _named(self, layout: Layout, vector: Array) -> dict[str, Array]:
        return {name: array.copy() for name, array in layout.named(self.k.to_host(vector))}

    def noise(self, t: int) -> Noise:
        """Return the noise that the engine draws in step t."""
        case, key = self.case, Key(self.case.settings.seeds)
        shape = case.samples, case.batch_size, case.latent

        def draw(stream: Stream, first: int, count: int) -> Array:
            noise = np.empty((count, case.models, *shape), case.dtype)
            for each in range(count):
                noise[each] = self.k.to_host(key.on(stream, first + each).normal(self.k, shape, case.dtype))
            return noise

        J, K = case.encoder_steps, case.bilevel_steps
        (learning,) = draw(Stream.LEARNING, t, 1)
        return Noise(draw(Stream.INFERENCE, t * J, J), learning, draw(Stream.BILEVEL, t * K, K))
