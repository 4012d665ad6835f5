"""A test set in bounded memory: what is accepted, how it is cut, and the posterior samples of a cut.

The noise of an evaluation is a function of the datum, the metric and the model's seed. It depends
neither on how the data are cut nor on when the evaluation happens, so figures of two epochs, or of
two models with one seed, differ by the models alone.
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

#: Called with what is done and what there is in all, in units of the metric's choice.
Progress: TypeAlias = Callable[[int, int], None]

#: Elements that the data of one pass through a network may have, over all models and samples.
ELEMENTS = 2**20
#: Rows that one pass may have; beyond this nothing gets faster.
ROWS = 4096


class Noise(IntEnum):
    """Steps of the evaluation stream: no two metrics share their noise."""

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
        Where in the test set.
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
        """How many data."""
        return self.rows.stop - self.rows.start  # type: ignore[no-any-return]


def checked(model: GaussianVAE, x: Array) -> Array:
    """``x`` as an array of floats, if it is a test set for ``model``.

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
    """Bring ``a`` to the host's memory, float64."""
    return np.asarray(k.to_host(a), dtype=np.float64)


def rows_per_pass(models: int, d_x: int) -> int:
    """How many rows may pass through the networks of all models at once."""
    return max(1, min(ROWS, ELEMENTS // (models * d_x)))


def spans(total: int, size: int) -> Iterator[slice]:
    """``range(total)`` cut into slices of at most ``size``."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def on_device(k: Kernels, x: Array, params: Array) -> Array:
    """Bring data ``(n, D)`` to the networks: ``(1, 1, n, D)`` in the parameters' dtype."""
    return k.asarray(np.ascontiguousarray(x)[None, None], params.dtype)


def batches(
    k: Kernels, model: GaussianVAE, phi: Array, x: Array, samples: int = 1, progress: Progress | None = None
) -> Iterator[Batch]:
    """Encode ``x (N, D)`` batch by batch, so that ``samples`` decodings of each fit in one pass."""
    for rows in spans(len(x), max(1, rows_per_pass(len(phi), model.d_x) // samples)):
        data = on_device(k, x[rows], phi)
        yield Batch(rows, data, model.encode(k, phi, data)[0])
        if progress is not None:
            progress(rows.stop, len(x))


def posterior_draws(k: Kernels, model: GaussianVAE, key: Key, batch: Batch, samples: int) -> Array:
    """Exact posterior samples ``(R, S, n, Z)`` of a batch, the same however the data are cut."""
    return model.posterior.draw(k, key, batch.q, samples, batch.rows.start)


def hosted(k: Kernels, q: Moments) -> Moments:
    """The same q in the host's memory, float64."""
    return replace(q, **{each.name: host(k, getattr(q, each.name)) for each in fields(q)})


def posterior_noise(k: Kernels, key: Key, batch: Batch, samples: int) -> Array:
    """Draw the normals ``(R, S, n, Z)`` of a batch; the stream has them by datum, sample, latent."""
    d_z = batch.q.mu.shape[-1]
    shape, first = (batch.size, samples, d_z), batch.rows.start * samples * d_z
    return key.normal(k, shape, batch.q.mu.dtype, first).swapaxes(1, 2)
