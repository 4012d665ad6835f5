"""A grid of training runs, one folder each: finished runs are kept, interrupted runs are resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError, DivergenceError
from ...runs.folder import CHECKPOINT
from ...runs.session import Run, Session
from ...settings.resolve import resolved
from ...settings.settings import FREE_TO_CHANGE, Settings
from ...storage import make_folder
from ...training.loop import Watch


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes
    ----------
    name : str
        Name of the run's folder.
    settings : Settings
        Settings of the training.
    labels : mapping
        Position of the run in the grid.
    """

    name: str
    settings: Settings
    labels: Mapping[str, Any]


def open_cell(cell: Cell, folder: Path) -> Session:
    """Open the session of a cell's run: a new one, or the one resumed from its folder.

    A run that was trained for fewer epochs than the cell now asks for is continued.

    Raises
    ------
    ConfigError
        If the folder holds a run with other settings.
    VsmnpError
        As :class:`~vsmnp.runs.session.Session` does.
    """
    place = folder / cell.name
    if not (place / CHECKPOINT).exists():
        return Session.new(cell.settings, folder=place)
    changes = {"evaluate_every": cell.settings.evaluate_every}
    if not cell.settings.steps:
        changes["epochs"] = cell.settings.epochs
    session = Session.resumed(place, changes)
    with session.place.released_on_failure():
        check_same(session.trainer.settings, resolved(cell.settings), place)
    return session


def is_finished(session: Session) -> bool:
    """Return whether all steps are done or all models have diverged."""
    alive = session.trainer.k.to_host(session.state.alive)
    return session.state.step >= session.total_steps or not alive.any()


def finish_session(session: Session, watch: Watch) -> Run:
    """Train a session to its end and return its run.

    If all models diverge, the run is returned as it was when the last of them diverged.

    Raises
    ------
    Interrupted
        If the watch asked to stop; the progress so far is saved.
    StorageError
        If a file could not be written.
    """
    if is_finished(session):
        watch.on_step(session.total_steps)
        return session.run(session.state)
    try:
        return session.train(watch)
    except DivergenceError:
        return session.run(session.state)


def train_cell(cell: Cell, folder: Path, on_step: Callable[[int], None]) -> Run:
    """Train the run of a cell, resumed from its folder, and return it.

    Raises what :func:`open_cell` and :func:`finish_session` raise.
    """
    with open_cell(cell, folder) as session:
        return finish_session(session, Watch(on_step=on_step))


def train_grid(
    cells: Sequence[Cell],
    folder: Path,
    progress: Callable[[int, int], None],
    visit: Callable[[Cell, Run], None],
) -> None:
    """Train every cell in turn and pass each finished run to ``visit``.

    Parameters
    ----------
    cells : sequence of Cell
        Cells in the order in which they are trained.
    folder : Path
        Folder that holds one folder for each cell.
    progress : callable
        Called with the model-steps done and their total.
    visit : callable
        Called with a cell and its run.
    """
    make_folder(folder)
    sizes = [cell.settings.steps * len(cell.settings.seeds) for cell in cells]
    done = 0
    for cell, size in zip(cells, sizes, strict=True):
        models = len(cell.settings.seeds)

        def on_step(step: int, done: int = done, models: int = models) -> None:
            progress(done + step * models, sum(sizes))

        visit(cell, train_cell(cell, folder, on_step))
        done += size
        progress(done, sum(sizes))


def check_same(found: Settings, wanted: Settings, place: Path) -> None:
    """Check that a run's settings are as wanted, those that may change between calls excepted.

    A run may change how often it logs and how long it takes, its threads, device and kernels.

    Raises
    ------
    ConfigError
        If another setting differs.
    """
    free = (FREE_TO_CHANGE - {"steps"}) | {"threads", "device", "kernels"}
    for name, value in wanted.to_mapping().items():
        there = found.to_mapping()[name]
        if name not in free and there != value:
            raise ConfigError(
                f"{place} holds a run with {name} = {there}, not {value}: choose another --out or remove it."
            )
