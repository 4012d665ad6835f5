"""Run inference on a toy problem from a grid of initial means, all starts and optimisers on one noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from ....rng import Key, Stream
from ....training.optimizers import Adam, optimizer
from ....types import Array, Kernels
from .loop import CODES, advance, code
from .problems import ToyProblem

#: Steps whose noise is drawn in one call.
_BLOCK = 1000


@dataclass(frozen=True)
class Divergence:
    """A divergence and the estimator of its gradient, with its name in ``--inference``."""

    name: str
    label: str


METHODS = (
    Divergence("kl", "KL, repar."),
    Divergence("fisher-reparam", "FD, repar."),
    Divergence("fisher", "FD, no repar."),
)
#: A loss has the name of the convention that it follows.
Loss: TypeAlias = Literal["definition", "published"]
#: The conventions: equation (5) with its 1/2, and a KL divergence from the prior in closed form; or those of
#: the published script, ``E|d|^2`` and a KL divergence from samples. Both take the paper's step size, so
#: that a step of plain gradient descent along the published FD is twice as long.
LOSSES: Mapping[Loss, str] = MappingProxyType({
    "definition": "loss by definition (5)", "published": "loss of the published script",
})  # fmt: skip
#: Names of the optimisers in figures.
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}


@dataclass(frozen=True)
class TrajectoryPlan:
    """The settings of the runs on each problem with each method."""

    #: Number of updates.
    steps: int
    #: The learning rate of each optimiser.
    rates: Mapping[str, float]
    #: Initial means form a grid of ``side`` by ``side``; the initial standard deviations are 1.
    side: int = 7
    #: The grid fills ``[-reach, reach]^2``.
    reach: float = 3.0

    def starts(self, problem: ToyProblem) -> Array:
        """Return the initial means, ``(side^2, 2)``; the script's first coordinate varies fastest."""
        line = np.linspace(-self.reach, self.reach, self.side)
        return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)[:, problem.order]

    def times(self) -> Array:
        """Return the steps at which the path is kept, 0 and the last included: first dense, then even."""
        early, even = np.geomspace(1, self.steps, 60), np.linspace(0, self.steps, 81)
        return np.unique(np.round(np.concatenate([early, even])).astype(int))


@dataclass(frozen=True)
class Trajectory:
    """The trajectory of q from every start: means and standard deviations ``(T, R, 4)`` at ``times (T,)``.

    The values of a start are not finite from the step on at which its gradient is not finite.
    """

    times: Array
    path: Array

    @property
    def end(self) -> Array:
        """The final parameters of each start, ``(R, 4)``."""
        return np.asarray(self.path[-1])


def run(
    k: Kernels, problem: ToyProblem, method: Divergence, loss: Loss, plan: TrajectoryPlan,
    on_step: Callable[[int], None],
) -> dict[str, Trajectory]:  # fmt: skip
    """Optimise q from every start by every optimiser of the plan; return the trajectory of each optimiser.

    All optimisers, methods and losses get the same noise; arithmetic is in float64. ``on_step`` is called
    with the number of steps done, every thousand steps.
    """
    starts, times = plan.starts(problem), plan.times()
    key = Key(tuple(range(len(starts))), Stream.INFERENCE)
    one, two = code(problem.decoder.first), code(problem.decoder.second)
    kind = CODES[method.name], loss == "published", one, two, problem.x, problem.sd**-2
    adam = Adam()
    rates = np.array([1 - adam.beta1, 1 - adam.beta2, adam.eps])
    states = {rule: np.zeros((3, len(starts), 4)) for rule in plan.rates}  # q and both moments
    path: dict[str, list[Array]] = {rule: [] for rule in plan.rates}
    for q, *_ in states.values():
        q[:, :2] = starts
    for low in range(0, plan.steps, _BLOCK):
        on_step(low)
        high = min(low + _BLOCK, plan.steps)
        noise = key.on(Stream.INFERENCE, low // _BLOCK).normal(k, (_BLOCK, 2), np.float64)
        noise = np.ascontiguousarray(noise.swapaxes(0, 1)[..., problem.order])
        steps = np.arange(low + 1, high + 1)
        corrections = np.array([1 - beta**steps for beta in (adam.beta1, adam.beta2)])
        kept = [t for t in times if low <= t < high or t == high == plan.steps]
        for rule, (q, m, v) in states.items():
            is_adam, here = isinstance(optimizer(rule), Adam), low
            for there in [*kept, high]:
                part = slice(here - low, there - low)
                now = np.ascontiguousarray(corrections[:, part])
                advance(q, m, v, noise[part], now, rates, plan.rates[rule], is_adam, *kind)
                here = there
                if len(path[rule]) < len(times) and times[len(path[rule])] == there:
                    path[rule].append(q.copy())
    with np.errstate(over="ignore"):  # a start that diverged
        found = {rule: np.stack(each) for rule, each in path.items()}
        for each in found.values():
            each[..., 2:] = np.exp(each[..., 2:])
    return {rule: Trajectory(times, each) for rule, each in found.items()}
