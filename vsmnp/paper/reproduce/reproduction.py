"""What a reproduction is, and what it hands back: numbers, tables, sentences and files."""

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
    """Rows under a header; numbers stay numbers, so that a program can read them.

    Attributes
    ----------
    name : str
        What the CSV file is called, without its suffix.
    header : sequence of str
        Column names.
    rows : sequence of sequences
        Numbers, texts or None.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def write(self, folder: Path) -> Path:
        """Write ``name.csv``; numbers in full precision.

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
    """What a reproduction found.

    Attributes
    ----------
    data : mapping
        Everything as numbers, texts, lists and mappings: what ``--json`` prints.
    tables : sequence of Table
        What is printed, the first one foremost; each is a CSV file too.
    findings : sequence of str
        What it shows, a sentence each.
    files : sequence of Path
        Pictures and CSV files written.
    """

    data: Mapping[str, Any]
    tables: Sequence[Table]
    findings: Sequence[str]
    files: Sequence[Path]


class Reproduction(Protocol):
    """One figure or experiment of the paper: a module of this package with these names."""

    #: One line for the help page.
    TITLE: str

    def reproduce(self, out: Path, quick: bool, progress: Progress) -> Result:
        """Compute, draw and tabulate into the existing folder ``out``.

        Parameters
        ----------
        out : Path
            Where pictures and CSV files go.
        quick : bool
            A shorter run that shows the same, in a minute or two on one core.
        progress : callable
            Told of the work done.

        Raises
        ------
        StorageError
            If a file cannot be written.
        """
