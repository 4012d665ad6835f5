"""Load the user's data: check the array, and hold out a test set."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...kernels import load
from ...rng import Key, Stream
from ...types import Array
from ..fixed import CHANNELS, FixedDataset
from ..rows import MEMORY_BUDGET, pieces
from .formats import READERS

#: Values of larger magnitude are rejected, because no network here could be trained on them.
LARGEST = 1e6
#: One sample in this many is held out if the file has no test set.
HELD_OUT = 10


def load_file(path: Path, memory_budget: float = MEMORY_BUDGET) -> FixedDataset:
    """Load a dataset from a .npy, .npz, .csv, .h5 or .hdf5 file.

    The array has shape ``(N, D)``, or ``(N, ...)`` with the axes of a sample kept in ``shape``; pictures
    ``(H, W, C)`` with 1 or 3 channels become ``(C, H, W)``, the layout of convolutions. Unsigned bytes are
    pixels and are divided by 255; other real numbers are unchanged. If the file has no array ``test``, the
    last tenth (at least one) of a fixed permutation of the samples is held out: the same samples for every
    seed. A .npy file, and a contiguous array of an HDF5 file, larger than the budget (in GiB) is mapped
    instead of read, and its minibatches are read from the disk.

    Raises
    ------
    DataError
        If the suffix is unknown, the file is missing or corrupt, or the array is not of real numbers, has
        fewer than two axes or two rows, or holds NaN, infinities or magnitudes above 1e6.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} has an unknown suffix: use one of {', '.join(READERS)}.")
    if not os.path.exists(path):
        raise DataError(f"The data file {path} does not exist: check its name.")
    x, test = (None if part is None else _channels_first(part) for part in reader(path, memory_budget))
    assert x is not None
    _check(x, str(path), at_least=2)
    shape, pixels = x.shape[1:], x.dtype == np.uint8
    about = f"Read from {path}{'; unsigned bytes, divided by 255' if pixels else ''}."
    if test is None:
        train_index, test_index = hold_out(len(x))
        return FixedDataset(
            path.name, shape, x, x, about, 255.0 if pixels else 1.0, str(path.absolute()),
            train_index, test_index,
        )  # fmt: skip
    _check(test, f"The array 'test' of {path}", at_least=1)
    if test.shape[1:] != shape:
        raise DataError(
            f"{path} has samples of shape {shape} but test samples of shape {test.shape[1:]}: "
            "make them equal."
        )
    if pixels != (test.dtype == np.uint8):
        raise DataError(
            f"{path} has samples of dtype {x.dtype} but test samples of dtype {test.dtype}: make them equal."
        )
    return FixedDataset(path.name, shape, x, test, about, 255.0 if pixels else 1.0, str(path.absolute()))


def _channels_first(values: Array) -> Array:
    """Transpose pictures ``(N, H, W, C)`` to ``(N, C, H, W)``; return other arrays unchanged."""
    last = values.ndim == 4 and values.shape[3] in CHANNELS and values.shape[1] not in CHANNELS
    return np.moveaxis(values, 3, 1) if last else values


def _check(values: Array, where: str, at_least: int) -> None:
    """Raise a DataError unless every row of ``(N, ...)`` is usable; rows are checked piece by piece."""
    if values.ndim < 2:
        raise DataError(f"{where} has shape {values.shape}: give it two axes at least, (samples, values).")
    if len(values) < at_least:
        raise DataError(f"{where} has {len(values)} rows: it needs at least {at_least}.")
    if not values.size:
        raise DataError(f"{where} has shape {values.shape}, which holds no values: give every sample some.")
    if values.dtype == np.uint8:
        return
    largest = np.empty(len(values))
    for rows in pieces(len(values), values.size // len(values)):
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = values[rows].reshape(rows.stop - rows.start, -1).astype(np.float64)
        largest[rows] = np.abs(numbers).max(axis=1)  # NaN stays NaN
    usable = np.isfinite(largest)
    if not usable.all():
        row = int(np.argmin(usable))
        raise DataError(
            f"{where} holds NaN or infinity, first in row {row} (counting from 0): remove or replace it."
        )
    if largest.max() > LARGEST:
        row = int(np.argmax(largest > LARGEST))
        raise DataError(
            f"{where} holds values up to {largest.max():.3g} in magnitude, first above {LARGEST:,.0f} "
            f"in row {row} (counting from 0): standardise the data."
        )


def hold_out(n: int) -> tuple[Array, Array]:
    """Return the training and test rows of n: the last tenth of a permutation that depends on n alone."""
    order = Key((0,), Stream.TEST_DATA).permutation(load("reference"), n)[0]
    n_test = max(1, n // HELD_OUT)
    return order[:-n_test], order[-n_test:]
