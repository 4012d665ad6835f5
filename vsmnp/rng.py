"""Compute random numbers by Philox4x32-10 as a function of (seed, stream, step, index).

Noise is a function of its key alone, so it is never stored, a run resumes bit for bit, and member r
of an ensemble has exactly the noise of a single run with its seed.

References
----------
Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from .types import Array, DType, Kernels, Shape
from .types.division import RowRange


class Stream(IntEnum):
    """Name the independent streams of a seed; the numbers belong to the file format and are never reused."""

    PARAMETERS = 0
    TRAIN_DATA = 1
    TEST_DATA = 2
    SHUFFLE = 3
    INPUT_NOISE = 4
    INFERENCE = 5
    LEARNING = 6
    PROBE = 7
    EVALUATION = 8
    PRIOR = 9
    LIKELIHOOD = 10
    ANCESTRAL = 11
    OUTCOME = 12
    SUBSETS = 13
    VALIDATION = 14
    BILEVEL = 15


@dataclass(frozen=True)
class Key:
    """Select random numbers by one 64-bit seed per model, a stream and a step.

    Parameters
    ----------
    seeds : tuple of int
        One seed for each of the R models, ``0 <= seed < 2**64``.
    stream : int
        Purpose of the noise, see :class:`Stream`.
    step : int
        The counter of updates, batches or chunks; ``0 <= step < 2**32``.
    rows : RowRange, optional
        Rows of a minibatch whose numbers are drawn, if not those of all: ``normal``, ``uniform``, ``signs``
        and ``sample`` then return ``(R, S, n, ...)`` of the ``(R, S, N, ...)`` of the whole minibatch.
    """

    seeds: tuple[int, ...]
    stream: int = 0
    step: int = 0
    rows: RowRange | None = None

    def on(self, stream: int, step: int = 0) -> Key:
        """Return the key of the same models on another stream and step."""
        return replace(self, stream=int(stream), step=step)

    def __post_init__(self) -> None:
        if not 0 <= self.step < 2**32:
            raise ValueError(
                f"The step of a Key must be at least 0 and below 2^32, not {self.step}: use another stream."
            )

    @property
    def _seeds(self) -> Array:
        return np.asarray(self.seeds, dtype=np.uint64)

    def words(self, k: Kernels, count: int, first: int = 0) -> Array:
        """Return 32-bit words, ``(R, count)``; bit-equal on every kernel set."""
        return k.words(self._seeds, self.stream, self.step, count, first)

    def uniform(self, k: Kernels, shape: Shape, dtype: DType, first: int = 0) -> Array:
        """Draw uniform numbers in [0, 1), ``(R, *shape)``; bit-equal on every kernel set."""

        def draw(shape: Shape, first: int) -> Array:
            return k.uniform(self._seeds, self.stream, self.step, shape, dtype, first)

        return self._drawn(draw, shape, first)

    def normal(self, k: Kernels, shape: Shape, dtype: DType, first: int = 0) -> Array:
        """Draw standard normals, ``(R, *shape)``; equal to 1e-6 on every kernel set."""

        def draw(shape: Shape, first: int) -> Array:
            return k.normal(self._seeds, self.stream, self.step, shape, dtype, first)

        return self._drawn(draw, shape, first)

    def sample(self, k: Kernels, mu: Array, s: Array, samples: int, first: int = 0) -> Array:
        """Draw ``mu + s eps``, ``(R, S, N, Z)``, with the normals of this key, which are not stored."""

        def draw(shape: Shape, first: int) -> Array:
            return k.sample(mu, s, self._seeds, self.stream, self.step, shape[0], first)

        return self._drawn(draw, (samples, *mu.shape[2:]), first)

    def signs(self, k: Kernels, shape: Shape, dtype: DType) -> Array:
        """Draw Rademacher signs +-1, ``(R, *shape)``: the top bit of each word."""

        def draw(shape: Shape, first: int) -> Array:
            words = self.words(k, math.prod(shape), first)
            return (1 - 2 * (words >> np.uint32(31)).astype(dtype)).reshape(len(self.seeds), *shape)

        return self._drawn(draw, shape, 0)

    def _drawn(self, draw: Callable[[Shape, int], Array], shape: Shape, first: int) -> Array:
        """Draw an array of numbers from ``first``; of some rows, one run of numbers for each sample."""
        if self.rows is None:
            return draw(shape, first)
        samples, count, *rest = shape
        starts = ((s * self.rows.total + self.rows.first) * math.prod(rest) for s in range(samples))
        drawn = [draw((1, count, *rest), first + start) for start in starts]
        return drawn[0] if samples == 1 else np.concatenate(drawn, axis=1)

    def permutation(self, k: Kernels, n: int) -> Array:
        """Draw a permutation of ``range(n)`` for each model, ``(R, n)``: the order of n random words."""
        return np.argsort(k.to_host(self.words(k, n)), axis=1, kind="stable")
