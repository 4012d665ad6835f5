"""Train a pack in a worker, split it, and return the outcomes of its cells."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from ..errors import Interrupted, VsmnpError
from ..runs.session import Session
from ..settings.in_effect import with_initial_sd
from ..settings.resolve import resolved
from ..storage import failed_call
from ..training.trainer import Trainer
from ..types.progress import Stop
from .cell_session import WHOLE, finish_session, open_cell, open_run
from .cells import Cell
from .engines.engine import Report
from .packs import Pack
from .split import member_history, member_state, write_members
from .waiting import when_free


class Status(Enum):
    """The outcomes that a cell can have."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True)
class CellOutcome:
    """The outcome of a cell: its status, its last step and row of metrics, or the sentence of its failure."""

    status: Status
    step: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    error: str = ""


def train_pack(pack: Pack, report: Report, stop: Stop, sweep: Path) -> list[CellOutcome]:
    """Train the cells of a pack to their end, and return what became of each.

    Raises
    ------
    Interrupted
        If ``stop`` returned true; the progress so far is saved.
    """
    try:
        outcomes = (
            _single(pack.cells[0], sweep, report, stop)
            if len(pack.cells) == 1
            else _together(pack, sweep, report, stop)
        )
    except Interrupted:
        raise
    except VsmnpError as error:
        outcomes = [CellOutcome(Status.FAILED, error=str(error))] * len(pack.cells)
    except (MemoryError, OverflowError):
        sentence = "This needs more memory than the machine has: lower --batch-size, --samples or --hidden."
        outcomes = [CellOutcome(Status.FAILED, error=sentence)] * len(pack.cells)
    except OSError as error:
        outcomes = [_stopped_by_the_system(cell, error) for cell in pack.cells]
    report(WHOLE)
    return outcomes


def _stopped_by_the_system(cell: Cell, error: OSError) -> CellOutcome:
    """Return the outcome of a cell whose training met a failed call of the system that has no sentence."""
    return CellOutcome(
        Status.FAILED,
        error=f"The cell {cell.name} is not trained to its end, because {failed_call(error)}: see to the "
        "disk and its permissions; the same command tries it again.",
    )


def _single(cell: Cell, sweep: Path, report: Report, stop: Stop) -> list[CellOutcome]:
    """Train one cell in its folder."""
    with when_free(lambda: open_cell(cell, sweep), stop) as session:
        finish_session(session, report, stop)
        return [outcome_of(session, 0)]


def _together(pack: Pack, sweep: Path, report: Report, stop: Stop) -> list[CellOutcome]:
    """Train cells as one ensemble in the folder of the pack, then write the run of each and remove it."""
    folder = pack.folder(sweep)
    pack.write_members(sweep)
    with when_free(lambda: open_pack(pack, folder), stop) as session:
        finish_session(session, report, stop)
        members = session.trainer.members
        write_members(session, members, tuple(sweep / cell.name for cell in pack.cells))
        outcomes = [outcome_of(session, model) for model in range(len(members))]
        shutil.rmtree(folder, ignore_errors=True)
    return outcomes


def open_pack(pack: Pack, folder: Path) -> Session:
    """Open the session of a pack; it raises what :func:`~.cell_session.open_run` raises."""
    session = open_run(pack.settings, folder)
    with session.place.released_on_failure():
        trainer = session.trainer
        members = tuple(resolved(cell.settings) for cell in pack.cells)
        standardize = trainer.settings.standardize
        members = tuple(with_initial_sd(replace(each, standardize=standardize)) for each in members)
        session.trainer = Trainer.build(
            trainer.k, trainer.settings, session.dataset, trainer.may_fuse, trainer.prepared, members
        )
        if session.state.step == 0:
            session.state = session.trainer.initial_state()
    return session


def outcome_of(session: Session, model: int) -> CellOutcome:
    """Return what became of one model of a session at its end."""
    state = member_state(session.last or session.state, model)
    history = member_history(session.history, model, state.step)
    figures = {name: float(column[-1][0]) for name, column in history.columns.items() if column}
    return CellOutcome(Status.FINISHED if state.active[0] else Status.DIVERGED, state.step, figures)
