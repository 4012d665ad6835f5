"""What a run reported on its way: one row a logged step and model."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..types import Array


@dataclass
class History:
    """Columns over logged steps: ``steps`` and, for each name, rows ``(R,)`` of nats (gamma as it is)."""

    steps: list[int] = field(default_factory=list)
    columns: dict[str, list[Array]] = field(default_factory=dict)

    def append(self, step: int, values: Mapping[str, Array]) -> None:
        """Add the values ``(R,)`` of one step."""
        self.steps.append(step)
        for name, value in values.items():
            self.columns.setdefault(name, []).append(np.asarray(value, np.float64))

    def column(self, name: str) -> Array:
        """``(rows, R)``."""
        return np.stack(self.columns[name]) if self.columns.get(name) else np.zeros((0, 0))

    def to_arrays(self) -> dict[str, Array]:
        """For a checkpoint: ``history/steps`` and ``history/<column>``."""
        arrays = {f"history/{name}": self.column(name) for name in self.columns}
        return {"history/steps": np.asarray(self.steps, np.int64), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], names: Sequence[str]) -> History:
        """What :meth:`to_arrays` wrote, with the columns in the order of ``names``."""
        shape = len(arrays["history/steps"]), len(arrays["alive"])
        for name in names:
            if np.shape(arrays[f"history/{name}"]) != shape:
                raise TypeError(f"'{name}' is not of shape {shape}")
        columns = {name: list(arrays[f"history/{name}"]) for name in names}
        return cls([int(step) for step in arrays["history/steps"]], columns)

    def to_csv(self, seeds: tuple[int, ...]) -> str:
        """One line a step and model, in the order of the steps."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["step", "seed", *self.columns])
        for row, step in enumerate(self.steps):
            for r, seed in enumerate(seeds):
                writer.writerow([step, seed, *(repr(float(c[row][r])) for c in self.columns.values())])
        return text.getvalue()


def stored_history(arrays: Mapping[str, Array], attributes: Mapping[str, Any], path: Path) -> History:
    """The history in a checkpoint.

    Raises
    ------
    CheckpointError
        If it is not that of this version; the sentence names its ``path``.
    """
    try:
        return History.from_arrays(arrays, attributes["columns"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"The history in {path} is not that of this version ({error}).") from error
