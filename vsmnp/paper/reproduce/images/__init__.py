"""Make the paper's figures and tables about images from one shared grid of runs on disk."""

from ..methods import NAMES as METHODS
from .budgets import NAMES as BUDGETS
from .budgets import budget
from .catalogue import NAMES, load
from .plan import ImageGridPlan

__all__ = ["BUDGETS", "METHODS", "NAMES", "ImageGridPlan", "budget", "load"]
