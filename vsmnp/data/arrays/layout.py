"""Find the separator, the names and the index column of a text table from its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from ...errors import DataError
from .numbers import MISSING, is_number

#: Separators in the order in which they are preferred, with their names.
SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas"}
#: Rows below the header from which the layout is found.
_SAMPLE = 100
#: Fields of these rows that tell one separator from another.
_FIELDS = 2_000
#: A comment, as opposed to a spreadsheet's error value in the first column.
_COMMENT = re.compile(r"\s*#(?!N/A|NA\b|DIV/0!|VALUE!|REF!|NUM!|NAME\?|NULL!)", re.IGNORECASE)
#: Names of the first column under which pandas writes its index.
_INDEX_NAMES = ("", "Unnamed: 0")


@dataclass(frozen=True)
class TableLayout:
    """The layout of a text table.

    Parameters
    ----------
    separator : str
        The character between two fields.
    width : int
        Fields of every row.
    skip : int
        Lines of the file up to the first row of data.
    names : tuple of str
        Names of the columns that may be taken; their numbers, from 1, if the table has no names.
    first : int
        The field of the first of these columns: 1 after an index column.
    named : bool
        Whether the table has names.
    notes : tuple of str
        Sentences for the user on what was left out.
    comments : int
        Lines of comment before the data, without that which names the columns.
    """

    separator: str
    width: int
    skip: int
    names: tuple[str, ...]
    first: int
    named: bool
    notes: tuple[str, ...]
    comments: int = 0


class Lines:
    """Iterate over the lines that hold fields; blank lines and comments are counted and skipped."""

    def __init__(self, lines: Sequence[str], first: int = 1) -> None:
        self.number, self.comments, self.comment = first - 1, 0, ""
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        quoted = False  # within a field in quotes, which may go on for several lines
        for line in self._lines:
            self.number += 1
            if not quoted and line[0] in " #\n\t":
                if not line.strip(" \n"):
                    continue
                if _COMMENT.match(line):
                    self.comments += 1
                    self.comment = line.strip().lstrip("# ")
                    continue
            quoted ^= line.count('"') % 2 == 1
            yield line


def find_layout(head: Sequence[str], path: Path) -> TableLayout:
    """Find the layout of a table from its first lines.

    The separator is the tab, semicolon or comma by which every line has the same number of fields, at
    least two, and the most fields are numbers. A first line of names is a header; if it is one name shorter
    than the rows, or its first name is empty, the first column is an index and no data.

    Raises
    ------
    DataError
        If the lines hold no row of data, or their header does not fit the rows.
    """
    lines = Lines(head)
    rough = list(lines)[: _SAMPLE + 1]
    if not rough:
        raise _empty(path)
    separator = _separator(rough)
    lines = Lines(head)
    rows: list[list[str]] = []
    places: list[int] = []
    comment, n_comments = "", 0
    for row in csv.reader(lines, delimiter=separator):
        if not rows:
            comment, n_comments = lines.comment, lines.comments
        rows.append(row)
        places.append(lines.number)
        if len(rows) > _SAMPLE:
            break
    first, rest = rows[0], rows[1:]
    if (
        separator == ","
        and len(first) == 1
        and not is_number(first[0])
        and _has_other_separator(rest or rows)
    ):
        raise DataError(
            f"{path} separates its fields by none of commas, semicolons and tabs (line {places[-1]}: "
            f"{rows[-1][0][:30]!r}): save it with one of them."
        )
    notes: list[str] = []
    if not _is_header(first, rest):
        if rest and not _words(first) and _counts_up(first):
            notes.append(f"The first line of {path.name} ({separator.join(first)}) was read as a sample.")
        named = next(csv.reader([comment], delimiter=separator), [])
        found = [name.strip() for name in named]
        if len(found) == len(first) and len(found) > 1 and not any(map(is_number, found)):
            return replace(
                _layout(separator, found, rows, places[0] - 1, notes, path), comments=n_comments - 1
            )
        width = len(first) - _ends_empty(rows)
        if width < len(first):
            notes.append(_trailing(path))
        return TableLayout(
            separator, len(first), places[0] - 1, _numbers(width), 0, False, tuple(notes), n_comments
        )
    if not rest:
        raise _empty(path)
    if not _words(first):
        notes.append(f"The first line of {path.name} ({_short(first)}) was read as the names of columns.")
    if len(first) == 1 and len(rest[0]) == 2 and separator == "," and not head[places[1] - 1].startswith('"'):
        raise DataError(
            f"{path} has one name in line {places[0]} but numbers with a comma below, which may be a decimal "
            "mark: put the numbers in double quotes, or write them with a decimal point."
        )
    found = [name.strip() for name in first]
    return replace(_layout(separator, found, rest, places[0], notes, path), comments=n_comments)


def _layout(
    separator: str, names: list[str], rows: list[list[str]], skip: int, notes: list[str], path: Path
) -> TableLayout:
    """Compare the names with the rows: leave out an index column and an empty last one."""
    width, start = len(rows[0]), 0
    if len(names) == width + 1 and not names[-1]:
        names = names[:-1]
    if len(names) == width - 1:
        start = 1
        notes.append(
            f"The first column of {path.name} has no name, its header is one shorter than its rows: it was "
            "left out as row names."
        )
        names = ["", *names]
    elif len(names) == width and width > 1 and names[0] in _INDEX_NAMES:
        start = 1
        called = f"is called {names[0]!r}" if names[0] else "has no name"
        notes.append(
            f"The first column of {path.name} {called}: it was left out as an index; "
            "give it a name to keep it."
        )
    if len(names) != width:
        if any("\n" in field for field in rows[0]):
            raise DataError(
                f"{path} has a double quote below line {skip} that is not closed in its line: close it."
            )
        raise DataError(
            f"{path} has {len(names)} names in line {skip} but {width} fields in the "
            "line below: give every column one name."
        )
    if start + 1 < width and not names[-1] and _ends_empty(rows):
        names = names[:-1]
        notes.append(_trailing(path))
    labels = tuple(name or f"column {i + 1}" for i, name in enumerate(names))[start:]
    return TableLayout(separator, width, skip, labels, start, True, tuple(notes))


def _separator(lines: Sequence[str]) -> str:
    """Choose the separator of these lines; a comma if there is only one column."""
    best, chosen = (-1.0, -1.0), ","
    for separator in SEPARATORS:
        if not any(separator in line for line in lines):
            continue
        try:
            rows = list(csv.reader(lines, delimiter=separator))
        except csv.Error:  # a field is longer than the limit: this is not the separator
            continue
        if max(map(len, rows)) < 2:
            continue
        below = rows[1:] or rows
        widths = {len(row) for row in below}
        fields = list(islice(chain.from_iterable(below), _FIELDS))
        numeric = sum(is_number(field) or field.strip().lower() in MISSING for field in fields) / len(fields)
        score = (float(len(widths) == 1), numeric)
        if score > best:
            best, chosen = score, separator
    return chosen


def _is_header(first: list[str], rest: list[list[str]]) -> bool:
    """Return whether the first line is names: words alone, 0, 1, 2, ..., or words and increasing integers."""
    numbers = [field.strip() for field in first if is_number(field)]
    if not numbers:
        return _words(first)
    if not rest:
        return False
    if _counts_up(first):
        return len(numbers) > 2 or len(first) > len(numbers) or len(rest[0]) == len(first) + 1
    increasing = all(text.isdigit() for text in numbers) and len(numbers) > 1
    increasing = increasing and sorted(set(map(int, numbers))) == list(map(int, numbers))
    above_number = any(
        not is_number(name) and name.strip() and is_number(below)
        for name, below in zip(first, rest[0], strict=False)
    )
    return increasing and above_number


def _counts_up(first: list[str]) -> bool:
    """Return whether the fields are 0, 1, 2, ..., perhaps after an empty one: pandas' default names."""
    counts = [field.strip() for field in first]
    counts = counts[1:] if not counts[0] else counts
    return len(counts) > 1 and counts == [str(i) for i in range(len(counts))]


def _words(fields: Sequence[str]) -> bool:
    """Return whether a field is a word, neither a number nor a missing value."""
    return any(field.strip().lower() not in MISSING and not is_number(field) for field in fields)


def _ends_empty(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether every row ends with a separator."""
    return len(rows[0]) > 1 and all(not row[-1].strip() for row in rows)


def _has_other_separator(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the single field of every row is several, separated by spaces, bars or colons."""
    return all(len(row) == 1 and len(re.split(r"[\s|:]+", row[0].strip())) > 1 for row in rows)


def _numbers(width: int) -> tuple[str, ...]:
    return tuple(str(i + 1) for i in range(width))


def _short(fields: Sequence[str]) -> str:
    return ", ".join(fields[:4]) + (", ..." if len(fields) > 4 else "")


def _trailing(path: Path) -> str:
    return f"The last column of {path.name} has neither name nor values: it was left out."


def _empty(path: Path) -> DataError:
    return DataError(
        f"{path} holds no line of numbers: write one sample a line, numbers separated by commas."
    )
