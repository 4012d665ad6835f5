"""Train a cell of a grid and measure it, once for each state, and name the cells that are missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ...errors import CheckpointError, ConfigError, DataError
from ...runs import checkpoint
from ...runs.newest import has_run, is_newest
from ...runs.session import Run, Session
from ...settings.resolve import resolved
from ...settings.settings import Settings
from ...sweeps.cell_session import check_same, finish_session, is_finished, open_cell, unreadable_error
from ...sweeps.cells import Cell
from ...sweeps.engines.engine import Report
from ...types import Array
from ...types.progress import Stop

#: Thousandths of a cell's progress that its training makes; the rest is its measurement.
_TRAINED = 900
#: The file of the measurements in the folder of a run.
MEASURED = "measured.h5"
#: The command that trains the runs of a figure, where one that only draws was given.
_TRAINING = "the same command without --no-train"


class Measurements(Protocol):
    """The measurements of a run that figures use."""

    @property
    def settings(self) -> Settings:
        """Settings by which the run was trained."""

    @property
    def finished(self) -> bool:
        """Whether the run did all its steps, or all its models diverged."""


M = TypeVar("M", bound=Measurements)


def finish_measured(
    cell: Cell, folder: Path, train: bool, read: Callable[[Path], M | None],
    measure: Callable[[Session, Mapping[str, Any], bool], tuple[M, Run]], report: Report, stop: Stop,
) -> tuple[M | None, Run | None]:  # fmt: skip
    """Train a cell if ``train`` is true, measure what is trained, and return both.

    Parameters
    ----------
    cell : Cell
        Its run is in the folder of its name below ``folder``; a run of fewer epochs is continued.
    read : callable
        Reads from a run's folder the measurements of its present state; None if there are none.
    measure : callable
        Measures a session's present state, given the cell's labels and whether no steps are left.
    report, stop : callable
        As in :func:`~vsmnp.sweeps.cell_session.finish_session`.

    Returns
    -------
    tuple
        The measurements, None without a run that can be read, or if its file has those of a later step; and
        the run, None if it was not measured.

    Raises
    ------
    CheckpointError
        If the run is to be trained and cannot be read.
    """
    path = folder / cell.name
    known = read(path)
    if known is not None:
        check_same(known.settings, resolved(cell.settings), path)
    if train and not (known and known.finished and known.settings.epochs >= cell.settings.epochs):
        with open_cell(cell, folder) as session:
            finish_session(session, report, stop, _TRAINED)
            return measure(session, cell.labels, True)
    if known is None and has_run(path):
        try:
            session = Session.resumed(path, to_read=True)
        except CheckpointError:  # the figure is made of the others, and says why: see `unreadable`
            return None, None
        if _measured_step(path) > session.state.step:  # what only draws replaces no result
            return None, None
        return measure(session, cell.labels, is_finished(session))
    return known, None


def read_sealed(folder: Path) -> tuple[Mapping[str, Array], Mapping[str, Any]] | None:
    """Read arrays and attributes that were measured of a run's present state; None if there are none.

    The attribute ``of`` is the seal of the checkpoint that was measured.
    """
    try:
        arrays, attributes = checkpoint.load(folder / MEASURED)
        if not is_newest(folder, attributes["of"]):
            return None
    except (CheckpointError, ConfigError, KeyError, TypeError):
        return None
    return arrays, attributes


def _measured_step(folder: Path) -> int:
    """Return the step of a run whose measurements are in its folder; -1 if there are none.

    Where the file does not state it, the last of its rows does.
    """
    try:
        attributes = checkpoint.load(folder / MEASURED)[1]
        return int(attributes["step"] if "step" in attributes else attributes["rows"][-1]["step"])
    except (CheckpointError, KeyError, IndexError, TypeError, ValueError, OverflowError):
        return -1


def unreadable(cells: Sequence[Cell], folder: Path) -> dict[str, str]:
    """Return the names of the cells that have runs in ``folder`` but are not measured, with sentences why."""
    found = {}
    for cell in cells:
        path = folder / cell.name
        if not has_run(path):
            continue
        try:
            step = Session.resumed(path, to_read=True).state.step
        except CheckpointError as error:
            found[cell.name] = str(unreadable_error(path, error, _TRAINING))
            continue
        measured = _measured_step(path)
        found[cell.name] = (
            f"Its checkpoint is of step {step}, before the step {measured} of its measurements: {_TRAINING} "
            "goes on with it."
            if measured > step
            else "Its measurements cannot be read, and the same command makes them again."
        )
    return found


def check_any(runs: Collection[object], figure: str, folder: Path, damaged: Mapping[str, str]) -> None:
    """Check that a figure has a measured run in the folder of its grid.

    Raises
    ------
    CheckpointError
        If it has none but those that cannot be read, for which ``damaged`` has the reasons.
    DataError
        If it has none at all.
    """
    if runs:
        return
    if damaged:
        raise CheckpointError(" ".join(gaps((), (), damaged)))
    raise DataError(
        f"There is no run of {figure} in {folder}: leave out --no-train, or name another folder by --runs."
    )


def gaps(missing: Sequence[str], unfinished: Sequence[str], damaged: Mapping[str, str]) -> Iterator[str]:
    """Yield sentences that name the runs of a grid which its figure lacks.

    They are missing, or not trained to the end, or cannot be read, for which ``damaged`` has the sentences.
    """
    if missing:
        yield f"Missing from this grid: {', '.join(missing)}."
    for name, sentence in damaged.items():
        yield f"Left out of this grid: {name}. {sentence}"
    if unfinished:
        yield f"Not trained to the end: {', '.join(unfinished)}."
