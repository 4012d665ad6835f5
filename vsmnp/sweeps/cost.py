"""Estimate the core hours of a sweep from a few steps of each kind of pack; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import VsmnpError
from ..runs.session import Session
from ..settings.in_effect import OF_A_MODEL
from .cells import Cell, RefusedCell, any_on_gpu, name_of
from .driver import Driver
from .inventory import take_inventory
from .packs import LARGEST, Pack, most_models
from .scale import WORKERS, ScaledSweep, SweepScale

#: Steps that are timed after a first one, and most kinds of packs that are timed.
_STEPS, _KINDS = 3, 20


@dataclass(frozen=True)
class SweepCost:
    """The packs of a sweep by kind, and the time that they need.

    Attributes
    ----------
    rows : list
        For each kind: its labels, packs, cells, most models of a pack, steps, core seconds of a step of that
        pack, and core hours; None where a kind was not timed.
    cells, left : int
        Cells of the sweep, and those of them that are to be trained.
    refused : list
        Name and sentence of the cells whose settings are invalid.
    pack : int
        Most models of a pack on any number of workers.
    """

    rows: list[tuple[str, int, int, int, int | None, float | None, float | None]]
    cells: int
    left: int
    refused: list[tuple[str, str]] = field(default_factory=list)
    pack: int = LARGEST

    @property
    def core_hours(self) -> float:
        """Core hours of all kinds; a kind that was not timed counts as the mean cell of the others."""
        timed = [(hours, cells) for _, _, cells, _, _, _, hours in self.rows if hours is not None]
        known, cells = sum(hours for hours, _ in timed), sum(cells for _, cells in timed)
        return known * self.left / cells if cells else 0.0

    @property
    def packs(self) -> int:
        """Number of packs that remain to be trained."""
        return sum(row[1] for row in self.rows)

    @property
    def scaled(self) -> list[ScaledSweep]:
        """The prediction of the time on other numbers of workers; empty if nothing is to be trained."""
        if not self.left:
            return []
        scale = SweepScale(self.left, 3600 * self.core_hours / self.left, self.pack)
        return [scale.on(workers) for workers in WORKERS]

    def sentence(self) -> str:
        """Write the estimate in a sentence."""
        return (
            f"{self.cells:,} cells, {self.left:,} of them to be trained in {self.packs:,} packs; about "
            f"{self.core_hours:.3g} core hours on this machine."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as plain values."""
        names = "kind", "packs", "cells", "models", "steps", "seconds_per_step", "core_hours"
        return {
            "cells": self.cells, "left": self.left, "packs": self.packs, "core_hours": self.core_hours,
            "kinds": [dict(zip(names, row, strict=True)) for row in self.rows],
            "scale": [each.to_json() for each in self.scaled],
            "refused": [{"cell": name, "error": error} for name, error in self.refused],
        }  # fmt: skip


def estimate(cells: Sequence[Cell | RefusedCell], driver: Driver, folder: Path | None) -> SweepCost:
    """Time a few steps of a pack of each kind, and add up what is left to do.

    Cells that are finished in ``folder`` are not counted; half-done ones count as whole ones.

    Raises
    ------
    ConfigError
        If a cell's folder holds another run.
    VsmnpError
        If no kind can be started, as a training would.
    """
    found = take_inventory(cells, folder if folder is not None and folder.is_dir() else Path("/nonexistent"))
    packs = [*found.begun, *driver.packs(found.new)]
    kinds: dict[str, list[Pack]] = {}
    for pack in packs:
        kinds.setdefault(_kind(pack), []).append(pack)
    refused = [(cell.name, cell.error) for cell in cells if isinstance(cell, RefusedCell)]
    rows, problems = [], []
    for place, (kind, members) in enumerate(kinds.items()):
        count, largest = (
            sum(len(pack.cells) for pack in members),
            max(members, key=lambda pack: len(pack.cells)),
        )
        steps = seconds = hours = None
        if place < _KINDS:
            try:
                steps, seconds = _timed(largest)
                hours = steps * seconds * count / len(largest.cells) / 3600
            except VsmnpError as error:
                problems.append(error)
                refused += [(cell.name, str(error)) for pack in members for cell in pack.cells]
        rows.append((kind, len(members), count, len(largest.cells), steps, seconds, hours))
    if problems and len(problems) == len(kinds):
        raise problems[0]
    left = sum(len(pack.cells) for pack in packs)
    return SweepCost(rows, len(cells), left, refused, driver.pack or most_models(any_on_gpu(cells)))


def core_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of some work, on which other programs have little influence."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _kind(pack: Pack) -> str:
    """Return the labels that decide the time of a pack: those which its cells share."""
    labels = {name: value for name, value in pack.cells[0].labels.items()
              if name != "seed" and name not in OF_A_MODEL}  # fmt: skip
    return name_of(labels) or "all"


def _timed(pack: Pack) -> tuple[int, float]:
    """Return the steps of a pack, and the core seconds of one of them."""
    with Session.new(pack.cells[0].settings if len(pack.cells) == 1 else pack.settings) as session:
        session.seconds_per_step(1)
        return session.total_steps, core_seconds(lambda: session.seconds_per_step(_STEPS)) / (1 + _STEPS)
