"""Write tables of numbers of R models to .npy, .csv and .h5 files, block by block."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ...errors import ConfigError
from ...storage import ELSEWHERE, check_space, replacing
from ...types import Array, DType

SUFFIXES = (".npy", ".csv", ".h5")


@dataclass(frozen=True)
class TableForm:
    """The form of a table: R models of n rows, whose columns have names.

    In .npy and in dataset ``x`` of .h5 it is ``(R, n, C)``; in .csv it has R n lines with the seed first.
    """

    seeds: tuple[int, ...]
    n: int
    columns: tuple[str, ...]
    dtype: DType

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape ``(R, n, C)`` of all rows."""
        return len(self.seeds), self.n, len(self.columns)


def check_suffix(path: Path) -> None:
    """Raise a ConfigError if there is no writer of files of this suffix."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--out {path} must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")


def write_table(path: Path, table: TableForm, blocks: Iterable[Array], remedy: str = ELSEWHERE) -> None:
    """Write blocks ``(m, C)``, which are the rows of the first model, then those of the second, and so on.

    A block has rows of one model. Only one block is in memory at a time. ``remedy`` ends the message where
    the disk has no room for the file.

    Raises
    ------
    ConfigError
        If the suffix is none of :data:`SUFFIXES`.
    StorageError
        If the file cannot be written; a former file is then unchanged.
    """
    check_suffix(path)
    # A number of a .csv file has three characters and a separator at least.
    size = 4 if path.suffix == ".csv" else np.dtype(table.dtype).itemsize
    check_space(path, size * math.prod(table.shape), remedy)
    with replacing(path, follow_link=True) as temporary:
        if path.suffix == ".npy":
            _write_npy(temporary, table, blocks)
        elif path.suffix == ".h5":
            _write_h5(temporary, table, blocks)
        else:
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                write_csv(file, table, blocks)


def write_csv(file: TextIO, table: TableForm, blocks: Iterable[Array]) -> None:
    """Write the blocks as lines of a CSV file, with the seed of the model in the first column."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["seed", *table.columns])
    done = 0
    for block in blocks:
        seed = table.seeds[done // table.n]
        writer.writerows([seed, *map(float, row)] for row in block)
        done += len(block)


def _write_npy(path: Path, table: TableForm, blocks: Iterable[Array]) -> None:
    """Write the header of the format, then the blocks in the order in which it stores them."""
    with open(path, "wb") as file:
        header: dict[str, Any] = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(table.dtype)), "fortran_order": False,
            "shape": table.shape,
        }  # fmt: skip
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, table.dtype).tobytes())


def _write_h5(path: Path, table: TableForm, blocks: Iterable[Array]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", table.shape, table.dtype)
        x.attrs["columns"] = list(table.columns)
        x.attrs["seeds"] = list(map(str, table.seeds))
        done = 0
        for block in blocks:
            r, first = divmod(done, table.n)
            x[r, first : first + len(block)] = block
            done += len(block)


def column_names(stem: str, count: int) -> tuple[str, ...]:
    """Return the names ``stem0, stem1, ...``."""
    return tuple(f"{stem}{i}" for i in range(count))
