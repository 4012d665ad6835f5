"""Compare the rows of two benchmarks, case by case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from ..storage import read_json
from .row import BenchRow

#: What two rows of one measurement have in common.
_SAME = ("case", "device", "threads", "tf32", "axis", "value")


class Change(NamedTuple):
    """A case that both benchmarks have: milliseconds, or 1e6 bytes of peak memory."""

    case: str
    unit: str
    old: float
    new: float

    @property
    def ratio(self) -> float:
        """New over old: above 1 the case has become worse."""
        return self.new / self.old


def read_rows(path: Path) -> list[BenchRow]:
    """Read the rows that ``--json`` wrote; values of later or earlier versions are ignored.

    Raises
    ------
    DataError
        If the file cannot be read, or holds something else.
    """
    known = {field.name for field in fields(BenchRow)}
    try:
        rows = read_json(path)
        if not isinstance(rows, list):
            raise TypeError
        return [BenchRow(**{name: value for name, value in row.items() if name in known}) for row in rows]
    except OSError as error:
        raise DataError(f"{path} could not be read ({error.strerror}): name a file of --json.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} holds no rows of vsmnp bench: name a file of --json.") from error


def changes(old: Iterable[BenchRow], new: Sequence[BenchRow]) -> list[Change]:
    """List the cases of both benchmarks, the one that has become worst first."""
    before = {key: value for row in old for key, value in _values(row).items()}
    after = {key: value for row in new for key, value in _values(row).items()}
    found = [
        Change(str(key[0]), str(key[-1]), before[key], value)
        for key, value in after.items()
        if before.get(key, 0) > 0
    ]
    return sorted(found, key=lambda change: -change.ratio)


def _values(row: BenchRow) -> dict[tuple[object, ...], float]:
    """Return what the engine needed, by case and unit."""
    same = tuple(getattr(row, name) for name in _SAME)
    values = {"ms": row.ms, "MB": row.peak_mb}
    return {(*same, unit): value for unit, value in values.items() if value is not None}
