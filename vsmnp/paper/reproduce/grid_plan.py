"""Hold what the grids of several figures share: their budgets, and the part of a grid that is wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ...sweeps.engines.engine import WorkEngine
from ...sweeps.engines.local import THIS_PROCESS
from .methods import NAMES


@dataclass(frozen=True)
class GridBudget:
    """The scale of a grid relative to the paper's."""

    #: Name of the budget and of the folder of its runs.
    name: str
    #: Estimated time and hardware.
    about: str
    #: Passes over the training data; images count the encoder's minibatches.
    epochs: float
    #: Datasets, unless others are asked for.
    datasets: tuple[str, ...]
    #: Seeds of the models.
    seeds: tuple[int, ...]

    def lasting(self, epochs: float | None) -> Self:
        """Return the budget with another number of epochs; None keeps its own."""
        return self if epochs is None else replace(self, epochs=float(epochs))


@dataclass(frozen=True)
class GridPlan:
    """The options of a grid that the user chose."""

    #: Scale of the experiment.
    budget: GridBudget
    #: Folder of the runs, one folder each below one for the budget; figures share them.
    runs: Path
    #: Names or paths; empty for the budget's.
    datasets: tuple[str, ...] = ()
    #: Seeds of the models; empty for the budget's.
    seeds: tuple[int, ...] = ()
    #: Methods of a figure that are wanted.
    methods: tuple[str, ...] = NAMES
    #: Where the runs are trained.
    engine: WorkEngine = THIS_PROCESS
    #: Whether missing runs are trained, or left out.
    train: bool = True

    @property
    def folder(self) -> Path:
        """Folder of the runs of this budget."""
        return self.runs / self.budget.name
