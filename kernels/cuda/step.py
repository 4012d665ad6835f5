"""The fused training step of the ``cuda`` set: one launch per step for many models, three per update for few.

With many models, each has a block of its own, which does the whole step. With few, the blocks share each
model's minibatch: each block writes a partial gradient, a second launch adds these up, and a third updates
the parameters, each block a slice of them.

Computed, not measured: two layers of 30, two-dimensional data, S = J = 1, batch 1000, KL and M1 in float32
take 9,300 multiply-adds a datum, 18.6 MFLOP a model-step, so that a million model-steps a second are 18.6
TFLOP/s. A block of 128 threads takes 69 kB of shared memory in tiles of 64 rows: three blocks on a
multiprocessor of 228 kB, two on one of 164 kB; if a block can have only 99 or 64 kB, tiles have 32 or 16
rows. Two layers of 100 take 220 kB in tiles of 32 rows, one block on a multiprocessor of the largest GPUs; on
others their step is composed. If z follows phi in a Fisher divergence, the decoder's tangents take one more
tile: 85 kB for two layers of 30; for the Fisher autoencoder the encoder's tangents take another: 103 kB.

For a minibatch of 1,000 data and two layers of 100, the encoder's gradient has 32 parts, 1.4 MB in float32.
43 blocks of 256 threads add up 33 kB each, and then update 43 slices of the parameters.

An update reads and writes the moments of its network once, 18 kB for two layers of 30 and 18 GB a second for
a million updates. A whole step keeps the encoder's moments in shared memory for its J updates if J > 1 and if
this does not reduce the number of blocks per multiprocessor; the decoder's are used in one update only.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vsmnp.types.arrays import Array
from vsmnp.types.division import Division
from vsmnp.types.step_spec import FusedStep, StepSizes, StepSpec, StepTerms

from .launching import Launching, blocks
from .source import joined
from .step_plan import FINDINGS, SUMS, Side, StepPlan, obstacle, plan, topic_of

_log = logging.getLogger(__name__)

#: With so many models for each multiprocessor of the GPU, each model has a block of its own: no
#: multiprocessor is idle, and two blocks are resident on each if they fit.
MANY_A_MULTIPROCESSOR = 2
#: The most parts of a minibatch: the sum of more parts would cost more than they save.
MOST_PARTS = 128
#: The most blocks of an update, in multiples of the models that fill the GPU by a block each. More parts of
#: each of many models occupy no further multiprocessor, and each part has a gradient in memory.
MOST_FILLINGS = 4


def part_size(batch: int, tile: int, models: int, many: int) -> int:
    """Return the data of a part of a minibatch: whole tiles, as many parts as fill the GPU with all models.

    Parameters
    ----------
    batch, tile : int
        Data of the minibatch, and of a tile.
    models, many : int
        Models trained side by side, and those that fill the GPU with a block each.
    """
    most = min(MOST_PARTS, max(1, MOST_FILLINGS * many // models))
    tiles = blocks(batch, tile)
    return blocks(tiles, min(tiles, most)) * tile


class Stepping(Launching):
    """The kernel ``fused_step`` of the set."""

    def fused_step(self, spec: StepSpec, division: Division | None = None) -> FusedStep | None:
        """Return the step in shared memory; None, with the reason in the log, if it does not fit.

        A step on parts of a minibatch is composed.
        """
        if division is not None:
            return None
        shared_memory = self.machine.launcher.shared_memory()
        reason = obstacle(spec, shared_memory)
        if reason is not None:
            _log.info(reason)
            return None
        many = MANY_A_MULTIPROCESSOR * self.machine.launcher.multiprocessors()
        step = CudaStep(self, spec, plan(spec, shared_memory, self.threads), many)
        _log.info(step.plan)
        return step


@dataclass(frozen=True)
class CudaStep:
    """The fused step of one :class:`~vsmnp.types.step_spec.StepSpec`.

    Parameters
    ----------
    k : Launching
        The machine and the geometry of its launches.
    plan : Plan
        Constants and memory of the kernels.
    many : int
        With at least this many models, each has one block.
    """

    k: Launching
    spec: StepSpec
    plan: StepPlan
    many: int

    def __call__(self, state: Any, xs: Sequence[Array], seeds: Sequence[int], sizes: StepSizes) -> StepTerms:
        models, on_machine = state.phi.shape[0], self.k.machine.seeds(np.asarray(seeds, np.uint64))
        sides, least = (self.spec.inference, self.spec.learning), (2, 3)
        counts = [len(side.loss.terms) for side in sides]
        rows = map(max, counts, least)
        terms = [self.k.empty((count, models), self._dtype) for count in rows]
        arrays = (
            *self._vector(state.phi, state.phi_memory, sizes.encoder),
            *self._vector(state.theta, state.theta_memory, sizes.decoder),
            state.active, state.cause, state.diverged_at, state.gamma_kept, state.gamma_floored, models,
            *terms,
        )  # fmt: skip
        if models >= self.many:
            self._in_one_launch(state.step, xs, on_machine, models, arrays)
        else:
            self._by_updates(state, xs, on_machine, models, arrays)
        return StepTerms(terms[0][: counts[0]], terms[1][: counts[1]])

    def _in_one_launch(
        self, now: int, xs: Sequence[Array], seeds: Array, models: int, arrays: tuple[Any, ...]
    ) -> None:
        """Do the whole step in one launch, with one block per model."""
        x, batch = xs[0], xs[0].shape[2]
        shared = all(other is x for other in xs)
        if not shared:
            x = self.k.empty((len(xs), *x.shape[2:]), self._dtype)
            for place, other in enumerate(xs):
                x[place] = other[0, 0]
        self._launch("", "whole_step", (min(models, self.k.most_rows),), self._numbers, self._betas,
                     self.k.contiguous(x, self._dtype), 0 if shared else batch * x.shape[-1], batch, seeds,
                     *self.k.machine.step(now), *arrays,
                     numbers=self.plan.shared_numbers + self.plan.moments)  # fmt: skip

    def _by_updates(
        self, state: Any, xs: Sequence[Array], seeds: Array, models: int, arrays: tuple[Any, ...]
    ) -> None:
        """Do the step update by update, with the parts of each minibatch divided among blocks."""
        spec, now = self.spec, state.step
        for j, x in enumerate(xs[:-1]):
            step = now * spec.encoder_steps + j
            self._update(Side.INFERENCE, state, x, seeds, spec.streams[0], step, models, arrays)
        self._update(Side.LEARNING, state, xs[-1], seeds, spec.streams[1], now, models, arrays)

    def _update(
        self, side: int, state: Any, x: Array, seeds: Array, stream: int, step: int, models: int,
        arrays: tuple[Any, ...],
    ) -> None:  # fmt: skip
        batch, dtype = x.shape[2], self._dtype
        samples = (self.spec.inference if side == Side.INFERENCE else self.spec.learning).samples
        tile = self.plan.rows // samples
        chunk = part_size(batch, tile, models, self.many)
        parts, packed = blocks(batch, chunk), self.plan.packed[0 if side == Side.INFERENCE else 1]
        gradients = self.k.empty((models, parts, packed), dtype)
        sums, form_sums = (self.k.empty((models, parts, SUMS), dtype) for _ in range(2))
        x = self.k.contiguous(x, dtype)
        optimal = side == Side.LEARNING and self.spec.learning.gamma == "optimal"
        for which, out in ((Side.GAMMA_SUMS, form_sums), (side, sums))[0 if optimal else 1 :]:
            self._launch("_tiled", "step_part", (parts, min(models, self.k.most_rows)),
                         self._numbers, x, batch, chunk, seeds, np.uint32(stream),
                         *self.k.machine.step(step), np.int32(which), state.phi, state.theta, models,
                         form_sums if which != Side.GAMMA_SUMS else sums, gradients, out,
                         numbers=self.plan.shared_numbers)  # fmt: skip
        self._finish(side, state, batch, (gradients, sums, form_sums), arrays)

    def _finish(
        self, side: int, state: Any, batch: int, parted: tuple[Array, Array, Array], arrays: tuple[Any, ...]
    ) -> None:
        """Sum the partial gradients of the blocks, and update the parameters slice by slice."""
        models, parts, packed = parted[0].shape
        slices = min(blocks(packed, self.plan.threads), self.k.most_blocks)
        grid = slices, min(models, self.k.most_rows)
        totals, values = (self.k.empty((models, count), self._dtype) for count in (packed, FINDINGS))
        finite, updates = self.k.empty((models, slices), np.bool_), self.k.empty((models,), np.int64)
        memory = state.phi_memory if side == Side.INFERENCE else state.theta_memory
        self._launch("_tiled", "step_sum", grid, self._numbers, batch, np.int32(side), np.int32(parts),
                     *parted, state.theta, state.active, memory.t, models, totals, finite, values,
                     updates)  # fmt: skip
        self._launch("_tiled", "step_finish", grid, self._numbers, self._betas, batch, np.int32(side),
                     np.int32(slices), totals, finite, values, updates, *self.k.machine.step(state.step),
                     *arrays)  # fmt: skip

    def _vector(self, p: Array, memory: Any, lr: Array) -> tuple[Array, ...]:
        for array in (p, memory.m, memory.v):
            assert array.flags.c_contiguous, "a run's vectors are contiguous"
        return p, memory.m, memory.v, memory.t, self.k.contiguous(lr, p.dtype)

    def _launch(
        self, suffix: str, kernel: str, grid: tuple[int, ...], *arguments: Any, numbers: int = 0
    ) -> None:
        """Launch a kernel; ``numbers``, if any, is the size of its shared memory and its last argument."""
        module = self.k.machine.module(self._topic + suffix, self._dtype, self.plan.shape)
        given = (*arguments, numbers) if numbers else arguments
        module.launch(
            kernel, grid, (self.plan.threads,), given, numbers * self._dtype.itemsize, self.plan.carve_out
        )

    def sources(self) -> list[str]:
        """Return the sources of the kernels of this step: those of one launch, and those of many blocks."""
        return [joined(self._topic + suffix, self._dtype, self.plan.shape) for suffix in ("", "_tiled")]

    @cached_property
    def _topic(self) -> str:
        return topic_of(self.spec)

    @cached_property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(self.spec.dtype)

    @cached_property
    def _numbers(self) -> Array:
        """The numbers of the plan on the machine."""
        return self.k.machine.xp.asarray(self.plan.numbers)  # type: ignore[no-any-return]

    @cached_property
    def _betas(self) -> Array:
        """The constants of both optimisers on the machine."""
        return self.k.machine.xp.asarray(self.plan.betas)  # type: ignore[no-any-return]
