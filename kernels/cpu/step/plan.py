"""The encoder's and the decoder's update of the fused step: their constants and their memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import pairwise

import numpy as np

from vsmnp.types.arrays import Array, QuadraticForm
from vsmnp.types.step_spec import (
    GAMMA_CODES,
    LOSS_CODES,
    STEP_TERMS,
    InferenceSpec,
    LearningSpec,
    StepSpec,
)

from .loop import PARTS, Loop, UpdateInputs, Work
from .losses import Scope, loss_of, of_second_order, stages_of
from .records import CHOOSING, TRAINING, Accumulators, ModelArrays, Plan, StepInputs
from .stages import place_of, ready
from .tile import Tile, blocks, tile

_FIXED = GAMMA_CODES["fixed"]


def _forms(*forms: QuadraticForm) -> Array:
    return np.array([(form.c_each, form.c_mean, form.d_each, form.d_mean) for form in forms])


def _plan(spec: StepSpec, loss: InferenceSpec | LearningSpec, batch: int, tiles: int) -> Plan:
    """Return the constants of the update that a loss belongs to."""
    if isinstance(loss, LearningSpec):
        rule, stream, weight, follows = spec.decoder_optimizer, spec.streams[1], 1.0, False
        forms = _forms(loss.form_for_gamma, loss.form)
        gamma, floor = GAMMA_CODES[loss.gamma], loss.gamma_floor
        first = len(STEP_TERMS[spec.inference.loss]) + 1
        left_out = 1 if loss.loss == "score-matching" and not loss.form.crosses else -1
    else:
        rule, stream, weight, follows = spec.encoder_optimizer, spec.streams[0], loss.weight, loss.follows
        forms, gamma, floor, first, left_out = np.zeros((2, 4)), _FIXED, 0.0, 0, -1
    known = loss_of(loss)
    scope = Scope(batch, batch * loss.samples, spec.encoder.widths[0], float(weight))
    return Plan(
        kind=LOSS_CODES[loss.loss], share=place_of(known.share), tiles=tiles,
        learns=int(isinstance(loss, LearningSpec)), weight=float(weight), follows=int(follows),
        by_probe=int(loss.probe), forms=forms, terms=np.array(known.terms(scope), np.float64), gamma=gamma,
        gamma_floor=float(floor), log_sd=spec.log_sd, first_cause=first, left_out=left_out, stream=stream,
        probe=spec.streams[2], beta1=float(rule.beta1), beta2=float(rule.beta2), eps=float(rule.eps),
    )  # fmt: skip


class Update:
    """The update of one network, for batches of one size.

    Parameters
    ----------
    spec : StepSpec
        Specification of the fused step.
    loss : InferenceSpec or LearningSpec
        The loss of the update: inference for the encoder, learning for the decoder.
    batch : int
        Number of rows N of a batch.
    """

    def __init__(self, spec: StepSpec, loss: InferenceSpec | LearningSpec, batch: int) -> None:
        learns = isinstance(loss, LearningSpec)
        self._stages, second_order = stages_of(loss), of_second_order(loss)
        dtype, size = np.dtype(spec.dtype), (spec.decoder if learns else spec.encoder).size
        adam = (spec.decoder_optimizer if learns else spec.encoder_optimizer).adam
        self._tiles: list[Tile] = [
            tile(spec, loss.samples, batch, second_order, adam) for _ in range(spec.threads)
        ]
        count = blocks(batch, int(self._tiles[0].at["width"][0]))
        self._plan = _plan(spec, loss, batch, blocks(count, PARTS))
        self._parts = blocks(count, self._plan.tiles)
        plain = size if learns and loss.loss == "joint" else 0
        self._accumulators = [
            Accumulators(
                np.zeros((self._parts, size), dtype), np.zeros((self._parts, plain), dtype),
                np.zeros(size, dtype), np.zeros((self._parts, 4)),
            )
            for _ in range(spec.threads)
        ]  # fmt: skip
        self._arrays: ModelArrays | None = None
        self._own: list[Loop] = []
        self._shared: list[Loop] = []

    def prepare(self, arrays: ModelArrays) -> None:
        """Compile the stages and loops for these arrays, unless they were prepared for them before."""
        if arrays is self._arrays:
            return
        accumulators, plan = self._accumulators, self._plan
        example = StepInputs(np.zeros((1, 1), accumulators[0].g.dtype), 0, 0)
        for each in self._tiles:
            ready(each, self._stages, accumulators=accumulators[0], arrays=arrays, inputs=example, plan=plan)
        pairs = zip(self._tiles, accumulators, strict=True)
        self._own = [Loop(Work(each, accumulators, arrays, plan)) for each, accumulators in pairs]
        self._shared = [Loop(Work(each, accumulators[0], arrays, plan)) for each in self._tiles]
        self._arrays = arrays

    def models(self, thread: int, inputs: UpdateInputs, low: int, high: int) -> None:
        """Update models ``low .. high`` in the memory of a thread."""
        self._own[thread](inputs, (low, high), (0, self._parts), (CHOOSING, TRAINING + 1))

    def shared(self, pool: Executor, inputs: UpdateInputs) -> None:
        """Update a single model, whose parts are shared among the threads of a pool."""
        sharers = min(len(self._tiles), self._parts)
        cuts = [self._parts * i // sharers for i in range(sharers + 1)]
        for turn in (CHOOSING, TRAINING):
            turns = turn, turn + 1
            jobs = [
                pool.submit(loop, inputs, (0, 1), parts, turns, finishes=False)
                for loop, parts in zip(self._shared, pairwise(cuts), strict=False)
            ]
            for job in jobs:
                job.result()
            self._shared[0](inputs, (0, 1), (0, 0), turns, gathers=False)


def updates(spec: StepSpec, batch: int) -> Iterator[Update]:
    """Yield the encoder's and the decoder's update."""
    yield Update(spec, spec.inference, batch)
    yield Update(spec, spec.learning, batch)
