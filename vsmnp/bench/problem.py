"""The common input of all contenders: model, parameters, minibatches and, for comparison, noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..data.dataset import Bounds
from ..data.rows import Rows
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
    """The posterior noise of one step, on the host.

    Attributes
    ----------
    inference : Array
        ``(J, R, S, N, Z)``.
    learning : Array
        ``(R, S, N, Z)``.
    """

    inference: Array
    learning: Array


@dataclass(frozen=True, eq=False)
class Resident:
    """Minibatches in the memory of the kernel set, so that a timed step prepares no data."""

    rows: Array
    host: Array
    name: str = "ready minibatches"
    source: str = "ready minibatches"
    is_image: bool = False
    image: Shape | None = None
    bounds: Bounds = field(default_factory=Bounds)
    digest: str = ""
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """Shape of a sample, ``(D,)``."""
        return self.host.shape[1:]

    @property
    def dim(self) -> int:
        """Dimension D of the data."""
        return int(self.host.shape[1])

    @property
    def n_train(self) -> int:
        """Number of all prepared rows."""
        return len(self.host)

    @property
    def n_test(self) -> int:
        """Number of all prepared rows."""
        return len(self.host)

    def epoch(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        """Return the same rows in the same order for every epoch."""
        return self.rows

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Rows:
        """Return the rows without a copy."""
        return self.rows

    def test(self, data_seed: int, dtype: DType) -> Array:
        """Return the rows on the host."""
        return self.host

    def epoch_labels(self, data_seed: int, epoch: int) -> None:
        """Return None: the rows have no classes."""

    def test_labels(self) -> None:
        """Return None: the rows have no classes."""

    def log_density(self, x: Array) -> None:
        """Return None: the density is unknown."""

    def score(self, x: Array) -> None:
        """Return None: the score is unknown."""

    def describe(self) -> str:
        """Return the name of the data."""
        return self.name


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
        image = self.case.image
        ready = Resident(self.k.asarray(host), host, is_image=image is not None, image=image)
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
        shape, steps = (case.samples, case.batch_size, case.latent), case.encoder_steps

        def draw(stream: Stream, step: int) -> Array:
            eps: Array = self.k.to_host(key.on(stream, step).normal(self.k, shape, case.dtype))
            return eps

        inference = [draw(Stream.INFERENCE, t * steps + j) for j in range(steps)]
        return Noise(np.stack(inference), draw(Stream.LEARNING, t))
