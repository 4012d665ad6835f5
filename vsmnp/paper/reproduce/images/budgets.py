"""Define presets of how much of the paper's experiment is run: epochs, width, seeds and datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....errors import member_of
from ....settings.choices import ARCHITECTURES
from .. import grid_plan


@dataclass(frozen=True)
class ImageBudget(grid_plan.GridBudget):
    """The scale of a grid of images relative to the paper's."""

    #: Epochs between evaluations.
    evaluate_every: float = 1
    #: Factor on the channels of convolutional networks.
    width: float = 1.0
    #: Further settings that differ from the paper's; a dictionary, because budgets are sent to other
    #: processes.
    settings: Mapping[str, Any] = field(default_factory=dict)

    def settings_of(self, architecture: str) -> dict[str, Any]:
        """Return the settings that differ from the preset of an architecture."""
        has_width = "width" in ARCHITECTURES[architecture].reads
        return {**self.settings, **({"width": self.width} if has_width else {})}


#: Learning rates of short runs, which need larger steps than the paper's 1e-4.
_FAST = {"lr": 1e-3, "encoder_lr": 1e-3}

BUDGETS = (
    ImageBudget("quick", "minutes on two cores", 1, ("mnist",), (0,), 0.25, 0.125, _FAST),
    ImageBudget("laptop", "hours on two cores", 10, ("mnist", "fashion"), (0,), 0.5, 0.25, _FAST),
    ImageBudget("paper", "weeks on a card", 1000, ("mnist", "fashion", "celeba"), (0, 1, 2, 3, 4), 10),
)
NAMES = tuple(budget.name for budget in BUDGETS)


def budget(name: str) -> ImageBudget:
    """Return the budget of the given name.

    Raises
    ------
    ConfigError
        If there is no budget of that name.
    """
    return member_of({each.name: each for each in BUDGETS}, "budget", name)
