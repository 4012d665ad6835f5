"""Define presets of how much of the paper's experiment is run: epochs, width, seeds and datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ....errors import member_of


@dataclass(frozen=True)
class Budget:
    """The scale of a grid relative to the paper's."""

    #: Name of the budget and of the folder of its runs.
    name: str
    #: Estimated time and hardware.
    about: str
    #: Passes over the training data, by the encoder's minibatches.
    epochs: float
    #: Epochs between evaluations.
    evaluate_every: float
    #: Datasets, unless others are asked for.
    datasets: tuple[str, ...]
    #: Seeds, with one run for each.
    seeds: tuple[int, ...]
    #: Factor on the channels of convolutional networks.
    width: float = 1.0
    #: Further settings that differ from the paper's; a dictionary, because budgets are sent to other
    #: processes.
    settings: Mapping[str, Any] = field(default_factory=dict)

    def settings_of(self, architecture: str) -> dict[str, Any]:
        """Return the settings that differ from the preset of an architecture."""
        return {**self.settings, **({} if architecture == "mlp" else {"width": self.width})}

    def lasting(self, epochs: float | None) -> Budget:
        """Return the budget with another number of epochs; None keeps its own."""
        return self if epochs is None else replace(self, epochs=float(epochs))


#: Learning rates of short runs, which need larger steps than the paper's 1e-4.
_FAST = {"lr": 1e-3, "encoder_lr": 1e-3}

BUDGETS = (
    Budget("quick", "minutes on two cores", 1, 0.25, ("mnist",), (0,), 0.125, _FAST),
    Budget("laptop", "hours on two cores", 10, 0.5, ("mnist", "fashion"), (0,), 0.25, _FAST),
    Budget("paper", "weeks on a card", 1000, 10, ("mnist", "fashion", "celeba"), (0, 1, 2, 3, 4)),
)
NAMES = tuple(budget.name for budget in BUDGETS)


def budget(name: str) -> Budget:
    """Return the budget of the given name.

    Raises
    ------
    ConfigError
        If there is no budget of that name.
    """
    return member_of({each.name: each for each in BUDGETS}, "budget", name)
