"""Hold the user's choice of a part of the paper's grid of images, and of how it is to be run."""

from __future__ import annotations

from dataclasses import dataclass

from ....evaluation.feature_choice import FeatureChoice
from ..grid_plan import GridPlan
from .budgets import ImageBudget


@dataclass(frozen=True)
class ImageGridPlan(GridPlan):
    """The options of a figure about images that the user chose."""

    budget: ImageBudget
    #: Architectures of a figure that are wanted; empty for all of them.
    architectures: tuple[str, ...] = ()
    #: Folder in which image files are looked for first.
    data_dir: str = ""
    #: Features that FID and KID compare.
    features: FeatureChoice = FeatureChoice()  # noqa: RUF009
