"""Which part of the paper's grid is asked for, and how it is to be worked off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....evaluation.feature_choice import FeatureChoice
from .budgets import Budget
from .methods import NAMES


@dataclass(frozen=True)
class Plan:
    """What the user asked of a figure.

    Attributes
    ----------
    budget : Budget
        Epochs, widths and what else is smaller than in the paper.
    runs : Path
        Holds the runs, a folder each, below one for the budget; figures share them.
    datasets : tuple of str
        Names or paths; empty: the budget's.
    seeds : tuple of int
        Empty: the budget's.
    architectures : tuple of str
        Those of a figure that are wanted; empty: all of them.
    methods : tuple of str
        Those of a figure that are wanted.
    data_dir : str
        Where image files are looked for first.
    jobs : int
        Processes that train at a time.
    features : FeatureChoice
        Whose features FID and KID compare.
    train : bool
        Whether what is missing is trained, or left out.
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
        """Of the runs of this budget."""
        return self.runs / self.budget.name
