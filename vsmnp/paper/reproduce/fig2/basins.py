"""Find a toy problem's optima and assign the end points of inference to them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ....types import Array
from .optima import Optimum, fisher, kl, optima
from .problems import ToyProblem

#: An end point belongs to the nearest optimum if its mean is within this distance; optima within it share a
#: basin.
_RADIUS = 0.35
#: Names of end points that belong to no basin.
ELSEWHERE, DIVERGED = "elsewhere", "diverged"
#: Starts of the search for optima, off the lines of symmetry, on which it could stop at a saddle.
_STARTS = np.stack(np.meshgrid([-1.6, -0.05, 1.5], [-1.6, -0.05, 1.5]), axis=-1).reshape(-1, 2)


def point(at: Iterable[float]) -> str:
    """Format a point of the plane, such as ``(1.27, 0.00)``; zero has no sign."""
    one, two = (round(float(v), 2) + 0.0 for v in at)
    return f"({one:.2f}, {two:.2f})"


@dataclass(frozen=True)
class Basin:
    """An optimum to which end points of inference are assigned."""

    #: Optimum of the KL divergence, if there is one.
    kl: Optimum | None
    #: Optimum of the Fisher divergence, if there is one.
    fisher: Optimum | None

    @property
    def centre(self) -> tuple[float, float]:
        """The mean of q at the optimum, that of KL if there is one."""
        optimum = self.kl or self.fisher
        assert optimum is not None
        return optimum.mean

    @property
    def name(self) -> str:
        """The name of the basin, such as ``KL and FD (1.27, 1.27)``."""
        owners = [name for name, optimum in (("KL", self.kl), ("FD", self.fisher)) if optimum is not None]
        return f"{' and '.join(owners)}{' only' if len(owners) == 1 else ''} {point(self.centre)}"

    def distances(self, means: Array) -> Array:
        """Compute the distance from each mean ``(R, 2)`` to the nearer of the basin's optima, ``(R,)``."""
        own = [optimum.mean for optimum in (self.kl, self.fisher) if optimum is not None]
        return np.asarray(np.min([np.hypot(*(means - mean).T) for mean in own], axis=0))


@cache
def find_basins(problem: ToyProblem) -> tuple[Basin, ...]:
    """Find the basins of both divergences: those of KL first, in the order of their divergence."""
    alone = list(optima(fisher, problem, _STARTS))
    basins = []
    for one in optima(kl, problem, _STARTS):
        near = [two for two in alone if math.dist(one.mean, two.mean) < _RADIUS]
        basins.append(Basin(one, near[0] if near else None))
        alone = [two for two in alone if two not in near]
    return (*basins, *(Basin(None, two) for two in alone))


def classify(basins: tuple[Basin, ...], end: Array) -> list[str]:
    """Return the name of the basin of each end point ``(R, 4)``, or "elsewhere" or "diverged"."""
    distances = np.stack([basin.distances(end[:, :2]) for basin in basins])
    names = []
    for q, column in zip(end, distances.T, strict=True):
        if not np.isfinite(q).all():
            names.append(DIVERGED)
            continue
        nearest = int(np.argmin(column))
        names.append(basins[nearest].name if column[nearest] <= _RADIUS else ELSEWHERE)
    return names


def share_of_mode(problem: ToyProblem, at: tuple[float, float]) -> float:
    """Compute the posterior's density at a point over that at its mode, the maximum on a fine grid."""
    line = np.linspace(-4, 4, 801)
    mode = problem.log_joint(np.stack(np.meshgrid(line, line), axis=-1)).max()
    return float(np.exp(problem.log_joint(np.array(at)) - mode))
