"""Read a text table, .csv or .tsv, to numbers.

Blocks of plain numbers go through NumPy's parser in C; the rows of other blocks go one by one through the
standard library's ``csv``, by the rules of :mod:`.numbers`. Both give the same numbers. No other library is
needed, and none of those that read tables refuses what these rules refuse: most guess.
"""

from __future__ import annotations

import codecs
import csv
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np

from ...errors import DataError
from ...types import Array
from ..parse_errors import reading
from .layout import SEPARATORS, Lines, TableLayout, find_layout
from .numbers import Decimal, decimal_mark, is_number, number
from .table import Arrays, ColumnChoice, as_option, size_of

#: Characters of the first lines from which the layout is found, and of a block.
_HEAD, _BLOCK = 1 << 18, 1 << 20
#: Lines that are read for the layout where lines are long.
_LEAST = 20
#: Rows with text after which reading stops: a column of text is known by then.
_MOST_TEXT = 1_000
_REMEDY = "save it as UTF-8 text, numbers separated by commas"


class _MarkUnknown(Exception):
    """A number was met that is none until the decimal mark is known."""


@dataclass(frozen=True)
class _Table:
    """A text table whose layout is known, and the fields that are read."""

    path: Path
    encoding: str
    layout: TableLayout
    taken: tuple[int, ...]

    def open(self) -> TextIO:
        return self.path.open(encoding=self.encoding)

    def blocks(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the lines below the header in blocks of whole rows, each with its first line's number."""
        with self.open() as file:
            for _ in range(self.layout.skip):
                file.readline()
            at = self.layout.skip + 1
            while lines := file.readlines(_BLOCK):
                quotes = "".join(lines).count('"')
                while quotes % 2 and (line := file.readline()):  # a quoted field goes on
                    lines.append(line)
                    quotes += line.count('"')
                yield at, lines
                at += len(lines)

    def rows(self, lines: Lines) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows of some lines, each with the number of its last line."""
        width = self.layout.width
        reader = csv.reader(lines, delimiter=self.layout.separator, strict=True)
        try:
            for row in reader:
                if len(row) != width:
                    if not any(field.strip() for field in row):
                        continue
                    raise DataError(
                        f"Line {lines.number} of {self.path} has {len(row)} columns where the lines "
                        f"above have {width}: give every line the same number of fields."
                    )
                yield lines.number, row
        except csv.Error as error:
            raise DataError(
                f"Line {lines.number} of {self.path} has a double quote out of place ({error}): close every "
                "quote at the end of its field."
            ) from error

    def fields(self, row: Sequence[str]) -> Sequence[str]:
        """Return the fields of a row that are read."""
        return [row[i] for i in self.taken]


def read_separated(path: Path, memory_budget: float, choice: ColumnChoice) -> Arrays:
    """Read a table of numbers separated by commas, semicolons or tabs, one sample per line.

    The numbers are read into memory for any budget; missing values become NaN.

    Raises
    ------
    DataError
        If a line has another number of fields than the first, a field that is taken is text, the decimal
        mark is not the same everywhere or cannot be told, or a chosen column does not exist.
    """
    with reading(path, "a text table", _REMEDY):
        for encoding in _encodings(path):
            try:
                return _read(path, encoding, choice)
            except UnicodeDecodeError:
                continue
        raise DataError(f"{path} is not text in UTF-8: {_REMEDY}.")


def _encodings(path: Path) -> tuple[str, ...]:
    """Return the encodings to try: as the byte-order mark says, else UTF-8, then that of old spreadsheets."""
    with path.open("rb") as file:
        start = file.read(_HEAD)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ("utf-16",)
    if b"\0" in start:
        raise DataError(f"{path} holds bytes that are no text: {_REMEDY}.")
    return ("utf-8-sig", "cp1252")


def _ends_a_line(path: Path) -> bool:
    """Return whether the last character of a file ends a line: a number that was cut may still be one."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(-min(file.tell(), 2), os.SEEK_CUR)
        return bool(set(file.read()) & set(b"\r\n"))


def _read(path: Path, encoding: str, choice: ColumnChoice) -> Arrays:
    with path.open(encoding=encoding) as file:
        head = file.readlines(_HEAD)
        head += islice(file, _LEAST)
    layout = find_layout(head, path)
    taken = choice.indices(layout.names, str(path))
    table = _Table(path, encoding, layout, tuple(layout.first + i for i in taken))
    names = [layout.names[i] for i in taken]
    decimal: Decimal = ""
    try:
        values, comments, empty = _values(table, names)
    except _MarkUnknown:
        decimal, witness = _decimal(table)
        values, comments, empty = _values(table, names, decimal, witness)
    size = size_of(len(values), names if layout.named else len(names))
    size += f", separated by {SEPARATORS[layout.separator]}" if layout.width > 1 else ""
    size += ", with decimal commas" if decimal == "," else ""
    size += f"; {comments:,} line(s) of comment were skipped" if comments else ""
    size += f"; {empty:,} line(s) of separators without values were skipped" if empty else ""
    notes = layout.notes
    if encoding == "cp1252":
        notes += (f"{path.name} is not UTF-8 text: its names were read as Windows-1252.",)
    if not _ends_a_line(path):
        notes += (f"The last line of {path.name} has no end: if the file was cut, so is its last number.",)
    columns = tuple(names) if layout.named else ()
    return Arrays(values, columns=columns, size=size, notes=notes, place=_place_in(table))


def _values(
    table: _Table, names: Sequence[str], decimal: Decimal = "", witness: str = ""
) -> tuple[Array, int, int]:
    """Read the values ``(N, D)``, and count the lines of comment and those without values."""
    values, width, comments, empty = array("d"), len(table.taken), table.layout.comments, 0
    text: dict[int, tuple[int, str]] = {}
    n_text = 0
    for at, block in table.blocks():
        chunk = _plain(table, block, decimal)
        if chunk is not None:
            values.frombytes(np.ascontiguousarray(chunk).data.cast("B"))
            continue
        lines = Lines(block, at)
        for line, row in table.rows(lines):
            fields = table.fields(row)
            if _append(values, fields, decimal):
                continue
            if not any(field.strip() for field in row):
                empty += 1
                continue
            for i, field in enumerate(fields):
                value = number(field, decimal)
                if value is None:
                    if not decimal and is_number(field):
                        raise _MarkUnknown
                    if is_number(field):
                        raise DataError(
                            f"{table.path} has {witness!r} and, in line {line}, {field.strip()!r}: one has a "
                            "decimal comma, the other a decimal point; use one mark everywhere, or leave a "
                            "column out with --drop-columns."
                        )
                    text.setdefault(i, (line, field))
                    value = float("nan")
                values.append(value)
            n_text += bool(text)
            if n_text >= _MOST_TEXT:
                break
        comments += lines.comments
        if n_text >= _MOST_TEXT:
            break
    if text:
        raise _text(table, names, text)
    if not values:
        raise DataError(
            f"{table.path} holds no line of numbers: write one sample a line, numbers separated by commas."
        )
    return np.frombuffer(values, np.float64).reshape(-1, width), comments, empty


def _plain(table: _Table, block: list[str], decimal: Decimal) -> Array | None:
    """Read a block of lines of nothing but plain numbers, ``(len(block), D)``; None if it is not one."""
    whole = "".join(block)
    if not whole.isascii() or any(mark in whole for mark in '"#_'):
        return None
    separator, between = table.layout.separator, table.layout.width - 1
    if any(line.count(separator) != between for line in block):
        return None
    if decimal == ",":
        if separator == "," or "." in whole:
            return None
        block = [line.replace(",", ".") for line in block]
    try:
        chunk = np.loadtxt(block, delimiter=separator, ndmin=2, comments=None, usecols=table.taken)
    except ValueError:
        return None
    return chunk if len(chunk) == len(block) else None


def _append(values: array[float], fields: Sequence[str], decimal: Decimal) -> bool:
    """Append a row of plain numbers; return false, with nothing appended, if a field is anything else."""
    joined = "".join(fields)
    if not joined.isascii() or "_" in joined or (decimal == "," and "." in joined):
        return False
    length = len(values)
    try:
        values.extend(map(float, fields if decimal != "," else [f.replace(",", ".") for f in fields]))
    except ValueError:
        del values[length:]
        return False
    return True


def _decimal(table: _Table) -> tuple[Decimal, str]:
    """Find the decimal mark of the fields that are read, and a field that tells it."""
    fields = chain.from_iterable(
        table.fields(row) for at, block in table.blocks() for _, row in table.rows(Lines(block, at))
    )
    mark, witness = decimal_mark(fields)
    if not mark:
        raise DataError(
            f"{table.path} has {witness!r}, in which the comma may be a decimal mark or a separator of "
            "thousands, and no number that tells: write it without separators of thousands."
        )
    return mark, witness


def _text(table: _Table, names: Sequence[str], text: dict[int, tuple[int, str]]) -> DataError:
    """Build the error for columns that hold text."""
    found = sorted(text.items())
    label = "" if table.layout.named else "column "
    first = ", ".join(f"{label}{names[i]} (line {line}: {field[:20]!r})" for i, (line, field) in found[:8])
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""
    remedy = "write numbers, and nothing where a value is missing"
    if len(found) < len(names):
        remedy += f", or say {as_option('--drop-columns', [names[i] for i, _ in found])}"
    return DataError(f"{table.path} has text, not numbers, in {first}{more}: {remedy}.")


def _place_in(table: _Table) -> Callable[[int], str]:
    """Return a function that finds the line of a row by reading the file again."""

    def place(row: int) -> str:
        with_values = (
            line
            for at, block in table.blocks()
            for line, fields in table.rows(Lines(block, at))
            if any(field.strip() for field in fields)
        )
        return f"line {next(islice(with_values, row, None))}"

    return place
