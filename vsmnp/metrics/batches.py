"""Batches of a test set in bounded memory: validation, slices, and posterior samples of a slice.

The noise of an evaluation is a function of the datum, the metric and the model's seed. It depends
neither on the batch size nor on the time of the evaluation, so figures of two epochs, or of
two models with one seed, differ only because of the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import TypeAlias

import numpy as np

from ..errors import ConfigError, DataError
from ..model.posterior import Moments
from ..model.vae import GaussianVAE
from ..rng import Key, Stream
from ..types import Array, Kernels

#: Called with the completed and the total amount, in units that the metric chooses.
Progress: TypeAlias = Callable[[int, int], None]

#: Most elements of the data of one pass through a network, over all models and samples.
ELEMENTS = 2**20
#: Most rows of one pass; larger passes are not faster.
ROWS = 4096


class Noise(IntEnum):
    """Steps of the evaluation stream, one per metric, so that no two metrics share their noise."""

    INPUT = 0
    NEGATIVE_ELBO = 1
    IWAE = 2
    POSTERIOR_FISHER = 3
    MMD_POSTERIOR = 4
    MMD_PRIOR = 5

    def of(self, key: Key) -> Key:
        """Return the key of this noise for the models of ``key``."""
        return key.on(Stream.EVALUATION, self)


@dataclass(frozen=True)
class Batch:
    """Consecutive test data with their posteriors.

    Attributes
    ----------
    rows : slice
        Position in the test set.
    x : Array
        ``(1, 1, n, D)``.
    q : Moments
        Each ``(R, 1, n, Z)``.
    """

    rows: slice
    x: Array
    q: Moments

    @property
    def size(self) -> int:
        """Number of data in the batch."""
        return self.rows.stop - self.rows.start  # type: ignore[no-any-return]


def checked(model: GaussianVAE, x: Array) -> Array:
    """Return ``x`` as an array of floats after checking that it is a test set for ``model``.

    Raises
    ------
    DataError
        If it is not ``(N, D)`` with the model's D and at least one datum.
    """
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] != model.d_x or len(x) == 0:
        raise DataError(f"A test set for this model has the shape (N, {model.d_x}), N > 0, not {x.shape}.")
    return x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float64)


def check_seeds(key: Key, models: int) -> None:
    """Raise a ConfigError unless ``key`` has one seed for each model."""
    if len(key.seeds) != models:
        raise ConfigError(f"An evaluation of {models} models needs as many seeds, not {len(key.seeds)}.")


def check_count(what: str, count: int, least: int = 1) -> None:
    """Raise a ConfigError if a number of draws, samples or bins is too small."""
    if count < least:
        raise ConfigError(f"The number of {what} must be at least {least}, not {count}.")


def host(k: Kernels, a: Array) -> Array:
    """Copy ``a`` to host memory as float64."""
    return np.asarray(k.to_host(a), dtype=np.float64)


def rows_per_pass(models: int, d_x: int) -> int:
    """Return how many rows may pass through the networks of all models at once."""
    return max(1, min(ROWS, ELEMENTS // (models * d_x)))


def spans(total: int, size: int) -> Iterator[slice]:
    """Yield slices of at most ``size`` that cover ``range(total)``."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def on_device(k: Kernels, x: Array, params: Array) -> Array:
    """Copy data ``(n, D)`` to the device as ``(1, 1, n, D)`` in the parameters' dtype."""
    return k.asarray(np.ascontiguousarray(x)[None, None], params.dtype)


def batches(
    k: Kernels, model: GaussianVAE, phi: Array, x: Array, samples: int = 1, progress: Progress | None = None
) -> Iterator[Batch]:
    """Encode ``x (N, D)`` in batches whose size allows ``samples`` decodings of each datum in one pass."""
    for rows in spans(len(x), max(1, rows_per_pass(len(phi), model.d_x) // samples)):
        data = on_device(k, x[rows], phi)
        yield Batch(rows, data, model.encode(k, phi, data)[0])
        if progress is not None:
            progress(rows.stop, len(x))


def posterior_draws(k: Kernels, model: GaussianVAE, key: Key, batch: Batch, samples: int) -> Array:
    """Draw exact posterior samples ``(R, S, n, Z)`` of a batch, independent of the batch size."""
    return model.posterior.draw(k, key, batch.q, samples, batch.rows.start)


def hosted(k: Kernels, q: Moments) -> Moments:
    """Return q with its arrays in host memory as float64."""
    return replace(q, **{each.name: host(k, getattr(q, each.name)) for each in fields(q)})


def posterior_noise(k: Kernels, key: Key, batch: Batch, samples: int) -> Array:
    """Draw the normals ``(R, S, n, Z)`` of a batch, ordered in the stream by datum, sample, latent."""
    d_z = batch.q.mu.shape[-1]
    shape, first = (batch.size, samples, d_z), batch.rows.start * samples * d_z
    return key.normal(k, shape, batch.q.mu.dtype, first).swapaxes(1, 2)
