"""How much of the paper's experiment is run: presets of epochs, width, seeds and datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ....errors import ConfigError


@dataclass(frozen=True)
class Budget:
    """What is smaller than in the paper.

    Attributes
    ----------
    name : str
        Also of the folder that holds its runs.
    about : str
        What it takes.
    epochs : float
        Passes over the training data, by the encoder's minibatches.
    evaluate_every : float
        Epochs between evaluations.
    datasets : tuple of str
        Where nothing else is asked for.
    seeds : tuple of int
        A run each.
    width : float
        Factor on the channels of convolutional networks.
    settings : mapping
        What else differs from the paper's; a dictionary, as budgets are sent to other processes.
    """

    name: str
    about: str
    epochs: float
    evaluate_every: float
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    width: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def settings_of(self, architecture: str) -> dict[str, Any]:
        """What differs from the preset of an architecture."""
        return {**self.settings, **({} if architecture == "mlp" else {"width": self.width})}

    def lasting(self, epochs: float | None) -> Budget:
        """The budget with another number of epochs; None: its own."""
        return self if epochs is None else replace(self, epochs=float(epochs))


#: Few steps have to be larger than the paper's 1e-4 to lead anywhere.
_FAST = {"lr": 1e-3, "encoder_lr": 1e-3}

BUDGETS = (
    Budget("quick", "minutes on two cores", 1, 0.25, ("mnist",), (0,), 0.125, _FAST),
    Budget("laptop", "hours on two cores", 10, 0.5, ("mnist", "fashion"), (0,), 0.25, _FAST),
    Budget("paper", "weeks on a card", 1000, 10, ("mnist", "fashion", "celeba"), (0, 1, 2, 3, 4)),
)
NAMES = tuple(budget.name for budget in BUDGETS)


def budget(name: str) -> Budget:
    """The budget of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    found: Mapping[str, Budget] = MappingProxyType({each.name: each for each in BUDGETS})
    if name not in found:
        raise ConfigError(f"There is no budget '{name}': choose one of {', '.join(NAMES)}.")
    return found[name]
