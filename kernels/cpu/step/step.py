"""A whole training step of the ``cpu`` set: J encoder updates and one decoder update in compiled loops.

Several models are divided among the threads; for a single model, the parts of its batch are. The result is
the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from operator import is_
from typing import Any

import numpy as np

from vsmnp.types.arrays import Array
from vsmnp.types.step_spec import STEP_TERMS, FusedStep, StepSpec, StepTerms

from .loop import UpdateInputs
from .losses import known
from .plan import Update, updates
from .records import ModelArrays, ModelStatus, OptimizerArrays

#: Larger networks use the composed step with BLAS, whose packing then costs little in comparison.
MOST_PARAMETERS = 1 << 18


@lru_cache(maxsize=4)
def _signed(seeds: tuple[int, ...]) -> Array:
    """Reinterpret seeds as signed 64-bit numbers, the type that the compiled code takes."""
    return np.array(seeds, np.uint64).view(np.int64)


class CpuStep:
    """The fused step of one :class:`~vsmnp.types.StepSpec`, with separate memory for each batch size."""

    def __init__(self, spec: StepSpec) -> None:
        self.spec = spec
        self._used: tuple[Array, ...] = ()

    def __call__(
        self, state: Any, xs: Sequence[Array], seeds: Sequence[int], encoder_lr: Array, decoder_lr: Array
    ) -> StepTerms:
        """Do one training step; see :class:`~vsmnp.types.step_spec.FusedStep`."""
        spec, phi, theta = self.spec, state.phi_memory, state.theta_memory
        status = state.alive, state.cause, state.died_at, state.gamma_kept, state.gamma_floored
        self._use(
            state.phi, state.theta, phi.m, phi.v, phi.t, encoder_lr, theta.m, theta.v, theta.t, decoder_lr,
            *status, _signed(tuple(seeds)),
        )  # fmt: skip
        encoder, decoder = self._updates(xs[0].shape[2])
        encoder.prepare(self._encoder)
        decoder.prepare(self._decoder)
        kept: list[Array] = []  # keeps the minibatches allocated while their addresses are in use
        work, step, place = [], state.step, state.step * spec.encoder_steps
        for j, x in enumerate(xs):
            if j == 0 or x is not xs[j - 1]:
                kept.append(np.ascontiguousarray(x.reshape(x.shape[2:]), spec.dtype))
                data = kept[-1].ctypes.data, len(kept[-1])
            learns = j == spec.encoder_steps
            update, noise = (decoder, step) if learns else (encoder, place + j)
            work.append((update, UpdateInputs(*data, noise, step)))
        self._run(work, state.phi.shape[0])
        inferred, learned = (arrays.terms.astype(spec.dtype) for arrays in (self._encoder, self._decoder))
        return StepTerms(inferred, learned)

    def _use(self, *arrays: Array) -> None:
        """Build the records of these arrays, unless they are the arrays of the previous call."""
        if len(arrays) == len(self._used) and all(map(is_, arrays, self._used)):
            return
        phi, theta, *others, seeds = self._used = arrays
        status, models = ModelStatus(*others[8:]), len(phi)

        def arrays_of(loss: str, optimizer: OptimizerArrays) -> ModelArrays:
            terms = np.zeros((len(STEP_TERMS[loss]), models))
            return ModelArrays(phi, theta, optimizer, status, seeds, np.zeros((models, 3)), terms)

        self._encoder = arrays_of(self.spec.inference.loss, OptimizerArrays(*others[:4]))
        self._decoder = arrays_of(self.spec.learning.loss, OptimizerArrays(*others[4:8]))

    @cached_property
    def _updates(self) -> Callable[[int], tuple[Update, ...]]:
        return lru_cache(maxsize=4)(lambda batch: tuple(updates(self.spec, batch)))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.spec.threads, "vsmnp")

    def _run(self, work: Sequence[tuple[Update, UpdateInputs]], models: int) -> None:
        """Run all updates, with models divided among the threads, or the parts of the batch for one model."""
        threads = min(self.spec.threads, models)

        def some(thread: int) -> None:
            low, high = models * thread // threads, models * (thread + 1) // threads
            for update, inputs in work:
                update.models(thread, inputs, low, high)

        if self.spec.threads > 1 and models == 1:
            for update, inputs in work:
                update.shared(self._pool, inputs)
            return
        jobs = [self._pool.submit(some, thread) for thread in range(1, threads)]
        some(0)
        for job in jobs:
            job.result()


def fused_step(spec: StepSpec) -> FusedStep | None:
    """Return the fused step; None if it lacks a loss or an activation, or if BLAS is faster."""
    return CpuStep(spec) if known(spec) and spec.encoder.size + spec.decoder.size <= MOST_PARAMETERS else None
