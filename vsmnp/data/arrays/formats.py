"""Readers of the user's file formats by suffix, and those of NumPy's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...types import Array
from ..mapped import guarded
from ..parse_errors import reading
from ..rows import fits
from .columnar import read_arrow, read_feather, read_parquet
from .hdf5 import read_h5
from .separated import read_separated
from .table import ALL, Arrays, ColumnChoice, chosen_array, require_numbers


def read_npy(path: Path, memory_budget: float) -> Arrays:
    """Read the array of a .npy file; its header is checked against the file's length, nothing is unpickled.

    An array above the budget (in GiB) is mapped from its file.
    """
    with reading(path, "a NumPy array of plain numbers", "save it again with numpy.save"):
        _refuse_objects(path)
        values = np.lib.format.open_memmap(path, mode="r")
        plain = _plain(values, str(path))
        if fits(plain.nbytes, memory_budget):
            return Arrays(_plain(np.load(path, allow_pickle=False), str(path)))
        return Arrays(guarded(np.asarray(plain), path))


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
            return chosen_array(archive.files, lambda name: _member(archive, name, path), path)


def _member(archive: Any, name: str, path: Path) -> Array:
    where = f"The array '{name}' of {path}"
    try:
        return _plain(archive[name], where)
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise _of_objects(where, f"numpy.savez(file, {name}={name}.astype(float))") from error
        raise


def _refuse_objects(path: Path) -> None:
    """Raise a DataError if the header of a .npy file says that it holds Python objects."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else (
            np.lib.format.read_array_header_2_0
        )  # fmt: skip
        dtype = header(file)[2]
    if dtype.hasobject:
        raise _of_objects(str(path), "numpy.save(file, x.astype(float))")


def _of_objects(where: str, remedy: str) -> DataError:
    """Build the error for an array of Python objects."""
    return DataError(
        f"{where} holds Python objects (dtype object) instead of plain numbers, and objects are never "
        f"unpickled: make all rows equally long and save numbers, {remedy}."
    )


def _plain(values: Any, where: str) -> Array:
    if not isinstance(values, np.ndarray):
        raise DataError(f"{where} is not a NumPy array: save it again with numpy.savez.")
    require_numbers(values.dtype, where)
    return values


#: Readers of tables, whose columns can be chosen, by suffix.
TABLES: Mapping[str, Callable[[Path, float, ColumnChoice], Arrays]] = {
    ".csv": read_separated,
    ".tsv": read_separated,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_feather,
}
#: Readers of arrays by suffix.
ARRAYS: Mapping[str, Callable[[Path, float], Arrays]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".h5": read_h5,
    ".hdf5": read_h5,
}
#: Suffixes of all files that can be read.
SUFFIXES = (".npy", ".npz", *TABLES, ".h5", ".hdf5")


def is_readable(path: Path) -> bool:
    """Return whether a file has one of the suffixes that can be read."""
    return path.suffix.lower() in SUFFIXES


def read_file(path: Path, memory_budget: float, choice: ColumnChoice = ALL) -> Arrays:
    """Read the arrays of a file by the reader of its suffix, one of :data:`SUFFIXES`.

    Raises
    ------
    DataError
        If the file is corrupt or holds no numbers, or columns are chosen of a file without columns.
    """
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return TABLES[suffix](path, memory_budget, choice)
    if choice:
        raise DataError(f"{choice.option} makes no sense for {path}: it is for tables, {', '.join(TABLES)}.")
    return ARRAYS[suffix](path, memory_budget)
