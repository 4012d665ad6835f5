"""Load the user's data: check the array, and hold out a test set."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...kernels import load
from ...rng import Key, Stream
from ...storage import may_exist
from ...types import Array
from ..fixed import CHANNELS, FixedDataset, channels_first, framed
from ..mapped import guarded
from ..rows import MEMORY_BUDGET, fits
from .formats import SUFFIXES, is_readable, read_file
from .given import FROM_PYTHON, Given, arrays_given
from .rows_in_use import Missing, rows_in_use
from .table import ALL, Arrays, ColumnChoice

_log = logging.getLogger(__name__)

#: One sample in this many is held out if the file has no test set.
HELD_OUT = 10


def load_file(
    path: Path, memory_budget: float = MEMORY_BUDGET, choice: ColumnChoice = ALL, missing: Missing = "error",
    image_size: int = 0,
) -> FixedDataset:  # fmt: skip
    """Load a dataset from a file with one of the suffixes :data:`.formats.SUFFIXES`.

    The array has shape ``(N, D)``, or ``(N, ...)`` with the axes of a sample kept in ``shape``; pictures
    ``(H, W, C)`` with 1 or 3 channels become ``(C, H, W)``, the layout of convolutions. Unsigned bytes are
    pixels and are divided by 255; other real numbers are unchanged. If the file has no array ``test``, the
    last tenth (at least one) of a fixed permutation of the samples is held out: the same samples for every
    seed. A .npy file, and a contiguous array of an HDF5 file, larger than the budget (in GiB) is mapped
    instead of read, and its minibatches are read from the disk.

    Parameters
    ----------
    path : Path
        The file.
    memory_budget : float
        GiB of samples held in memory.
    choice : ColumnChoice
        The columns of a table that are the samples.
    missing : {"error", "drop"}
        Whether samples with missing values (NaN) are an error or left out.
    image_size : int
        Side up to which zeros are put around pictures; 0: none.

    Raises
    ------
    DataError
        If the suffix is unknown, the file is missing or corrupt, or the array is not of real numbers, has
        fewer than two axes or two rows, or holds missing values, infinities or magnitudes above 1e6.
    """
    if not is_readable(path):
        raise DataError(f"{path} has an unknown suffix: use one of {', '.join(SUFFIXES)}.")
    if not may_exist(path):
        raise DataError(f"The data file {path} does not exist: check its name.")
    arrays = read_file(path, memory_budget, choice)
    return _dataset(arrays, str(path), path.name, str(path.absolute()), memory_budget, missing, image_size)


def load_given(
    given: Given, test: Given = None, memory_budget: float = MEMORY_BUDGET, choice: ColumnChoice = ALL,
    missing: Missing = "error", image_size: int = 0,
) -> FixedDataset:  # fmt: skip
    """Load a dataset from an array or a table in Python; the rest is as in :func:`load_file`.

    An array is copied, so that the data of a run stay as they were, unless it is mapped from a file.

    Parameters
    ----------
    given : array_like
        ``(N, D)`` or ``(N, ...)``; see :func:`.given.numbers_of`.
    test : array_like, optional
        The test set; by default a tenth of the samples is held out.
    """
    arrays = arrays_given(given, test, choice)
    x, tested = _own(arrays.x, given), None if arrays.test is None else _own(arrays.test, test)
    arrays = arrays._replace(x=x, test=tested)
    return _dataset(arrays, "The array", "array", FROM_PYTHON, memory_budget, missing, image_size)


def _own(values: Array, given: Given) -> Array:
    """Copy values that may share their memory with the user's, unless they are mapped from a file."""
    mapped = values if isinstance(values, np.memmap) else given
    if not isinstance(mapped, np.memmap):
        return np.array(values, order="C")
    return values if mapped.filename is None else guarded(np.asarray(values), mapped.filename)


def _dataset(
    arrays: Arrays, where: str, name: str, source: str, memory_budget: float, missing: Missing,
    image_size: int,
) -> FixedDataset:  # fmt: skip
    """Make the dataset of the arrays that were read; ``where`` is the subject of its error messages."""
    x, test = (
        None if part is None else _framed(channels_first(part), image_size, where, memory_budget)
        for part in (arrays.x, arrays.test)
    )
    assert x is not None
    used, notes = rows_in_use(arrays._replace(x=x), where, missing, at_least=2)
    shape, pixels = x.shape[1:], x.dtype == np.uint8
    notes = (*arrays.notes, *notes, *_not_pictures(shape, name))
    size = f": {arrays.size}" if arrays.size else ""
    place = "an array" if source == FROM_PYTHON else where
    about = f"Read from {place}{size}{'; unsigned bytes, divided by 255' if pixels else ''}."
    if size:
        _log.info(about)
    train_index: Array | None
    test_index: Array | None
    if test is None:
        train_index, test_index = hold_out(len(x) if used is None else len(used))
        if used is not None:
            train_index, test_index = used[train_index], used[test_index]
        test = x
    else:
        tested = "The test array" if source == FROM_PYTHON else f"The array 'test' of {where}"
        test_arrays = arrays._replace(x=test)
        test_index, more = rows_in_use(test_arrays, tested, missing, at_least=1)
        train_index, notes = used, (*notes, *more)
        if test.shape[1:] != shape:
            raise DataError(
                f"{where} has samples of shape {shape} but test samples of shape {test.shape[1:]}: "
                "make them equal."
            )
        if pixels != (test.dtype == np.uint8):
            raise DataError(
                f"{where} has samples of dtype {x.dtype} but test samples of dtype {test.dtype}: make them "
                "equal."
            )
    return FixedDataset(
        name, shape, x, test, about, 255.0 if pixels else 1.0, source,
        train_index, test_index, notes=notes, columns=arrays.columns,
    )  # fmt: skip


def _framed(values: Array, size: int, where: str, memory_budget: float) -> Array:
    """Put zeros around pictures ``(N, H, W)`` or ``(N, C, H, W)``; these are held in memory."""
    if not size:
        return values
    if values.ndim not in (3, 4) or _not_pictures(values.shape[1:], where):
        raise DataError(
            f"--image-size {size} makes no sense for {where}: it is for pictures, and its samples have the "
            f"shape {values.shape[1:]}."
        )
    n_bytes = values.nbytes // int(np.prod(values.shape[-2:])) * size**2
    if not fits(n_bytes, memory_budget):
        raise DataError(
            f"--image-size {size} makes {n_bytes / 2**30:.2g} GiB of {where}, which are held in memory: "
            f"raise --memory-budget above {memory_budget:g}, or save the pictures with zeros around them."
        )
    return framed(values, size, where)


def _not_pictures(shape: tuple[int, ...], name: str) -> tuple[str, ...]:
    """Write the note on samples with several axes that are no pictures."""
    if len(shape) < 2 or len(shape) == 2 or (len(shape) == 3 and shape[0] in CHANNELS):
        return ()
    alpha = len(shape) == 3 and 4 in (shape[0], shape[2])
    channels = "x[:, :3]" if shape[0] == 4 else "x[..., :3]"
    hint = f"; without its fourth channel ({channels}) it would be coloured ones" if alpha else ""
    return (
        f"A sample of {name} has shape {shape}, which is no picture (H, W), (H, W, 1) or (H, W, 3): "
        f"it is trained on as {int(np.prod(shape)):,} values and cannot be drawn{hint}.",
    )


def hold_out(n: int) -> tuple[Array, Array]:
    """Return the training and test rows of n: the last tenth of a permutation that depends on n alone."""
    order = Key((0,), Stream.TEST_DATA).permutation(load("reference"), n)[0]
    n_test = max(1, n // HELD_OUT)
    return order[:-n_test], order[-n_test:]
