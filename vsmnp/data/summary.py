"""A summary of training data, column by column, and what in it deserves a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..types import Array
from .rows import Rows, pieces

#: Ratio of the scales of two columns, or of a scale to 1, above which training is expected to fail.
UNEQUAL = 30.0
#: Standard deviation, relative to the largest magnitude, at which a column is constant.
_CONSTANT = 1e-9
#: Rows from which a column of rising integers is taken for an index.
_INDEX_ROWS = 10
#: Columns that a sentence names.
_NAMED = 5
_PREFIX = "summary/"


@dataclass(frozen=True, eq=False)
class Summary:
    """Statistics of N training data with D columns, each ``(D,)`` in float64.

    Attributes
    ----------
    mean, sd, low, high : Array
        Mean, standard deviation, least and largest value.
    rising : Array
        Whether the values are integers that rise from each row to the next.
    covariance : Array or None
        ``(D, D)``, if it was asked for.
    """

    mean: Array
    sd: Array
    low: Array
    high: Array
    rising: Array
    covariance: Array | None = None

    @property
    def constant(self) -> Array:
        """Flags of the columns that have one value, ``(D,)``."""
        return np.asarray(self.sd <= _CONSTANT * np.maximum(np.abs(self.low), np.abs(self.high)))

    def ranges(self) -> str:
        """Write the ranges of means and standard deviations over the columns."""
        sd = self.sd[~self.constant] if not self.constant.all() else self.sd
        return (
            f"means {self.mean.min():.3g} to {self.mean.max():.3g}, standard deviations {sd.min():.3g} to "
            f"{sd.max():.3g}"
        )

    def notes(self, columns: Sequence[str], standardised: bool) -> list[str]:
        """Write sentences on columns that are constant, that number the rows, or whose scales differ."""
        notes = []
        constant, index = np.flatnonzero(self.constant), np.flatnonzero(self.rising)
        if len(constant):
            notes.append(
                f"{_columns(columns, constant, 'is constant', 'are constant')}: nothing can be learned of "
                "such a column, and --drop-columns leaves it out of a table."
            )
        if len(index):
            notes.append(
                f"{_columns(columns, index, 'looks', 'look')} like an index, as its integers rise from row "
                "to row: --drop-columns leaves it out of a table."
            )
        if not standardised and self.unequal:
            notes.append(
                f"The columns have unlike scales ({self.ranges()}), on which training fails or is slow: "
                "--standardize columns gives all of them mean 0 and standard deviation 1."
            )
        return notes

    @property
    def unequal(self) -> bool:
        """Whether scales differ by more than :data:`UNEQUAL`, or the largest is as far from 1."""
        sd = self.sd[~self.constant]
        if not sd.size:
            return False
        size = float(np.sqrt(self.mean**2 + self.sd**2).max())
        return bool(sd.max() > UNEQUAL * sd.min() or size > UNEQUAL or sd.max() < 1 / UNEQUAL)

    def outside_unit_interval(self) -> bool:
        """Return whether a value is outside [0, 1], up to the rounding of a float32."""
        return bool(self.low.min() < -1e-6 or self.high.max() > 1 + 1e-6)

    def to_arrays(self) -> dict[str, Array]:
        """Return arrays for a checkpoint, without the covariance."""
        own = {name: getattr(self, name) for name in _STORED}
        return {_PREFIX + name: array for name, array in own.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Summary | None:
        """Rebuild the summary from :meth:`to_arrays`; None if the checkpoint has none."""
        if any(_PREFIX + name not in arrays for name in _STORED):
            return None
        return cls(**{name: arrays[_PREFIX + name] for name in _STORED})


_STORED = ("mean", "sd", "low", "high", "rising")


def summarise(rows: Rows, dim: int, with_covariance: bool = False) -> Summary:
    """Compute the summary of the rows ``(N, D)`` in two passes over float64 pieces."""
    n = len(rows)
    total, low, high = np.zeros(dim), np.full(dim, np.inf), np.full(dim, -np.inf)
    rising, last = np.full(dim, n >= _INDEX_ROWS), np.full((1, dim), -np.inf)
    for piece in pieces(n, dim):
        x = np.asarray(rows[piece], np.float64)
        total += x.sum(0)
        low, high = np.minimum(low, x.min(0)), np.maximum(high, x.max(0))
        if rising.any():
            before = np.concatenate([last, x[:-1]])
            rising &= ((x > before) & (x == np.floor(x))).all(0)
            last = x[-1:]
    mean = total / n
    square, covariance = np.zeros(dim), np.zeros((dim, dim)) if with_covariance else None
    for piece in pieces(n, dim):
        e = np.asarray(rows[piece], np.float64) - mean
        square += (e * e).sum(0)
        if covariance is not None:
            covariance += e.T @ e
    sd = np.sqrt(square / n)
    return Summary(mean, sd, low, high, rising, None if covariance is None else covariance / n)


def _columns(names: Sequence[str], indices: Array, one: str, several: str) -> str:
    """Name columns with their verb: ``The column 'a' is``, ``The columns 'a', 'b' are``."""
    shown = ", ".join(f"'{names[i]}'" if names else str(i + 1) for i in indices[:_NAMED])
    if len(indices) == 1:
        return f"The column {shown} {one}"
    more = f" and {len(indices) - _NAMED:,} more" if len(indices) > _NAMED else ""
    return f"The columns {shown}{more} {several}"
