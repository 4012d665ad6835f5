"""Open the session of a cell's run, train it to its end, and check that a stored run is that of the cell."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError, ConfigError, DivergenceError
from ..runs.folder import has_run
from ..runs.session import Run, Session
from ..settings.resolve import as_decided, resolved
from ..settings.settings import FREE_TO_CHANGE, Settings
from ..training.loop import Watch
from ..types.progress import Stop
from .cells import Cell
from .engines.engine import Report

#: Progress within a cell is reported in thousandths.
WHOLE = 1000


def open_cell(cell: Cell, folder: Path, may_extend: bool = False) -> Session:
    """Open the session of a cell's run: a new one, or the one resumed from its folder.

    A run that was trained for fewer epochs than the cell now asks for is continued; one of fewer steps is
    continued if ``may_extend``.

    Raises
    ------
    CheckpointError
        If the folder holds a run that cannot be read.
    ConfigError
        If the folder holds a run with other settings.
    VsmnpError
        As :class:`~vsmnp.runs.session.Session` does.
    """
    run_folder = folder / cell.name
    if not has_run(run_folder):
        return Session.new(cell.settings, folder=run_folder)
    changes = {"evaluate_every": cell.settings.evaluate_every}
    if not cell.settings.steps:
        changes["epochs"] = cell.settings.epochs
    elif may_extend:
        changes["steps"] = cell.settings.steps
    try:
        session = Session.resumed(run_folder, changes)
    except CheckpointError as error:
        raise unreadable(run_folder, error) from error
    with session.place.released_on_failure():
        check_same(session.trainer.settings, resolved(cell.settings), run_folder)
    return session


def unreadable(folder: Path, error: CheckpointError) -> CheckpointError:
    """Build the error for the run of a cell or a pack that cannot be read."""
    return CheckpointError(
        f"{str(error).rstrip('.')}; or remove the folder {folder}, and the same command trains it anew."
    )


def is_finished(session: Session) -> bool:
    """Return whether all steps are done or all models have diverged."""
    active = session.trainer.k.to_host(session.state.active)
    return session.state.step >= session.total_steps or not active.any()


def finish_session(session: Session, report: Report, stop: Stop = lambda: False, share: int = WHOLE) -> Run:
    """Train a session to its end and return its run; ``report`` is called with up to ``share`` thousandths.

    If all models diverge, the run is returned as it was when the last of them diverged.

    Raises
    ------
    Interrupted
        If ``stop`` returned true; the progress so far is saved.
    StorageError
        If a file could not be written.
    """
    if is_finished(session):
        report(share)
        return session.run(session.state)
    total = session.total_steps
    try:
        return session.train(Watch(on_step=lambda step: report(share * step // total), stop=stop))
    except DivergenceError:
        return session.run(session.state)


#: Settings that a run may change between two calls: how often it logs, how long it takes, and where.
_FREE = FREE_TO_CHANGE - {"steps"} | {"threads", "device", "kernels"}


def check_same(found: Settings, wanted: Settings, folder: Path) -> None:
    """Check that a run's settings are as wanted, those that may change between calls excepted.

    Raises
    ------
    ConfigError
        If another setting differs.
    """
    decided = as_decided(wanted, found)
    for name in Settings.__dataclass_fields__:
        there, value = getattr(found, name), getattr(decided, name)
        if name not in _FREE and there != value:
            raise ConfigError(
                f"{folder} holds a run with {name} = {there}, not {value}: remove it, or choose another "
                "folder by --out (for a figure with a grid by --runs)."
            )
