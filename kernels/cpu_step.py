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
from vsmnp.steps import STEP_TERMS, FusedStep, OptimizerSpec, StepSpec, StepTerms

from .cpu_losses import InferenceUpdate, LearningUpdate, Update
from .cpu_update import Fate, Side

#: Larger networks are left to BLAS and the composed step, which then lose nothing to packing.
MOST_PARAMETERS = 1 << 18


def _rates(moves: OptimizerSpec) -> Array:
    return np.array([moves.beta1, moves.beta2, moves.eps] if moves.adam else [])


class CpuStep:
    """The fused step of one :class:`~vsmnp.steps.StepSpec`; each size of batch has memory of its own."""

    def __init__(self, spec: StepSpec) -> None:
        self.spec = spec
        self._rates = _rates(spec.encoder_optimizer), _rates(spec.decoder_optimizer)

    def __call__(
        self, state: Any, xs: Sequence[Array], seeds: Sequence[int], encoder_lr: Array, decoder_lr: Array
    ) -> StepTerms:
        """One step; see :class:`~vsmnp.steps.FusedStep`."""
        spec, models = self.spec, state.phi.shape[0]
        encoder, decoder = self._updates(xs[0].shape[2])
        memory = state.phi_memory
        phi = Side(state.phi, memory.m, memory.v, memory.t, encoder_lr, self._rates[0])
        memory = state.theta_memory
        theta = Side(state.theta, memory.m, memory.v, memory.t, decoder_lr, self._rates[1])
        fate = Fate(state.alive, state.cause, state.died_at, state.step)
        inferred = np.zeros((len(STEP_TERMS[spec.inference.loss]), models))
        learned = np.zeros((len(STEP_TERMS[spec.learning.loss]), models))
        for j in range(spec.encoder_steps):
            step = state.step * spec.encoder_steps + j
            self._run(encoder, state, phi, theta, xs[j], seeds, step, fate, inferred)
        self._run(decoder, state, phi, theta, xs[spec.encoder_steps], seeds, state.step, fate, learned)
        return StepTerms(inferred.astype(state.phi.dtype), learned.astype(state.phi.dtype))

    @cached_property
    def _updates(self) -> Callable[[int], tuple[Update, Update]]:
        @lru_cache(maxsize=4)
        def made(batch: int) -> tuple[Update, Update]:
            return InferenceUpdate(self.spec, batch), LearningUpdate(self.spec, batch)

        return made

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.spec.threads, "vsmnp")

    def _run(
        self, update: Update, state: Any, phi: Side, theta: Side, x: Array, seeds: Sequence[int], step: int,
        fate: Fate, terms: Array,
    ) -> None:  # fmt: skip
        """One update of every model."""
        x = np.ascontiguousarray(x.reshape(x.shape[2:]))
        models, threads = len(seeds), self.spec.threads

        def some(thread: int, low: int, high: int) -> None:
            for r in range(low, high):
                update.one_model(thread, state, phi, theta, x, r, seeds[r], step, fate, terms)

        if threads == 1:
            some(0, 0, models)
        elif models == 1:
            update.one_model(0, state, phi, theta, x, 0, seeds[0], step, fate, terms, self._pool)
        else:
            sharers = min(threads, models)
            cuts = [models * i // sharers for i in range(sharers + 1)]
            jobs = [self._pool.submit(some, i, cuts[i], cuts[i + 1]) for i in range(sharers)]
            for job in jobs:
                job.result()


def fused_step(spec: StepSpec) -> FusedStep | None:
    """The fused step, unless the networks are so large that BLAS serves them better."""
    return CpuStep(spec) if spec.encoder.size + spec.decoder.size <= MOST_PARAMETERS else None
