"""Define the interface of a reproduction and its result: numbers, tables, sentences and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from ...errors import DataError
from ...storage import open_regular, write_whole
from ...types.progress import Progress


@dataclass(frozen=True)
class Table:
    """Rows under a header; numbers are kept as numbers, so that a program can read them."""

    #: Name of the CSV file without its suffix.
    name: str
    #: Column names.
    header: Sequence[str]
    #: Numbers, texts or None.
    rows: Sequence[Sequence[Any]]

    @classmethod
    def of(cls, name: str, columns: Iterable[str], records: Iterable[Mapping[str, Any]]) -> Table:
        """Make a table from records, one row each; a column that a record lacks is None."""
        header = tuple(columns)
        return cls(name, header, [tuple(record.get(column) for column in header) for record in records])

    def records(self) -> list[dict[str, Any]]:
        """Return each row as a mapping from column names to values."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]

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


def read_records(
    path: Path, columns: Mapping[str, Callable[[str], Any]], fault: str, remedy: str,
    added: Collection[str] = (), former: Mapping[str, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:  # fmt: skip
    """Read the records of a file that :meth:`Table.write` wrote, with a converter for each column in order.

    Columns that were ``added`` since are None in records that were written without them; ``former`` maps the
    names of columns in records of earlier versions to those of this version.

    Raises
    ------
    DataError
        If the file is missing or has other content; the message names its ``fault`` and the ``remedy``.
    """
    try:
        with open_regular(path) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            stored = reader.fieldnames or ()
            names = tuple(former.get(name, name) for name in stored)
            absent = [name for name in added if name not in names]
            if names != tuple(name for name in columns if name not in absent):
                raise ValueError(f"its columns are {list(stored)}")
            reader.fieldnames = names
            return [
                {**{name: columns[name](text) for name, text in row.items()}, **dict.fromkeys(absent)}
                for row in reader
            ]
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise DataError(f"{path} {fault} ({error}): {remedy}.") from error


@dataclass(frozen=True)
class Result:
    """The result of a reproduction: data, tables, findings and files."""

    #: All results as numbers, texts, lists and mappings: what ``--json`` prints.
    data: Mapping[str, Any]
    #: Tables to print, the most important one first; each is written as a CSV file too.
    tables: Sequence[Table]
    #: Conclusions, one sentence each.
    findings: Sequence[str]
    #: Pictures and CSV files that were written.
    files: Sequence[Path]


class Reproduction(Protocol):
    """One figure or experiment of the paper: a module of this package with these names."""

    #: One line for the help page of the command.
    TITLE: str

    def reproduce(self, out: Path, quick: bool, progress: Progress, **options: Any) -> Result:
        """Compute, draw and tabulate into the existing folder ``out``.

        Parameters
        ----------
        out : Path
            Folder for pictures and CSV files.
        quick : bool
            Whether to do a shorter run that shows the same, in a minute or two on one core.
        progress : callable
            Called with the work done and the whole work.
        **options
            Those of :data:`.catalogue.OPTIONS` under its name, and ``stop``, which returns true to save the
            current runs and stop; none for the others.

        Raises
        ------
        StorageError
            If a file cannot be written.
        """
