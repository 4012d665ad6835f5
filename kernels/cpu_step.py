"""A whole training step of the ``cpu`` set: J encoder updates and one decoder update in compiled loops.

Several models are shared among the threads; a single one is cut into the parts of its batch. The result is
the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from vsmnp.arrays import Array
from vsmnp.steps import STEP_TERMS, FusedStep, StepSpec, StepTerms

from .cpu_losses import Update, updates
from .cpu_records import Fate, Given, Moves

#: Larger networks are left to BLAS and the composed step, which then lose nothing to packing.
MOST_PARAMETERS = 1 << 18


@lru_cache(maxsize=4)
def _signed(seeds: tuple[int, ...]) -> Array:
    """The same 64 bits as signed numbers, which are what compiled code passes on."""
    return np.array(seeds, np.uint64).view(np.int64)


class CpuStep:
    """The fused step of one :class:`~vsmnp.steps.StepSpec`; each size of batch has memory of its own."""

    def __init__(self, spec: StepSpec) -> None:
        self.spec = spec

    def __call__(
        self, state: Any, xs: Sequence[Array], seeds: Sequence[int], encoder_lr: Array, decoder_lr: Array
    ) -> StepTerms:
        """One step; see :class:`~vsmnp.steps.FusedStep`."""
        spec, models, batch = self.spec, state.phi.shape[0], xs[0].shape[2]
        encoder, decoder = self._updates(batch)
        memory = state.phi_memory
        encoder_moves = Moves(memory.m, memory.v, memory.t, encoder_lr)
        memory = state.theta_memory
        decoder_moves = Moves(memory.m, memory.v, memory.t, decoder_lr)
        fate = Fate(
            state.alive, state.cause, state.died_at, state.gamma_kept, state.gamma_floored, state.step
        )
        inferred = np.zeros((len(STEP_TERMS[spec.inference.loss]), models))
        learned = np.zeros((len(STEP_TERMS[spec.learning.loss]), models))
        chosen = np.zeros((models, 3))
        signed = _signed(tuple(seeds))
        turns = []
        for j, x in enumerate(xs):
            x = np.ascontiguousarray(x.reshape(x.shape[2:]))
            if j < spec.encoder_steps:
                step = state.step * spec.encoder_steps + j
                rest = encoder_moves, fate, x, signed, chosen, inferred, step
                turns.append((encoder, Given(state.phi, state.theta, *rest)))
            else:
                rest = decoder_moves, fate, x, signed, chosen, learned, state.step
                turns.append((decoder, Given(state.phi, state.theta, *rest)))
        self._run(turns, models)
        return StepTerms(inferred.astype(state.phi.dtype), learned.astype(state.phi.dtype))

    @cached_property
    def _updates(self) -> Callable[[int], tuple[Update, ...]]:
        return lru_cache(maxsize=4)(lambda batch: tuple(updates(self.spec, batch)))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.spec.threads, "vsmnp")

    def _run(self, turns: Sequence[tuple[Update, Given]], models: int) -> None:
        """All updates of every model: models are shared among the threads, or else the parts of a batch."""
        threads = min(self.spec.threads, models)
        for update, given in turns:
            update.prepare(given)

        def some(thread: int) -> None:
            low, high = models * thread // threads, models * (thread + 1) // threads
            for update, given in turns:
                update.models(thread, given, low, high)

        if self.spec.threads > 1 and models == 1:
            for update, given in turns:
                update.shared(self._pool, given)
            return
        jobs = [self._pool.submit(some, thread) for thread in range(1, threads)]
        some(0)
        for job in jobs:
            job.result()


def fused_step(spec: StepSpec) -> FusedStep | None:
    """The fused step, unless the networks are so large that BLAS serves them better."""
    return CpuStep(spec) if spec.encoder.size + spec.decoder.size <= MOST_PARAMETERS else None
