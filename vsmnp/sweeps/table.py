"""The table of a sweep: one row a cell, in memory, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, member_of
from ..runs.run import Run
from ..runs.session import load_run
from ..types.shown import Shown
from .cells import Cell, RefusedCell
from .work import CellOutcome, Status

TABLE = "sweep.csv"


@dataclass(repr=False)
class SweepTable(Shown):
    """The result of a sweep.

    Attributes
    ----------
    folder : Path
        Folder of the sweep, with a folder for each cell and ``sweep.csv``.
    cells : sequence
        The cells, in the order in which they were given.
    outcomes : mapping
        What became of each, by name; cells that wait have none.
    """

    folder: Path
    cells: Sequence[Cell | RefusedCell]
    outcomes: Mapping[str, CellOutcome]

    def facts(self) -> dict[str, str]:
        counts = {status.value: 0 for status in Status}
        for _, outcome in self._each():
            counts[outcome.status.value] += 1
        known = {name: f"{count:,}" for name, count in counts.items() if count}
        return {"folder": str(self.folder), "cells": f"{len(self.cells):,}", **known}

    def _each(self) -> Iterator[tuple[Cell | RefusedCell, CellOutcome]]:
        for cell in self.cells:
            yield cell, self.outcomes.get(cell.name, WAITING)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each cell: its name and labels, ``status``, ``step``, its last metrics, ``error``."""
        return [
            {
                "cell": cell.name, **cell.labels, "status": outcome.status.value, "step": outcome.step,
                **outcome.figures, "error": outcome.error,
            }
            for cell, outcome in self._each()
        ]  # fmt: skip

    @property
    def failures(self) -> list[tuple[str, str]]:
        """Name and sentence of every cell that failed."""
        return [(cell.name, outcome.error) for cell, outcome in self._each() if outcome.error]

    def column(self, name: str) -> list[Any]:
        """Return a column of the rows; None where a row lacks it.

        Raises
        ------
        ConfigError
            If no row has it.
        """
        rows = self.rows
        member_of({each: None for row in rows for each in row}, "column of the sweep", name)
        return [row.get(name) for row in rows]

    def run(self, **labels: Any) -> Run:
        """Load the run of the one cell with these labels, such as ``run(lr=1e-3, seed=0)``.

        Raises
        ------
        ConfigError
            If there is none, or more than one.
        VsmnpError
            As :func:`vsmnp.load_run` does.
        """
        fitting = [
            cell.name for cell in self.cells
            if all(name in cell.labels and cell.labels[name] == value for name, value in labels.items())
        ]  # fmt: skip
        if len(fitting) != 1:
            raise ConfigError(f"The sweep has {len(fitting)} cells with {labels}: give labels of one cell.")
        return load_run(self.folder / fitting[0])

    def to_csv(self) -> str:
        """Format the rows as CSV, with an empty field where a row lacks a column."""
        rows = self.rows
        columns = {name: None for row in rows for name in row if name != "error"}
        text = io.StringIO()
        writer = csv.DictWriter(text, [*columns, "error"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _field(value) for name, value in row.items()} for row in rows)
        return text.getvalue()


#: The outcome of a cell that was not reached.
WAITING = CellOutcome(Status.WAITING)


def _field(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return repr(value) if isinstance(value, float) else value
