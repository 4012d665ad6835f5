"""Find the rows of an array that can be trained on, and name what is missing in the others."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from ...errors import DataError
from ...types import Array
from ..rows import pieces
from .table import Arrays, as_option

#: What becomes of rows with missing values.
Missing: TypeAlias = Literal["error", "drop"]

#: Values of larger magnitude are rejected, because no network here could be trained on them.
LARGEST = 1e6
#: Columns with missing values that a sentence names.
_NAMED = 5


def as_missing(name: str) -> Missing:
    """Return the treatment of missing values of that name, which a setting has validated."""
    return "drop" if name == "drop" else "error"


def rows_in_use(
    arrays: Arrays, where: str, missing: Missing, at_least: int
) -> tuple[Array | None, tuple[str, ...]]:
    """Return the rows of ``arrays.x (N, ...)`` that are samples, and a sentence on those left out.

    Rows are checked piece by piece, as they may lie in a mapped file.

    Returns
    -------
    rows : array or None
        Indices of the samples; None for all rows.
    notes : tuple of str
        What was left out.

    Raises
    ------
    DataError
        If there are too few rows, or a row that is used holds NaN, infinity or a magnitude above 1e6.
    """
    values, place = arrays.x, arrays.place
    if values.ndim < 2:
        raise DataError(f"{where} has shape {values.shape}: give it two axes at least, (samples, values).")
    if len(values) < at_least:
        raise DataError(f"{where} has {len(values)} rows: it needs at least {at_least}.")
    if not values.size:
        raise DataError(f"{where} has shape {values.shape}, which holds no values: give every sample some.")
    if values.dtype == np.uint8:
        return None, ()
    largest = np.empty(len(values))
    for rows in pieces(len(values), values.size // len(values)):
        with np.errstate(over="ignore", invalid="ignore"):
            numbers = np.asarray(values[rows]).reshape(rows.stop - rows.start, -1).astype(np.float64)
        largest[rows] = np.abs(numbers).max(axis=1)  # NaN stays NaN
    lacking = np.isnan(largest)
    infinite = np.isinf(largest)
    if infinite.any():
        raise DataError(f"{where} holds infinity, first in {place(int(np.argmax(infinite)))}: replace it.")
    large = largest > LARGEST
    if large.any():
        raise DataError(
            f"{where} holds values up to {np.nanmax(largest):.3g} in magnitude, first above {LARGEST:,.0f} "
            f"in {place(int(np.argmax(large)))}: standardise the data."
        )
    if not lacking.any():
        return None, ()
    found = _missing(arrays, np.flatnonzero(lacking))
    n, used = int(lacking.sum()), np.flatnonzero(~lacking)
    if missing == "error":
        raise DataError(f"{where} lacks values in {n:,} of {len(values):,} rows: {found}; {_remedy(arrays)}.")
    if len(used) < at_least:
        raise DataError(
            f"{where} lacks values in {n:,} of {len(values):,} rows ({found}), and --missing drop leaves "
            f"{len(used)}: {_remedy(arrays, dropped=True)}."
        )
    return used, (f"{n:,} of {len(values):,} rows lack values and were left out: {found}.",)


def _missing(arrays: Arrays, rows: Array) -> str:
    """Count and place the missing values of some rows by column, or by sample without columns."""
    if arrays.x.ndim != 2:
        return f"first in {arrays.place(int(rows[0]))}"
    counts, first = np.zeros(arrays.x.shape[1], int), np.full(arrays.x.shape[1], -1)
    for piece in pieces(len(rows), arrays.x.shape[1]):
        nan = np.isnan(arrays.x[rows[piece]])
        new = (first < 0) & nan.any(axis=0)
        first[new] = rows[piece][nan.argmax(axis=0)[new]]
        counts += nan.sum(axis=0)
    where = np.flatnonzero(counts)
    named = "; ".join(
        f"{counts[i]:,} in {_name(arrays, i)} (first: {arrays.place(int(first[i]))})" for i in where[:_NAMED]
    )
    return named + (f"; and {len(where) - _NAMED:,} more columns" if len(where) > _NAMED else "")


def _name(arrays: Arrays, i: int) -> str:
    return f"column '{arrays.columns[i]}'" if arrays.columns else f"column {i + 1}"


def _remedy(arrays: Arrays, dropped: bool = False) -> str:
    """Write the remedy for missing values; columns with many of them can be dropped from a table."""
    remedy = "fill them in" if dropped else "say --missing drop to leave these rows out"
    if not arrays.columns:
        return remedy
    counts = np.isnan(arrays.x).sum(axis=0)
    most = [arrays.columns[i] for i in np.flatnonzero(counts)]
    if len(most) == len(arrays.columns):
        most = [arrays.columns[i] for i in np.flatnonzero(counts == counts.max())]
    return remedy if len(most) == len(arrays.columns) else f"{remedy}, or {as_option('--drop-columns', most)}"
