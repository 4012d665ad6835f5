"""Take stock of the folder of a sweep: which cells are finished, half done, or not begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import CheckpointError
from ..runs.folder import CHECKPOINT, PREVIOUS, newest_checkpoint
from ..runs.stored_data import ABOUT
from ..settings.in_effect import length
from ..settings.resolve import resolved, stored
from .cell_session import check_same, unreadable
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
    begun = {path.parent.name for name in (CHECKPOINT, PREVIOUS) for path in sweep.glob(f"*/{name}")}
    waiting: dict[str, Cell] = {}
    for cell in cells:
        if isinstance(cell, RefusedCell):
            found.outcomes[cell.name] = CellOutcome(Status.FAILED, error=cell.error)
        elif cell.name not in begun:
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

    Raises
    ------
    ConfigError
        If the run has other settings than the cell.
    """
    folder = sweep / cell.name
    try:
        path, (arrays, attributes, _) = newest_checkpoint(folder, ("step", "active", "history"))
        settings = stored(attributes, path)
        step, active = int(arrays["step"]), bool(arrays["active"].any())
        columns = {name: arrays[f"history/{name}"] for name in attributes["columns"]}
        figures = {name: float(column[-1].mean()) for name, column in columns.items() if len(column)}
        steps, n_train = attributes["steps"], attributes[ABOUT]["n_train"]
        ended = attributes.get("stopped_early") or step >= steps
    except (CheckpointError, KeyError) as error:
        return CellOutcome(
            Status.FAILED,
            error=str(unreadable(folder, error))
            if isinstance(error, CheckpointError)
            else f"{folder / CHECKPOINT} is not of this version: remove the folder.",
        )
    wanted = cell.settings
    asked = round(length(replace(settings, steps=wanted.steps, epochs=wanted.epochs), n_train))
    longer = asked > steps
    may_differ = longer or not wanted.steps  # a run with more steps than the epochs asked for has these too
    check_same(replace(settings, steps=wanted.steps) if may_differ else settings, resolved(wanted), folder)
    if not active:
        return CellOutcome(Status.DIVERGED, step, figures)
    return CellOutcome(Status.FINISHED, step, figures) if ended and not longer else None
