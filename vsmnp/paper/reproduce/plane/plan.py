"""Hold the user's choice of a part of the grid in the plane, and of how it is to be run."""

from __future__ import annotations

from dataclasses import dataclass

from ..grid_plan import GridPlan
from .budgets import PlaneBudget


@dataclass(frozen=True)
class PlaneGridPlan(GridPlan):
    """The options of a figure in the plane that the user chose; what is empty is the budget's."""

    budget: PlaneBudget
    #: Numbers J of encoder updates, and K of bi-level updates.
    encoder_steps: tuple[int, ...] = ()
    bilevel_steps: tuple[int, ...] = ()
    #: Keys of :data:`.variants.OPTIMIZERS` and :data:`.variants.ESTIMATORS`.
    optimizers: tuple[str, ...] = ()
    estimators: tuple[str, ...] = ()
    #: Whether the time that the grid needs is only estimated.
    dry_run: bool = False
