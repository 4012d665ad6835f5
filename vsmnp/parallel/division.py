"""The division of minibatches among ranks: which parts are computed here, and how their means are taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from ..types import Array
from ..types.division import Communicator, RowRange
from .tree import reduced


@dataclass(frozen=True)
class DividedBatch:
    """The parts of every minibatch, in consecutive blocks of rows, shared evenly by the ranks.

    Parameters
    ----------
    parts : int
        P, number of parts, a power of two.
    ranks : Communicator
        The processes; their number divides P.
    threads : int
        How many parts each process computes at the same time; results do not depend on it.

    Raises
    ------
    ConfigError
        If the ranks cannot share the parts evenly.
    """

    parts: int
    ranks: Communicator
    threads: int = 1

    def __post_init__(self) -> None:
        if self.parts % self.ranks.size:
            able = " or ".join(str(2**power) for power in range(self.parts.bit_length()))
            raise ConfigError(
                f"{self.ranks.size} ranks cannot share the {self.parts} part(s) of a minibatch evenly: start "
                f"{able}; a new run may have other --parts."
            )

    @property
    def own(self) -> range:
        share = self.parts // self.ranks.size
        return range(self.ranks.rank * share, (self.ranks.rank + 1) * share)

    def rows(self, batch: int) -> RowRange:
        """Return the rows of all own parts in a minibatch of ``batch`` rows.

        Raises
        ------
        ConfigError
            If the parts cannot be of equal size.
        """
        if batch % self.parts:
            lower, higher = batch // self.parts * self.parts, -(-batch // self.parts) * self.parts
            raise ConfigError(
                f"--batch-size {batch} is not a multiple of --parts {self.parts}: use "
                f"{f'{lower} or ' if lower else ''}{higher}."
            )
        size = batch // self.parts
        return RowRange(self.own.start * size, len(self.own) * size, batch)

    def means(self, own: Sequence[Sequence[Array]]) -> tuple[Array, ...]:
        shapes = [value.shape for value in own[0]]
        flat = [
            values[0].reshape(-1) if len(values) == 1 else np.concatenate([v.reshape(-1) for v in values])
            for values in own
        ]
        mean = reduced(self.ranks, flat) * (1 / self.parts)  # exact: P is a power of two
        ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        return tuple(v.reshape(shape) for v, shape in zip(np.split(mean, ends), shapes, strict=True))

    def moments(self, own: Sequence[Array]) -> Array:
        return reduced(self.ranks, own, _pooled)


def _pooled(a: Array, b: Array) -> Array:
    """Return mean and variance ``(2, ...)`` of two samples of equal size together."""
    half = (a[0] - b[0]) / 2
    return np.stack([(a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + half * half])
