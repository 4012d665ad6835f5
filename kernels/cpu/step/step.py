"""A whole training step of the ``cpu`` set: J encoder updates and one decoder update in compiled loops.

Threads take several models from a queue; for a single model, they share the parts of its batch. The result is
the same for any number of threads, and whichever of them takes a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from operator import is_
from typing import Any, TypeAlias

import numpy as np

from vsmnp.types.arrays import Array
from vsmnp.types.division import Division
from vsmnp.types.step_spec import FusedStep, StepSizes, StepSpec, StepTerms

from .loop import UpdateInputs
from .losses import known
from .model_arrays import model_arrays
from .plan import Update, Updates, updates
from .records import ModelArrays

#: Larger networks use the composed step with BLAS, whose packing then costs little in comparison.
MOST_PARAMETERS = 1 << 18

#: An update, the index of its arrays, and its inputs.
Work: TypeAlias = tuple[Update, int, UpdateInputs]


def _ranges(models: int, threads: int) -> Iterator[tuple[int, int]]:
    """Divide the models into ranges for a queue: each is half of a thread's share of those that are left.

    The large ones first cost few calls, and the small ones last let all threads end at about the same time.
    A single thread takes all models at once.
    """
    first = 0
    while first < models:
        end = first + max(1, (models - first) // (2 * threads)) if threads > 1 else models
        yield first, end
        first = end


@lru_cache(maxsize=4)
def _signed(seeds: tuple[int, ...]) -> Array:
    """Reinterpret seeds as signed 64-bit numbers, the type that the compiled code takes."""
    return np.array(seeds, np.uint64).view(np.int64)


class CpuStep:
    """The fused step of one :class:`~vsmnp.types.StepSpec`, with separate memory for each batch size.

    With a division, the minibatches are the rows of the own parts, and a batch is one part.
    """

    def __init__(self, spec: StepSpec, division: Division | None = None) -> None:
        self.spec, self._division = spec, division
        self._own = division.own if division else range(1)
        self._used: tuple[Array, ...] = ()
        self._arrays: tuple[Sequence[ModelArrays], ...] = ()

    def __call__(self, state: Any, xs: Sequence[Array], seeds: Sequence[int], sizes: StepSizes) -> StepTerms:
        """Do one training step; see :class:`~vsmnp.types.step_spec.FusedStep`."""
        self._use(state, sizes, _signed(tuple(seeds)))
        batch = xs[0].shape[2] // len(self._own)
        total = batch * (self._division.parts if self._division else 1)
        updates = self.updates(batch)
        kept: list[Array] = []  # the minibatches, as long as their addresses are used
        for update, arrays in zip(updates, self._arrays, strict=True):
            if update is not None:
                update.prepare(arrays)
        data = []
        for j, x in enumerate(xs):
            if j == 0 or x is not xs[j - 1]:
                kept.append(np.ascontiguousarray(x.reshape(x.shape[2:]), self.spec.dtype))
            data.append((kept[-1].ctypes.data, batch, self._own.start * batch, total))
        self._run(list(self._work(updates, data, state.step)), state.phi.shape[0])
        inferred, learned = (arrays[0].terms.astype(self.spec.dtype) for arrays in self._arrays[:2])
        return StepTerms(inferred, learned)

    def _work(self, updates: Updates, data: Sequence[tuple[int, int, int, int]], step: int) -> Iterator[Work]:
        """Yield the updates of a step in order: each with the index of its arrays, and its inputs."""
        count = self.spec.encoder_steps
        for j in range(count):
            yield updates.encoder, 0, UpdateInputs(*data[j], step * count + j, step)
        steps = self.spec.bilevel.steps if self.spec.bilevel else 0
        inner = [UpdateInputs(*data[-1], step * steps + each, step) for each in range(steps)]
        for each, inputs in enumerate(inner):
            assert updates.inner is not None
            yield updates.inner, each, inputs
        yield updates.decoder, 0, UpdateInputs(*data[-1], step, step)
        if updates.back is not None:
            for each, inputs in reversed(list(enumerate(inner))):
                yield updates.back, each, inputs

    def _use(self, state: Any, sizes: StepSizes, seeds: Array) -> None:
        """Build the records of these arrays, unless they are the arrays of the previous call."""
        phi, theta = state.phi_memory, state.theta_memory
        used = (
            state.phi, state.theta, phi.m, phi.v, phi.t, sizes.encoder, theta.m, theta.v, theta.t,
            sizes.decoder, state.active, state.cause, state.diverged_at, state.gamma_kept,
            state.gamma_floored, seeds, sizes.bilevel,
        )  # fmt: skip
        if len(used) != len(self._used) or not all(map(is_, used, self._used)):
            self._used, self._arrays = used, model_arrays(self.spec, *used)

    @cached_property
    def updates(self) -> Callable[[int], Updates]:
        """Return the updates for batches of a size."""
        keeps = self._division is None
        return lru_cache(maxsize=4)(lambda batch: updates(self.spec, batch, keeps))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.spec.threads, "vsmnp")

    def _run(self, work: Sequence[Work], models: int) -> None:
        """Run all updates: threads take models from a queue, or share the parts of the batch of one model.

        A slow thread, whose core is busy with something else, then takes fewer models than the others. Models
        are taken one by one if the memory for what an update keeps is that of one.
        """
        threads = min(self.spec.threads, models)
        one_by_one = any(update.kept for update, _, _ in work)
        waiting = iter([(r, r + 1) for r in range(models)] if one_by_one else list(_ranges(models, threads)))

        def some(thread: int) -> None:
            for first, end in waiting:  # threads may share the iterator of a list
                for update, which, inputs in work:
                    update.models(which, thread, inputs, first, end)

        if self._division is not None:
            for update, which, inputs in work:
                update.divided(which, self._pool, self._parts(inputs), models, self._division)
            return
        if self.spec.threads > 1 and models == 1:
            for update, which, inputs in work:
                update.shared(which, self._pool, inputs)
            return
        jobs = [self._pool.submit(some, thread) for thread in range(1, threads)]
        some(0)
        for job in jobs:
            job.result()

    def _parts(self, first: UpdateInputs) -> list[UpdateInputs]:
        """Return the inputs of all own parts, given those of the first, which the others follow in memory."""
        size = self.spec.encoder.widths[0] * np.dtype(self.spec.dtype).itemsize
        rows = [place * first.batch for place in range(len(self._own))]
        return [first._replace(x=first.x + n * size, first=first.first + n) for n in rows]


def fused_step(spec: StepSpec, division: Division | None = None) -> FusedStep | None:
    """Return the fused step; None if it lacks a loss or an activation, or if BLAS is faster."""
    if not known(spec) or spec.encoder.size + spec.decoder.size > MOST_PARAMETERS:
        return None
    return CpuStep(spec, division)
