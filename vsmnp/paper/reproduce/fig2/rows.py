"""Hold the results on one posterior: its basins, and the trajectories of each method and optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....figures.style import DATA, INK, SERIES
from ....types import Array
from .basins import DIVERGED, ELSEWHERE, NO_OPTIMUM, Basin
from .ensembles import OPTIMIZERS, Divergence, Loss, Trajectory
from .problems import ToyProblem

#: Cold colours for optima of KL, warm ones for optima of the Fisher divergence alone.
OF_KL, OF_FISHER = (SERIES[0], SERIES[2]), (SERIES[1], SERIES[3])


@dataclass(frozen=True)
class Panel:
    """The result of one method, loss and optimiser: trajectories, and the name of each end point."""

    method: Divergence
    loss: Loss
    rule: str
    trajectory: Trajectory
    names: Sequence[str]

    @property
    def title(self) -> str:
        """The title of the panel, such as ``KL, repar., SGD``."""
        return f"{self.method.label}, {OPTIMIZERS[self.rule]}"

    def ends_in(self, name: str) -> Array:
        """Return the final parameters of the starts whose end points have a name, ``(n, 4)``."""
        return self.trajectory.end[[each == name for each in self.names]]

    def count(self, *names: str) -> int:
        """Count the starts whose end points have any of these names."""
        return sum(name in names for name in self.names)


@dataclass(frozen=True)
class BasinRow:
    """A posterior with its basins and its panels."""

    problem: ToyProblem
    basins: Sequence[Basin]
    panels: Sequence[Panel]

    @property
    def colours(self) -> Mapping[str, str]:
        """The colour of each basin, then of the end points at none, in the order of the tables."""
        cold = [basin.name for basin in self.basins if basin.kl is not None]
        warm = [basin.name for basin in self.basins if basin.kl is None]
        colours = zip([*cold, *warm], [*OF_KL[: len(cold)], *OF_FISHER[: len(warm)]], strict=True)
        settled = sorted({n for each in self.panels for n in each.names if n.startswith(NO_OPTIMUM)})
        return {**dict(colours), **dict.fromkeys([*settled, ELSEWHERE], DATA), DIVERGED: INK}

    def of_loss(self, loss: Loss) -> Sequence[Panel]:
        """Return the panels of one loss, a method after the other."""
        return [each for each in self.panels if each.loss == loss]

    def panel(self, method: str, rule: str, loss: Loss = "published") -> Panel:
        """Return the panel of the given method, optimiser and loss."""
        return next(each for each in self.of_loss(loss) if (each.method.name, each.rule) == (method, rule))
