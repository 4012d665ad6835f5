"""Write samples to a file for other programs, or as CSV text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from ..types import Array
from .table_file import Table, column_names, write_csv, write_table


def write_samples(
    draws: Array, seeds: tuple[int, ...], path: Path | None, columns: Sequence[str] = ()
) -> str | None:
    """Write draws ``(R, n, D)`` to a .npy, .csv or .h5 file, or return the CSV text when there is no path.

    The columns of the text have the names ``columns``, or ``x0``, ``x1``, ... if there are none.

    Raises
    ------
    ConfigError
        If there is no writer of files of this suffix.
    StorageError
        If the file cannot be written.
    """
    names = tuple(columns) or column_names("x", draws.shape[2])
    table = Table(seeds, draws.shape[1], names, draws.dtype)
    if path is not None:
        write_table(path, table, draws)
        return None
    text = io.StringIO()
    write_csv(text, table, draws)
    return text.getvalue()
