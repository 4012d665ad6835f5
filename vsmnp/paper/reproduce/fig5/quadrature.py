"""How far a mixture is from a posterior in the plane, by quadrature on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....kernels import load
from ....types import Array, Params
from .mixture_posterior import GaussianMixture
from .targets import SidedPosterior

#: The square [-7, 7]^2 holds a standard normal but for 5e-12.
_REACH = 7.0
#: Points at a time: few enough for the arrays of all components to stay in the cache.
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
        steps: Array = np.arange(self.cells) - (self.cells - 1) / 2  # as exact as symmetric about 0
        return steps * (2 * self.reach / self.cells)

    @cached_property
    def points(self) -> Array:
        """All midpoints ``(G, 2)``, the first coordinate running fastest."""
        return np.stack(np.meshgrid(self.axis, self.axis), axis=-1).reshape(-1, 2)

    @property
    def area(self) -> float:
        """Of one cell."""
        return float((2 * self.reach / self.cells) ** 2)


@dataclass(frozen=True)
class Measures:
    """How a run ended; divergences are of q from the posterior, ``D[q || p]``.

    Attributes
    ----------
    fd : Array
        ``1/2 E_q |grad_z log q - grad_z log p|^2``, ``(R,)``.
    kl : Array
        ``E_q[log q - log p]`` in nats, ``(R,)``.
    kl_side : Array
        The part of it that is due to the masses ``w`` and ``w*`` of q and p on one side alone,
        ``w log(w/w*) + (1-w) log((1-w)/(1-w*))``, ``(R,)``; the rest is how q differs within each side.
    mass : Array
        q's mass on that side, ``(R,)``.
    outside : Array
        q's mass beyond the grid, ``(R,)``.
    """

    fd: Array
    kl: Array
    kl_side: Array
    mass: Array
    outside: Array


@dataclass(frozen=True)
class ExactPosterior:
    """The posterior ``p(z|x)``, normalised on a grid."""

    target: SidedPosterior
    grid: Grid = Grid()

    @cached_property
    def log_joint(self) -> Array:
        """``log p(z, x)`` in nats, ``(G,)``."""
        return self.target.log_joint(self.grid.points)

    @cached_property
    def evidence(self) -> float:
        """``p(x)``."""
        return float(np.exp(self.log_joint).sum() * self.grid.area)

    @cached_property
    def log_prob(self) -> Array:
        """``log p(z|x)`` in nats, ``(G,)``."""
        value: Array = self.log_joint - np.log(self.evidence)
        return value

    @cached_property
    def side(self) -> Array:
        """1 where a point lies on the target's side, 1/2 on the border, else 0; ``(G,)``."""
        value: Array = np.heaviside(self.grid.points @ np.asarray(self.target.side), 0.5)
        return value

    @cached_property
    def mass(self) -> float:
        """The posterior's mass on that side."""
        return float((np.exp(self.log_prob) * self.side).sum() * self.grid.area)

    def measure(self, mixture: GaussianMixture, p: Params) -> Measures:
        """Hold the mixtures ``p (R, ...)`` against the posterior."""
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
        """``q(z)`` on the grid, ``(R, cells, cells)``, the first coordinate along the last axis."""
        chunks = range(0, len(self.grid.points), _CHUNK)
        log_q = [mixture.at(p, self.grid.points[None, first : first + _CHUNK]).log_prob for first in chunks]
        value: Array = np.exp(np.concatenate(log_q, axis=1)).reshape(-1, self.grid.cells, self.grid.cells)
        return value


def _bernoulli_kl(w: Array, exact: float) -> Array:
    """``w log(w/exact) + (1-w) log((1-w)/(1-exact))``."""
    w = np.clip(w, 0, 1)

    def part(a: Array, b: float) -> Array:
        return np.asarray(a * np.log(np.where(a > 0, a, 1) / b))

    return part(w, exact) + part(1 - w, 1 - exact)
