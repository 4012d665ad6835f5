"""Find a toy problem's optima, and the end points of inference that are at one, or at none.

With one sample a step an end point fluctuates, by up to 0.13 in the full run, about the point at which the
mean step is zero. Mean shift with a flat kernel finds the groups of end points: each point is moved to the
mean of all end points within a radius of it, until it stays, and those that arrive at one place are a group.
A group is at an optimum if its mean is.

References
----------
Cheng, "Mean shift, mode seeking, and clustering", IEEE Transactions on Pattern Analysis and Machine
Intelligence 17, 1995.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from ....types import Array
from .optima import Optimum, fisher, kl, optima
from .problems import ToyProblem

#: Optima whose means are within this distance share a basin, and the mean of a group of end points has to be
#: within it of an optimum. The closest of the other optima, those of p_II as printed, are 0.27 apart.
NEAR = 0.07
#: Radius of the mean shift, and the largest number of its iterations.
_RADIUS, _SHIFTS = 0.2, 1000
#: Names of a single end point at no optimum, and of starts that diverged.
ELSEWHERE, DIVERGED = "elsewhere", "diverged"
#: Start of the names of groups at no optimum.
NO_OPTIMUM = "no optimum"
#: Starts of the search for optima, off the lines of symmetry, on which it could stop at a saddle.
_STARTS = np.stack(np.meshgrid([-1.6, -0.05, 1.5], [-1.6, -0.05, 1.5]), axis=-1).reshape(-1, 2)


def point(at: Iterable[float]) -> str:
    """Format a point of the plane, such as ``(1.27, 0.00)``; zero has no sign."""
    one, two = (round(float(v), 2) + 0.0 for v in at)
    return f"({one:.2f}, {two:.2f})"


@dataclass(frozen=True)
class Basin:
    """An optimum of either divergence, or one of each that are close to one another."""

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
        """The name of the basin, such as ``KL (1.27, 1.27), FD (1.23, 1.23)``."""
        owners = (("KL", self.kl), ("FD", self.fisher))
        return ", ".join(f"{name} {point(optimum.mean)}" for name, optimum in owners if optimum is not None)

    def distance(self, mean: Array) -> float:
        """Compute the distance from a mean ``(2,)`` to the nearer of the basin's optima."""
        return min(math.dist(each.mean, mean) for each in (self.kl, self.fisher) if each is not None)


@cache
def find_basins(problem: ToyProblem) -> tuple[Basin, ...]:
    """Find the basins of both divergences: those of KL first, in the order of their divergence."""
    alone = list(optima(fisher, problem, _STARTS))
    basins = []
    for one in optima(kl, problem, _STARTS):
        near = [two for two in alone if math.dist(one.mean, two.mean) < NEAR]
        basins.append(Basin(one, near[0] if near else None))
        alone = [two for two in alone if two not in near]
    return (*basins, *(Basin(None, two) for two in alone))


def classify(basins: tuple[Basin, ...], end: Array) -> list[str]:
    """Return for each end point ``(R, 4)`` the name of the basin that its group is at.

    A group at no optimum is named by its mean, such as ``no optimum (0.28, -0.22)``; a single end point at
    none is "elsewhere", and that of a start that diverged is "diverged".
    """
    names = [DIVERGED] * len(end)
    finite = np.flatnonzero(np.isfinite(end).all(axis=1))
    for group in _groups(end[finite, :2]):
        name = _name(basins, end[finite[group], :2])
        for start in finite[group]:
            names[start] = name
    return names


def _groups(points: Array) -> Iterator[Array]:
    """Yield the indices of the points ``(n, 2)`` of each group."""
    places = points
    for _ in range(_SHIFTS):
        before, near = places, (_distances(places, points) <= _RADIUS).astype(float)
        places = near @ points / near.sum(axis=1, keepdims=True)
        if np.array_equal(places, before):
            break
    left = np.arange(len(points))
    while left.size:
        here = _distances(places[left], places[left[:1]])[:, 0] <= NEAR
        yield left[here]
        left = left[~here]


def _distances(one: Array, two: Array) -> Array:
    """Compute the distance of each of some points ``(n, 2)`` to each of others ``(m, 2)``, ``(n, m)``."""
    return np.asarray(np.linalg.norm(one[:, None] - two, axis=-1))


def _name(basins: tuple[Basin, ...], means: Array) -> str:
    """Name a group of end points ``(n, 2)``."""
    centre = means.mean(axis=0)
    nearest = min(basins, key=lambda basin: basin.distance(centre))
    if nearest.distance(centre) <= NEAR:
        return nearest.name
    return f"{NO_OPTIMUM} {point(centre)}" if len(means) > 1 else ELSEWHERE


def share_of_mode(problem: ToyProblem, at: tuple[float, float]) -> float:
    """Compute the posterior's density at a point over that at its mode, the maximum on a fine grid."""
    line = np.linspace(-4, 4, 801)
    mode = problem.log_joint(np.stack(np.meshgrid(line, line), axis=-1)).max()
    return float(np.exp(problem.log_joint(np.array(at)) - mode))
