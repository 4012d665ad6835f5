"""Take stock of the folder of a sweep: which cells are finished, half done, or not begun."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import CheckpointError
from ..runs.contents import require_contents
from ..runs.newest import has_run, newest_checkpoint
from ..runs.stored_data import n_train_in
from ..settings.resolve import resolved, stored
from ..settings.run_length import Lengths, decided_steps, with_allowed_length
from ..training.history import stored_history
from .cell_session import check_same, unreadable_error
from .cells import Cell, RefusedCell
from .packs import Pack, interrupted_packs
from .work import CellOutcome, Status


@dataclass
class Inventory:
    """The cells of a sweep by their state.

    Attributes
    ----------
    outcomes : dict
        What became of the cells that need no work, by name.
    begun : list of Pack
        Packs and single cells that go on from their checkpoints.
    new : list of Cell
        The other cells.
    """

    outcomes: dict[str, CellOutcome] = field(default_factory=dict)
    begun: list[Pack] = field(default_factory=list)
    new: list[Cell] = field(default_factory=list)


def take_inventory(cells: Sequence[Cell | RefusedCell], sweep: Path) -> Inventory:
    """Read the state of every cell from the folder of the sweep.

    Raises
    ------
    ConfigError
        If a folder holds a run with other settings.
    """
    found = Inventory()
    there: set[str] = set()
    with suppress(FileNotFoundError, NotADirectoryError):
        there.update(os.listdir(sweep))
    waiting: dict[str, Cell] = {}
    for cell in cells:
        if isinstance(cell, RefusedCell):
            found.outcomes[cell.name] = CellOutcome(Status.FAILED, error=cell.error)
        elif cell.name not in there or not has_run(sweep / cell.name):
            waiting[cell.name] = cell
        elif (outcome := stored_outcome(cell, sweep)) is not None:
            found.outcomes[cell.name] = outcome
        else:
            found.begun.append(Pack((cell,)))
    for pack in interrupted_packs(sweep, [cell for cell in cells if isinstance(cell, Cell)]):
        if any(cell.name in waiting for cell in pack.cells):
            found.begun.append(pack)
            for cell in pack.cells:
                waiting.pop(cell.name, None)
    found.new = list(waiting.values())
    return found


def stored_outcome(cell: Cell, sweep: Path) -> CellOutcome | None:
    """Return what became of a cell by its checkpoint; None if its run is not at the end.

    It is also None if the checkpoint does not state its step or the number of its training data.

    Raises
    ------
    ConfigError
        If the run has other settings than the cell, or a length that the cell may not give it.
    """
    folder = sweep / cell.name
    try:
        path, (arrays, attributes, _) = newest_checkpoint(folder, ("step", "active", "history"))
        require_contents(arrays, attributes, path)
        settings, history = stored(attributes, path), stored_history(arrays, attributes, path)
    except CheckpointError as error:
        return CellOutcome(Status.FAILED, error=str(unreadable_error(folder, error)))
    check_same(settings, resolved(cell.settings), folder)
    n_train = n_train_in(attributes)
    if not n_train or "step" not in arrays:  # the session reads the data, or says what is missing
        return None
    wanted = replace(settings, steps=cell.settings.steps, epochs=cell.settings.epochs)
    asked = with_allowed_length(settings, wanted, n_train, folder, Lengths.AT_LEAST)
    step, steps = int(arrays["step"]), decided_steps(settings, n_train)
    figures = {name: float(column[-1].mean()) for name, column in history.columns.items() if column}
    if not arrays["active"].any():
        return CellOutcome(Status.DIVERGED, step, figures)
    ended = (attributes.get("stopped_early") or step >= steps) and decided_steps(asked, n_train) == steps
    return CellOutcome(Status.FINISHED, step, figures) if ended else None
