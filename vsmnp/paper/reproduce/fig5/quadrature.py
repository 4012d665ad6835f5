"""Measure how far a mixture is from a posterior in the plane, by quadrature on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....kernels import load
from ....types import Array, Params
from .mixture_posterior import GaussianMixture
from .targets import SidedPosterior

#: Half the side of the grid; the square [-7, 7]^2 holds all but 5e-12 of a standard normal's mass.
_REACH = 7.0
#: Points evaluated in one chunk, few enough for the arrays of all components to fit into the cache.
_CHUNK = 1000


@dataclass(frozen=True)
class Grid:
    """Midpoints of ``cells`` by ``cells`` squares over ``[-reach, reach]^2``.

    An even number of cells has a border at 0, where a posterior may have a kink. The midpoint rule is
    exponentially accurate for smooth densities that vanish at the edge.
    """

    reach: float = _REACH
    cells: int = 200

    @property
    def axis(self) -> Array:
        """The midpoints along one coordinate, ``(cells,)``."""
        steps: Array = np.arange(self.cells) - (self.cells - 1) / 2  # exactly symmetric about 0
        return steps * (2 * self.reach / self.cells)

    @cached_property
    def points(self) -> Array:
        """All midpoints ``(G, 2)``; the first coordinate varies fastest."""
        return np.stack(np.meshgrid(self.axis, self.axis), axis=-1).reshape(-1, 2)

    @property
    def area(self) -> float:
        """The area of one cell of the grid."""
        return float((2 * self.reach / self.cells) ** 2)


@dataclass(frozen=True)
class Measures:
    """Divergences of each run's q from the posterior, ``D[q || p]``, and its masses."""

    #: ``1/2 E_q |grad_z log q - grad_z log p|^2``, ``(R,)``.
    fd: Array
    #: ``E_q[log q - log p]`` in nats, ``(R,)``.
    kl: Array
    #: The part of ``kl`` that is due to the masses ``w`` and ``w*`` of q and p on one side alone,
    #: ``w log(w/w*) + (1-w) log((1-w)/(1-w*))``, ``(R,)``; the rest is due to differences within each side.
    kl_side: Array
    #: q's mass on that side, ``(R,)``.
    mass: Array
    #: q's mass beyond the grid, ``(R,)``.
    outside: Array


@dataclass(frozen=True)
class ExactPosterior:
    """The posterior ``p(z|x)``, normalised on a grid."""

    target: SidedPosterior
    grid: Grid = Grid()

    @cached_property
    def log_joint(self) -> Array:
        """The logarithm of the joint, ``log p(z, x)`` in nats, ``(G,)``."""
        return self.target.log_joint(self.grid.points)

    @cached_property
    def evidence(self) -> float:
        """The evidence ``p(x)`` by quadrature."""
        return float(np.exp(self.log_joint).sum() * self.grid.area)

    @cached_property
    def log_prob(self) -> Array:
        """The log-posterior ``log p(z|x)`` in nats, ``(G,)``."""
        return np.asarray(self.log_joint - np.log(self.evidence))

    @cached_property
    def side(self) -> Array:
        """Indicator ``(G,)`` of the target's side: 1 on it, 1/2 on its border, else 0."""
        return np.asarray(np.heaviside(self.grid.points @ np.asarray(self.target.side), 0.5))

    @cached_property
    def mass(self) -> float:
        """The posterior's mass on the target's side."""
        return float((np.exp(self.log_prob) * self.side).sum() * self.grid.area)

    def measure(self, mixture: GaussianMixture, p: Params) -> Measures:
        """Measure how far the mixtures ``p (R, ...)`` are from the posterior."""
        score = self.target.score(load("cpu"), self.grid.points[None])
        sums = np.zeros((4, len(p["means"])))
        for first in range(0, len(self.log_prob), _CHUNK):
            some = slice(first, first + _CHUNK)
            at = mixture.at(p, self.grid.points[None, some])
            d = at.score - score[:, some]
            q = np.exp(at.log_prob)
            parts = (
                0.5 * q * (d * d).sum(-1),
                q * (at.log_prob - self.log_prob[some]),
                q * self.side[some],
                q,
            )
            sums += np.stack([part.sum(-1) for part in parts])
        fd, kl, mass, total = sums * self.grid.area
        return Measures(fd, kl, _bernoulli_kl(mass, self.mass), mass, 1 - total)

    def density(self, mixture: GaussianMixture, p: Params) -> Array:
        """Compute ``q(z)`` on the grid, ``(R, cells, cells)``, the first coordinate along the last axis."""
        chunks = range(0, len(self.grid.points), _CHUNK)
        log_q = [mixture.at(p, self.grid.points[None, first : first + _CHUNK]).log_prob for first in chunks]
        return np.asarray(np.exp(np.concatenate(log_q, axis=1)).reshape(-1, self.grid.cells, self.grid.cells))


@dataclass(frozen=True)
class Fits:
    """The fitted mixtures of all runs on one posterior, with their measures."""

    #: The posterior.
    exact: ExactPosterior
    #: q's mass on the posterior's side before the first step, ``(R,)``.
    start_mass: Array
    #: Measures of the fitted mixtures.
    end: Measures
    #: Density of the fitted mixtures, ``(R, cells, cells)``.
    density: Array

    @property
    def name(self) -> str:
        """The name of the likelihood."""
        return self.exact.target.problem.name

    @property
    def start_correlation(self) -> float:
        """The correlation of the mass at the end with the mass at the start, over the runs."""
        return float(np.corrcoef(self.start_mass, self.end.mass)[0, 1])


def _bernoulli_kl(w: Array, exact: float) -> Array:
    """Compute ``w log(w/exact) + (1-w) log((1-w)/(1-exact))``."""
    w = np.clip(w, 0, 1)

    def part(a: Array, b: float) -> Array:
        return np.asarray(a * np.log(np.where(a > 0, a, 1) / b))

    return part(w, exact) + part(1 - w, 1 - exact)
