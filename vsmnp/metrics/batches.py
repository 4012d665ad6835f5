"""Models with the data on which they are measured, and batches of these data in bounded memory.

The noise of an evaluation is a function of the datum, the metric and the model's seed. It depends
neither on the batch size nor on the time of the evaluation, so figures of two epochs, or of
two models with one seed, differ only because of the models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from ..errors import ConfigError, DataError
from ..model.posterior import Moments
from ..model.vae import GaussianVAE
from ..rng import Key, Stream
from ..types import Array, Kernels
from ..types.progress import Progress

#: Most elements of the data of one pass through a network, over all models and samples.
ELEMENTS = 2**20
#: Most rows of one pass; larger passes are not faster.
ROWS = 4096


@dataclass(frozen=True)
class Batch:
    """Consecutive data with their posteriors.

    Attributes
    ----------
    rows : slice
        Position in the data.
    x : Array
        ``(1, 1, n, D)``.
    q : Moments
        Each ``(R, 1, n, Z)``.
    """

    rows: slice
    x: Array
    q: Moments


@dataclass(frozen=True, eq=False)
class Subject:
    """R models side by side, and the data on which they are measured.

    Attributes
    ----------
    k : Kernels
        Kernel set of the computations.
    model : GaussianVAE
        The architecture.
    phi, theta : Array
        ``(R, P_e)`` and ``(R, P_d)``.
    x : Array
        ``(N, D)`` in the model's units, NumPy; integers become float64.
    key : Key
        One seed for each model; its stream and step are ignored.
    log_abs_det : float
        Log of the absolute determinant of the map from the data's own units to the model's, nats a datum.

    Raises
    ------
    DataError
        If x is not ``(N, D)`` with the model's D and at least one datum.
    ConfigError
        If there is not one seed for each model.
    """

    k: Kernels
    model: GaussianVAE
    phi: Array
    theta: Array
    x: Array
    key: Key
    log_abs_det: float = 0.0

    def __post_init__(self) -> None:
        x = np.asarray(self.x)
        if x.ndim != 2 or x.shape[1] != self.model.d_x or len(x) == 0:
            raise DataError(
                f"A test set for this model has the shape (N, {self.model.d_x}), N > 0, not {x.shape}."
            )
        if len(self.key.seeds) != self.models:
            raise ConfigError(
                f"An evaluation of {self.models} models needs as many seeds, not {len(self.key.seeds)}."
            )
        object.__setattr__(self, "x", x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float64))

    @property
    def models(self) -> int:
        """R, the number of models."""
        return len(self.theta)

    @property
    def log_sd(self) -> Array:
        """``log sqrt(gamma)`` of each model on the host, ``(R,)`` float64."""
        return host(self.k, self.model.log_sd(self.theta))

    @property
    def rows_per_pass(self) -> int:
        """Number of rows that may pass through the networks of all models at once."""
        return max(1, min(ROWS, ELEMENTS // (self.models * self.model.d_x)))

    def on_device(self, rows: slice) -> Array:
        """Copy some data to the device as ``(1, 1, n, D)`` in the parameters' dtype."""
        return self.k.asarray(np.ascontiguousarray(self.x[rows])[None, None], self.phi.dtype)

    def batches(self, samples: int = 1, progress: Progress | None = None) -> Iterator[Batch]:
        """Encode the data in batches whose size allows ``samples`` decodings of each datum in one pass.

        Raises
        ------
        ConfigError
            If there is no sample.
        """
        check_count("posterior samples", samples)
        for rows in spans(len(self.x), max(1, self.rows_per_pass // samples)):
            x = self.on_device(rows)
            yield Batch(rows, x, self.model.encode(self.k, self.phi, x)[0])
            if progress is not None:
                progress(rows.stop, len(self.x))

    def noise(self, step: int) -> Key:
        """Return the key of a metric's noise, which is a step of the evaluation stream."""
        return self.key.on(Stream.EVALUATION, step)

    def draws(self, noise: int, batch: Batch, samples: int) -> Array:
        """Draw exact posterior samples ``(R, S, n, Z)`` of a batch, independent of the batch size."""
        return self.model.posterior.draw(self.k, self.noise(noise), batch.q, samples, batch.rows.start)

    def normals(self, noise: int, batch: Batch, samples: int) -> Array:
        """Draw the normals ``(R, S, n, Z)`` of a batch, ordered in the stream by datum, sample, latent."""
        d_z = batch.q.mu.shape[-1]
        shape, first = (batch.x.shape[2], samples, d_z), batch.rows.start * samples * d_z
        return self.noise(noise).normal(self.k, shape, batch.q.mu.dtype, first).swapaxes(1, 2)


def check_count(what: str, count: int, least: int = 1) -> None:
    """Raise a ConfigError if a number of draws, samples or bins is too small."""
    if count < least:
        raise ConfigError(f"The number of {what} must be at least {least}, not {count}.")


def host(k: Kernels, a: Array) -> Array:
    """Copy ``a`` to host memory as float64."""
    return np.asarray(k.to_host(a), dtype=np.float64)


def hosted(k: Kernels, q: Moments) -> Moments:
    """Return q with its arrays in host memory as float64."""
    return replace(q, **{each.name: host(k, getattr(q, each.name)) for each in fields(q)})


def spans(total: int, size: int) -> Iterator[slice]:
    """Yield slices of at most ``size`` that cover ``range(total)``."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
