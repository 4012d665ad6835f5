"""Make the paper's figures about data in the plane from one shared grid of runs on disk."""

from .budgets import NAMES as BUDGETS
from .budgets import budget
from .catalogue import NAMES, PRESETS, load
from .plan import PlaneGridPlan
from .variants import ESTIMATORS, OPTIMIZERS

__all__ = ["BUDGETS", "ESTIMATORS", "NAMES", "OPTIMIZERS", "PRESETS", "PlaneGridPlan", "budget", "load"]
