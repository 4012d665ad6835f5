"""The interface of a reproduction and its result: numbers, tables, sentences and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ...storage import write_whole

#: Called with the work done and the whole work, in any unit.
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class Table:
    """Rows under a header; numbers are kept as numbers, so that a program can read them.

    Attributes
    ----------
    name : str
        Name of the CSV file without its suffix.
    header : sequence of str
        Column names.
    rows : sequence of sequences
        Numbers, texts or None.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def write(self, folder: Path) -> Path:
        """Write ``name.csv`` into a folder, with numbers in full precision, and return its path.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        path = folder / f"{self.name}.csv"
        write_whole(path, text.getvalue().encode())
        return path


@dataclass(frozen=True)
class Result:
    """The result of a reproduction: data, tables, findings and files.

    Attributes
    ----------
    data : mapping
        All results as numbers, texts, lists and mappings: what ``--json`` prints.
    tables : sequence of Table
        Tables to print, the most important one first; each is written as a CSV file too.
    findings : sequence of str
        Conclusions, one sentence each.
    files : sequence of Path
        Pictures and CSV files that were written.
    """

    data: Mapping[str, Any]
    tables: Sequence[Table]
    findings: Sequence[str]
    files: Sequence[Path]


class Reproduction(Protocol):
    """One figure or experiment of the paper: a module of this package with these names."""

    #: One line for the help page of the command.
    TITLE: str

    def reproduce(self, out: Path, quick: bool, progress: Progress) -> Result:
        """Compute, draw and tabulate into the existing folder ``out``.

        Parameters
        ----------
        out : Path
            Folder for pictures and CSV files.
        quick : bool
            Whether to do a shorter run that shows the same, in a minute or two on one core.
        progress : callable
            Called with the work done and the whole work.

        Raises
        ------
        StorageError
            If a file cannot be written.
        """
