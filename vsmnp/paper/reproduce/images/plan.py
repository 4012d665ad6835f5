"""Hold the user's choice of a part of the paper's grid, and of how it is to be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....evaluation.feature_choice import FeatureChoice
from .budgets import Budget
from .methods import NAMES


@dataclass(frozen=True)
class Plan:
    """The options of a figure that the user chose.

    Attributes
    ----------
    budget : Budget
        Epochs, widths and other settings that are smaller than in the paper.
    runs : Path
        Folder of the runs, one folder each below one for the budget; figures share them.
    datasets : tuple of str
        Names or paths; empty for the budget's.
    seeds : tuple of int
        Seeds of the runs; empty for the budget's.
    architectures : tuple of str
        Architectures of a figure that are wanted; empty for all of them.
    methods : tuple of str
        Methods of a figure that are wanted.
    data_dir : str
        Folder in which image files are looked for first.
    jobs : int
        Number of processes that train at a time.
    features : FeatureChoice
        Features that FID and KID compare.
    train : bool
        Whether missing runs are trained, or left out.
    """

    budget: Budget
    runs: Path
    datasets: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    architectures: tuple[str, ...] = ()
    methods: tuple[str, ...] = NAMES
    data_dir: str = ""
    jobs: int = 1
    features: FeatureChoice = FeatureChoice()  # noqa: RUF009
    train: bool = True

    @property
    def folder(self) -> Path:
        """Folder of the runs of this budget."""
        return self.runs / self.budget.name
