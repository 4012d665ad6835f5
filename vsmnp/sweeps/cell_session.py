"""Open the session of a cell's run, train it to its end, and check that a stored run is that of the cell."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError, ConfigError, DamagedError, DivergenceError, ForeignError, OccupiedError
from ..runs.newest import has_run
from ..runs.session import Run, Session
from ..settings.resolve import as_decided, resolved
from ..settings.run_length import Lengths
from ..settings.settings import FREE_TO_CHANGE, Settings
from ..training.loop import Watch
from ..types.progress import Stop
from .cells import Cell
from .engines.engine import Report

#: Progress within a cell is reported in thousandths.
WHOLE = 1000


def open_cell(cell: Cell, folder: Path, lengths: Lengths = Lengths.AT_LEAST) -> Session:
    """Open the session of a cell's run, in the folder of its name; see :func:`open_run`."""
    return open_run(cell.settings, folder / cell.name, lengths)


def open_run(settings: Settings, folder: Path, lengths: Lengths = Lengths.AT_LEAST) -> Session:
    """Open the session of a run: a new one, or the one resumed from its folder.

    Parameters
    ----------
    settings : Settings
        The settings of the run as they are asked for.
    folder : Path
        Its folder. A run of fewer steps than are asked for is continued.
    lengths : Lengths
        Whether it may be; see :func:`~vsmnp.settings.run_length.with_allowed_length`.

    Raises
    ------
    CheckpointError
        If the folder holds a run that cannot be read.
    ConfigError
        If the folder holds a run with other settings, or of a length that is not allowed.
    OccupiedError
        If the folder holds files and no run.
    VsmnpError
        As :class:`~vsmnp.runs.session.Session` does.
    """
    try:
        if not has_run(folder):
            return Session.new(settings, folder=folder)
        names = ("evaluate_every", "steps", "epochs")
        changes = {name: getattr(settings, name) for name in names}
        session = Session.resumed(folder, changes, lengths=lengths)
    except OccupiedError as error:
        raise OccupiedError(
            f"The folder {folder} is not empty and holds no checkpoint: {_trained_anew(folder)}."
        ) from error
    except CheckpointError as error:
        raise unreadable_error(folder, error) from error
    with session.place.released_on_failure():
        check_same(session.trainer.settings, resolved(settings), folder)
    return session


def unreadable_error(
    folder: Path, error: CheckpointError, command: str = "the same command"
) -> CheckpointError:
    """Build the error for the run of a cell or a pack that cannot be read.

    It is advised to remove a run that is damaged, and not one that is whole: its disk may be slow, or its
    version newer.
    """
    if not isinstance(error, DamagedError | ForeignError):
        return error
    return CheckpointError(f"{error.reason}: {_trained_anew(folder, command)}.")


def _trained_anew(folder: Path, command: str = "the same command") -> str:
    """Return the remedy for a run that is lost."""
    return f"remove the folder {folder}, and {command} trains it anew"


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


#: Settings that a run may change between two calls: how often it logs, how long it takes, and where. Its
#: length has a rule of its own.
_FREE = FREE_TO_CHANGE | {"threads", "device", "kernels"}


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
