"""Hold the user's choice of a part of the paper's grid, and of how it is to be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....evaluation.feature_choice import FeatureChoice
from .budgets import Budget
from .methods import NAMES


@dataclass(frozen=True)
class Plan:
    """The options of a figure that the user chose."""

    #: Epochs, widths and other settings that are smaller than in the paper.
    budget: Budget
    #: Folder of the runs, one folder each below one for the budget; figures share them.
    runs: Path
    #: Names or paths; empty for the budget's.
    datasets: tuple[str, ...] = ()
    #: Seeds of the runs; empty for the budget's.
    seeds: tuple[int, ...] = ()
    #: Architectures of a figure that are wanted; empty for all of them.
    architectures: tuple[str, ...] = ()
    #: Methods of a figure that are wanted.
    methods: tuple[str, ...] = NAMES
    #: Folder in which image files are looked for first.
    data_dir: str = ""
    #: Number of processes that train at a time.
    jobs: int = 1
    #: Features that FID and KID compare.
    features: FeatureChoice = FeatureChoice()  # noqa: RUF009
    #: Whether missing runs are trained, or left out.
    train: bool = True

    @property
    def folder(self) -> Path:
        """Folder of the runs of this budget."""
        return self.runs / self.budget.name
