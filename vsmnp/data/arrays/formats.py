"""Readers of the user's file formats: .npy, .npz, .csv and .h5 to arrays of numbers."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import DataError
from ...types import Array
from ..parse_errors import MOST_BYTES_PER_BYTE, reading
from ..rows import fits, mapped


class Arrays(NamedTuple):
    """The arrays of a file: the samples, and the test samples if present."""

    x: Array
    test: Array | None = None


def read_npy(path: Path, memory_budget: float) -> Arrays:
    """Read the array of a .npy file; its header is checked against the file's length, nothing is unpickled.

    An array above the budget (in GiB) is mapped from its file.
    """
    with reading(path, "a NumPy array of plain numbers", "save it again with numpy.save"):
        values = np.lib.format.open_memmap(path, mode="r")
        plain = _plain(values, str(path))
        return Arrays(np.array(plain) if fits(plain.nbytes, memory_budget) else np.asarray(plain))


def read_npz(path: Path, memory_budget: float) -> Arrays:
    """Read array ``x``, ``data`` or the only one of a .npz file, and ``test`` if present.

    Nothing is unpickled. The arrays are read into memory for any budget, because they may be compressed.
    """
    what, remedy = "a NumPy .npz archive of plain numbers", "save it again with numpy.savez"
    with reading(path, what, remedy), path.open("rb") as raw:
        archive = np.load(raw, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{path} is not a .npz archive but a single array: rename it to .npy.")
        with archive:
            return _choose(
                archive.files,
                lambda name: _plain(archive[name], f"The array '{name}' of {path}"),
                path,
            )


def read_h5(path: Path, memory_budget: float) -> Arrays:
    """Read dataset ``x``, ``data`` or the only one of an HDF5 file, and ``test`` if present.

    A dataset above the budget (in GiB) is mapped from its file if it is stored contiguously.
    """
    import h5py

    with reading(path, "an HDF5 file", "write it again"), h5py.File(path, "r") as file:
        names = [name for name in file if isinstance(file[name], h5py.Dataset)]
        return _choose(names, lambda name: _read_dataset(file[name], path, memory_budget), path)


def _read_dataset(dataset: Any, path: Path, memory_budget: float) -> Array:
    """Read one HDF5 dataset, after checking the claimed against the stored size."""
    where = f"The dataset '{dataset.name.strip('/')}' of {path}"
    _require_numbers(dataset.dtype, where)
    if dataset.shape is None:
        raise DataError(f"{where} is empty: write an array of shape (N, D).")
    if dataset.nbytes > MOST_BYTES_PER_BYTE * dataset.id.get_storage_size():
        raise DataError(
            f"{where} stores too few bytes for its shape {dataset.shape}: write the whole array again."
        )
    offset = dataset.id.get_offset()  # None unless it is contiguous
    if offset is not None and not fits(dataset.nbytes, memory_budget):
        return mapped(str(path), dataset.dtype, offset, dataset.shape)
    return np.asarray(dataset[()])


def _choose(names: Sequence[str], read: Callable[[str], Array], path: Path) -> Arrays:
    """Read ``x``, else ``data``, else the only array not named ``test``; and ``test`` if present."""
    candidates = [name for name in names if name != "test"]
    preferred = [name for name in ("x", "data") if name in candidates] or candidates
    if not preferred:
        raise DataError(f"{path} holds no array of samples: store one under the name 'x'.")
    if len(candidates) > 1 and preferred is candidates:
        listed = ", ".join(sorted(candidates)[:5])
        raise DataError(
            f"{path} holds several arrays ({listed}) and none is named 'x': rename the samples to 'x'."
        )
    return Arrays(read(preferred[0]), read("test") if "test" in names else None)


def _plain(values: Any, where: str) -> Array:
    if not isinstance(values, np.ndarray):
        raise DataError(f"{where} is not a NumPy array: save it again with numpy.savez.")
    _require_numbers(values.dtype, where)
    return values


def _require_numbers(dtype: np.dtype[Any], where: str) -> None:
    """Require real numbers (bool, integer or float), not complex numbers, text, dates or objects."""
    if dtype.kind not in "biuf":
        raise DataError(f"{where} has dtype {dtype}: convert it to real numbers.")


def read_csv(path: Path, memory_budget: float) -> Arrays:
    """Read numbers separated by commas, one sample per line; a first line without numbers is a header.

    The numbers are read into memory for any budget.
    """
    values, width = array("d"), 0
    remedy = "save it as UTF-8 text, numbers separated by commas"
    with reading(path, "a CSV file", remedy), path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        for first, fields in enumerate(line for line in lines if line):
            where = f"Line {lines.line_num} of {path}"
            numbers = [_number(field) for field in fields]
            if first == 0 and all(number is None for number in numbers):
                continue
            width = width or len(fields)
            if len(fields) != width:
                raise DataError(
                    f"{where} has {len(fields)} columns where the lines above have {width}: {remedy}."
                )
            for column, number in enumerate(numbers):
                if number is None:
                    found = repr(fields[column][:20])
                    raise DataError(f"{where} has {found} in column {column + 1}, not a number: {remedy}.")
                values.append(number)
    if not width:
        raise DataError(
            f"{path} holds no line of numbers: write one sample a line, numbers separated by commas."
        )
    return Arrays(np.array(values).reshape(-1, width))


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None


#: Reader of each file suffix.
READERS: Mapping[str, Callable[[Path, float], Arrays]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": read_csv,
    ".h5": read_h5,
    ".hdf5": read_h5,
}
