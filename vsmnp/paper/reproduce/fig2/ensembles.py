"""Run inference on a toy problem from a grid of initial means, all starts and optimisers in parallel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....objectives import KL, Objective, PosteriorFisher
from ....rng import Key, Stream
from ....training.optimizers import optimizer
from ....types import Array, DType, Kernels, Shape
from .problems import ToyProblem

#: Steps whose noise is drawn in one call.
_BLOCK = 1000


@dataclass(frozen=True)
class Divergence:
    """A divergence and the estimator of its gradient, with its name in ``--inference``."""

    name: str
    label: str
    objective: Objective


METHODS = (
    Divergence("kl", "KL, repar.", KL(1)),
    Divergence("fisher-reparam", "FD, repar.", PosteriorFisher(1, reparametrised=True)),
    Divergence("fisher", "FD, no repar.", PosteriorFisher(1)),
)
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

    def starts(self) -> Array:
        """Return the initial means, ``(side^2, 2)``; the first coordinate varies fastest."""
        line = np.linspace(-self.reach, self.reach, self.side)
        return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)

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


@dataclass(frozen=True)
class _Drawn(Key):
    """A key whose normals were drawn earlier, in one block with those of many other steps."""

    eps: Any = None

    def normal(self, k: Kernels, shape: Shape, dtype: DType, first: int = 0) -> Array:
        return np.asarray(self.eps)

    def sample(self, k: Kernels, mu: Array, s: Array, samples: int, first: int = 0) -> Array:
        return np.asarray(mu + s * self.normal(k, (samples, *mu.shape[2:]), mu.dtype, first))


def run(
    k: Kernels, problem: ToyProblem, objective: Objective, plan: TrajectoryPlan,
    on_step: Callable[[int], None],
) -> dict[str, Trajectory]:  # fmt: skip
    """Optimise q from every start by every optimiser of the plan; return the trajectory of each optimiser.

    All optimisers get the same noise; arithmetic is in float64. ``on_step`` is called with the number of
    steps done, every thousand steps.
    """
    model, x, starts = problem.model, problem.datum(), plan.starts()
    each, copies = len(starts), len(plan.rates)
    models = each * copies
    phi, theta = np.zeros((models, model.phi_layout.size)), problem.theta(models)
    phi[:, :2] = np.tile(starts, (copies, 1))
    members = {name: slice(i * each, (i + 1) * each) for i, name in enumerate(plan.rates)}
    optimizers = [
        (rule, part, rule.remember(k, phi[part]), np.full(each, plan.rates[name]))
        for name, part in members.items()
        for rule in (optimizer(name),)
    ]
    alive, key = np.ones(each, bool), Key(tuple(range(each)), Stream.INFERENCE)
    times, path = plan.times(), []
    kept = set(times.tolist())
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # overflow shows in the path
        for step in range(plan.steps + 1):
            if step in kept:
                path.append(phi[:, :4].copy())
            if step == plan.steps:
                break
            block, i = divmod(step, _BLOCK)
            if i == 0:
                noise = _noise(k, key.on(Stream.INFERENCE, block), copies)
                on_step(step)
            drawn = _Drawn(key.seeds * copies, Stream.INFERENCE, step, noise[i])
            g = objective(k, model, phi, theta, x, drawn).g_phi
            assert g is not None
            for rule, part, memory, rate in optimizers:
                rule.update(k, phi[part], g[part], memory, rate, alive)
        trajectories = np.stack(path)
        trajectories[..., 2:] = np.exp(trajectories[..., 2:])
    return {name: Trajectory(times, trajectories[:, part]) for name, part in members.items()}


def _noise(k: Kernels, key: Key, copies: int) -> Array:
    """Draw normals of a block of steps, ``(steps, R, 1, 1, 2)``; each start has the same in every copy."""
    eps = key.normal(k, (_BLOCK, 1, 1, 2), np.float64).swapaxes(0, 1)
    return np.tile(eps, (1, copies, 1, 1, 1))
