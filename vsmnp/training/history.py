"""The history of a run: one row per logged step and model."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ForeignError
from ..types import Array
from ..types.shown import Shown


@dataclass(repr=False)
class History(Shown):
    """Columns over logged steps: ``steps`` and, by name, rows ``(R,)`` in nats (gamma itself has no unit)."""

    steps: list[int] = field(default_factory=list)
    columns: dict[str, list[Array]] = field(default_factory=dict)

    def facts(self) -> dict[str, str]:
        last = {name: f"{column[-1].mean():.4g}" for name, column in self.columns.items()}
        return {
            "rows": f"{len(self.steps):,}",
            "last step": str(self.steps[-1]) if self.steps else "none",
            **last,
        }

    def append(self, step: int, values: Mapping[str, Array]) -> None:
        """Append the values ``(R,)`` of one step."""
        self.steps.append(step)
        for name, value in values.items():
            self.columns.setdefault(name, []).append(np.asarray(value, np.float64))

    def column(self, name: str) -> Array:
        """Return one column over all logged steps, ``(rows, R)``."""
        return np.stack(self.columns[name]) if self.columns.get(name) else np.zeros((0, 0))

    def to_arrays(self) -> dict[str, Array]:
        """Return arrays for a checkpoint: ``history/steps`` and ``history/<column>``."""
        arrays = {f"history/{name}": self.column(name) for name in self.columns}
        return {"history/steps": np.asarray(self.steps, np.int64), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], names: Sequence[str]) -> History:
        """Rebuild the history from :meth:`to_arrays`, with the columns in the order of ``names``."""
        shape = len(arrays["history/steps"]), len(arrays["active"])
        for name in names:
            if np.shape(arrays[f"history/{name}"]) != shape:
                raise TypeError(f"'{name}' is not of shape {shape}")
        columns = {name: list(arrays[f"history/{name}"]) for name in names}
        return cls([int(step) for step in arrays["history/steps"]], columns)

    def to_csv(self, seeds: tuple[int, ...]) -> str:
        """Format the history as CSV, one line per step and model, in the order of the steps."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["step", "seed", *self.columns])
        for row, step in enumerate(self.steps):
            for r, seed in enumerate(seeds):
                writer.writerow([step, seed, *(repr(float(c[row][r])) for c in self.columns.values())])
        return text.getvalue()


def stored_history(arrays: Mapping[str, Array], attributes: Mapping[str, Any], path: Path) -> History:
    """Read the history of a checkpoint.

    Raises
    ------
    ForeignError
        If the history was not written by this version; the message contains ``path``.
    """
    try:
        return History.from_arrays(arrays, attributes["columns"])
    except (KeyError, TypeError) as error:
        raise ForeignError(
            f"The history in {path} is not that of this version ({error}): start a new run."
        ) from error
