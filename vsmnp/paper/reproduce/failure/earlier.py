"""Combine the records of earlier commands, so that the experiment can be divided among times and machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....errors import DataError
from .cells import FailureBudget, wanted
from .factors import Factors
from .tables import MeasuredRun, read


def read_all(
    folders: Sequence[Path], budget: FailureBudget
) -> tuple[dict[Factors, MeasuredRun], Sequence[Mapping[str, Any]]]:
    """Read the rows of several records, and the first table of gradient variances that has any.

    Of a run that stands in several records, the row of the first is taken.

    Raises
    ------
    DataError
        If a folder has no record, or one of another budget.
    """
    rows: dict[Factors, MeasuredRun] = {}
    variances: Sequence[Mapping[str, Any]] = ()
    runs = set(wanted(budget))
    for folder in folders:
        found, measured = read(folder)
        for row in found:
            if row.factors not in runs or not _is_of(row, budget):
                raise DataError(
                    f"{folder / 'failure.csv'} has a run {row.factors.name} of {row.steps} steps, "
                    f"{row.points} test points and {len(row.figures['nll'])} seeds, which is none of "
                    f"--budget {budget.name}: leave out --records {folder}, or name its --budget."
                )
            rows.setdefault(row.factors, row)
        variances = variances or measured
    return rows, variances


def missing(wished: Sequence[Factors], known: Mapping[Factors, MeasuredRun]) -> list[Factors]:
    """Return the runs that no record has, each after the run from which it starts, if it starts from one."""
    found: dict[Factors, None] = {}
    for run in wished:
        if run not in known:
            if run.origin is not None:
                found.setdefault(run.origin)
            found.setdefault(run)
    return list(found)


def _is_of(row: MeasuredRun, budget: FailureBudget) -> bool:
    """Return whether a row was measured at the size of a budget."""
    steps = row.factors.settings(budget.steps, budget.seeds).steps
    return (row.steps, row.points, len(row.figures["nll"])) == (steps, budget.points, len(budget.seeds))
