"""The result of a reader of files, and its choice among the columns of a table."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import DataError, printable
from ...types import Array

#: Most names that a sentence lists.
_NAMED = 8


class Arrays(NamedTuple):
    """The arrays of a file: the samples, the test samples if present, and what is known of a table.

    ``columns`` are the names of the columns, if they have any; ``size`` says how many rows and columns were
    read, and how; ``notes`` are sentences on what was left out; ``place`` names the place of a row in the
    file.
    """

    x: Array
    test: Array | None = None
    columns: tuple[str, ...] = ()
    size: str = ""
    notes: tuple[str, ...] = ()
    place: Callable[[int], str] = "row {} (counting from 0)".format


@dataclass(frozen=True)
class ColumnChoice:
    """The columns that are taken from a table: those named, in this order, or all but those dropped.

    A name is the column's own, or its number counted from 1 in a table without names.
    """

    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns or self.drop)

    @property
    def option(self) -> str:
        """Return the option that makes the choice."""
        return "--columns" if self.columns else "--drop-columns"

    def indices(self, names: Sequence[str], where: str) -> list[int]:
        """Return the indices of the taken columns among all names.

        Raises
        ------
        DataError
            If a name is not one column's, or no column is left.
        """
        if not names:
            raise DataError(f"{where} has no columns: give it one at least.")
        if self.columns and self.drop:
            raise DataError(
                "--columns and --drop-columns were both given: name the columns to take or those to drop."
            )
        for option, chosen in (("--columns", self.columns), ("--drop-columns", self.drop)):
            for name in chosen:
                if names.count(name) != 1:
                    raise self._wrong(option, name, names, where)
            if len(set(chosen)) < len(chosen):
                raise DataError(f"{option} names a column twice: name each once.")
        taken = [names.index(name) for name in self.columns] or [
            i for i, name in enumerate(names) if name not in self.drop
        ]
        if not taken:
            raise DataError(f"--drop-columns leaves no column of {where}: drop fewer.")
        return taken

    @staticmethod
    def _wrong(option: str, name: str, names: Sequence[str], where: str) -> DataError:
        if name in names:
            return DataError(f"{option} {name} is the name of several columns of {where}: rename them.")
        close = get_close_matches(name, names, 1)
        return DataError(
            f"{option} {name} is no column of {where}: choose from {listed(names)}"
            f"{f', perhaps {close[0]}' if close else ''}."
        )


#: The choice of all columns.
ALL = ColumnChoice()


def names_in(text: str) -> tuple[str, ...]:
    """Split the value of an option into names of columns; a name with a comma stands in double quotes."""
    try:
        return tuple(next(csv.reader([text], skipinitialspace=True), ())) if text else ()
    except csv.Error as error:
        raise DataError(f"{text!r} is no list of names of columns, such as a,b.") from error


def as_option(option: str, names: Iterable[str]) -> str:
    """Write an option with names of columns as a user types it in a shell."""
    text = ",".join(map(_quoted, names))
    if text == printable(text):
        return f"{option} {shlex.quote(text)}"
    typed = "".join(f"\\{c}" if c in "\\'" else c for c in text)
    return f"{option} $'{printable(typed)}'"


def _quoted(name: str) -> str:
    plain = not any(mark in name for mark in ',"\n\r') and name == name.strip()
    return name if plain else '"' + name.replace('"', '""') + '"'


def listed(names: Sequence[str]) -> str:
    """List names of columns, the first few of many."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return printable(", ".join(names[:_NAMED])) + more


def size_of(n: int, names: Sequence[str] | int) -> str:
    """Describe how many rows and columns were read, with the names of the columns or their number."""
    width = names if isinstance(names, int) else len(names)
    called = "without names" if isinstance(names, int) else f"({listed(names)})"
    return f"{n:,} row{'s' * (n != 1)} of {width:,} column{'s' * (width != 1)} {called}"


def chosen_array(names: Sequence[str], read: Callable[[str], Array], path: Path) -> Arrays:
    """Read ``x``, else ``data``, else the only array not named ``test``; and ``test`` if present."""
    candidates = [name for name in names if name != "test"]
    preferred = [name for name in ("x", "data") if name in candidates] or candidates
    if not preferred:
        raise DataError(f"{path} holds no array of samples: store one under the name 'x'.")
    if len(candidates) > 1 and preferred is candidates:
        some = ", ".join(sorted(candidates)[:5])
        raise DataError(
            f"{path} holds several arrays ({some}) and none is named 'x': rename the samples to 'x'."
        )
    return Arrays(read(preferred[0]), read("test") if "test" in names else None)


def require_numbers(dtype: np.dtype[Any], where: str) -> None:
    """Require real numbers (bool, integer or float), not complex numbers, text, dates or objects."""
    if dtype.kind not in "biuf":
        raise DataError(f"{where} has dtype {dtype}: convert it to real numbers.")
