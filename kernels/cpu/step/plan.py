"""The encoder's and the decoder's update of the fused step: their stages, constants and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import pairwise
from typing import Any

import numpy as np

from vsmnp.types.arrays import Array, QuadraticForm
from vsmnp.types.step_spec import STEP_TERMS, InferenceSpec, LearningSpec, OptimizerSpec, StepSpec

from . import inference, joint_fisher, quadratic  # noqa: F401  (their stages)
from .loop import PARTS, Here, Loop, Work
from .records import (
    CHOOSING,
    ELBO,
    FISHER,
    FIXED,
    JOINT,
    KL,
    LEARNED,
    OPTIMAL,
    SCORE_MATCHING,
    TRAINING,
    Accumulators,
    ModelArrays,
    Plan,
    StepInputs,
)
from .stages import ready
from .tile import (
    BACKWARD,
    BACKWARD_ALONG,
    BLANK,
    CURVATURE,
    DECODE,
    ENCODE,
    FINISH,
    FISHER_SHARE,
    FORWARD,
    GAPS,
    JOINT_LEARNING_SHARE,
    JOINT_SHARE,
    KL_SHARE,
    KL_SUM,
    MIX,
    PLACE,
    PULL_GAP,
    PUSH,
    QUADRATIC_SHARE,
    SCALED,
    SCORE_NORM,
    SCORES,
    WIDTH,
    Tile,
    blocks,
    tile,
)

_COMMON = FORWARD, BACKWARD, ENCODE, PLACE, DECODE, FINISH, BLANK, SCALED
_SECOND_ORDER = PUSH, BACKWARD_ALONG
_NONE = np.zeros((0, 5))


def _forms(*forms: QuadraticForm) -> Array:
    return np.array([(form.c_each, form.c_mean, form.d_each, form.d_mean) for form in forms])


def _terms(kind: int, weight: float, d_x: int, batch: int, samples: int) -> Array:
    """Tabulate the terms of a loss in the order of ``STEP_TERMS``, then other parts of its slope in l."""
    rows = batch * samples
    divergence = (-1, -d_x, 1, 0, 0)
    reconstruction = d_x, 0.5 * d_x * math.log(2 * math.pi)
    terms = {
        KL: [(0, 0.5 / rows, 1, *reconstruction), (1, 1 / batch, 0, 0, 0)],
        FISHER: [(0, 0.5 * weight / rows, 0, 0, 0)],
        ELBO: [(0, 0.5 / batch, 1, *reconstruction), (2, 1 / batch, 0, 0, 0)],
        SCORE_MATCHING: [(0, 0.5 / batch, 2, 0, 0), (1, 1 / batch, 1, 0, 0), divergence],
        JOINT: [
            (0, 0.5 / rows, 0, 0, 0), (1, 0.5 / rows, 2, 0, 0), divergence, (2, 0.5 / rows, 0, 0, 0),
            (3, 2 / rows, 0, 0, 0),
        ],
    }  # fmt: skip
    return np.array(terms[kind], np.float64)


def _optimizer(optimizer: OptimizerSpec) -> dict[str, Any]:
    return {"beta1": float(optimizer.beta1), "beta2": float(optimizer.beta2), "eps": float(optimizer.eps)}


def _inference(spec: StepSpec) -> tuple[Plan, tuple[int, ...]]:
    """Return the plan of the encoder's update, and the stages that it calls."""
    loss = spec.inference
    kind = {"kl": KL, "fisher": FISHER, "joint": JOINT}[loss.loss]
    share = {KL: KL_SHARE, FISHER: FISHER_SHARE, JOINT: JOINT_SHARE}[kind]
    stages: tuple[int, ...] = (*_COMMON, share)
    if kind == KL:
        stages += (KL_SUM,)
    else:
        stages += GAPS, PULL_GAP
        if loss.follows:
            stages += (CURVATURE, *_SECOND_ORDER)
    if kind == JOINT:
        stages += (SCORE_NORM, *_SECOND_ORDER)
    stream, _, probe = spec.streams
    plan = Plan(
        kind=kind, share=share, tiles=0, learns=0, weight=float(loss.weight), follows=int(loss.follows),
        by_probe=int(loss.probe), forms=np.zeros((2, 4)), terms=_NONE, gamma=FIXED, gamma_floor=0.0,
        log_sd=spec.log_sd, first_cause=0, left_out=-1, stream=stream, probe=probe,
        **_optimizer(spec.encoder_optimizer),
    )  # fmt: skip
    return plan, stages


def _learning(spec: StepSpec) -> tuple[Plan, tuple[int, ...]]:
    """Return the plan of the decoder's update, and the stages that it calls."""
    loss = spec.learning
    kind = {"elbo": ELBO, "score-matching": SCORE_MATCHING, "joint": JOINT}[loss.loss]
    share = JOINT_LEARNING_SHARE if kind == JOINT else QUADRATIC_SHARE
    stages: tuple[int, ...] = (*_COMMON, share)
    forms = loss.form, loss.form_for_gamma
    if any(form.crosses for form in forms):
        stages += (SCORES,)
    if any(form.crosses or form.c_mean for form in forms):
        stages += (MIX,)
    if kind == ELBO:
        stages += (KL_SUM,)
    if kind == JOINT:
        stages += (GAPS, SCORE_NORM, *_SECOND_ORDER)
    gamma = {"fixed": FIXED, "learn": LEARNED, "optimal": OPTIMAL}[loss.gamma]
    _, stream, probe = spec.streams
    plan = Plan(
        kind=kind, share=share, tiles=0, learns=1, weight=1.0, follows=0, by_probe=int(loss.probe),
        forms=_forms(loss.form_for_gamma, loss.form), terms=_NONE, gamma=gamma,
        gamma_floor=float(loss.gamma_floor), log_sd=spec.log_sd,
        first_cause=len(STEP_TERMS[spec.inference.loss]) + 1,
        left_out=1 if kind == SCORE_MATCHING and not loss.form.crosses else -1, stream=stream, probe=probe,
        **_optimizer(spec.decoder_optimizer),
    )  # fmt: skip
    return plan, stages


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
        plan, self._stages = _learning(spec) if learns else _inference(spec)
        dtype, size = np.dtype(spec.dtype), (spec.decoder if learns else spec.encoder).size
        second_order = BACKWARD_ALONG in self._stages
        adam = (spec.decoder_optimizer if learns else spec.encoder_optimizer).adam
        self._tiles: list[Tile] = [
            tile(spec, loss.samples, batch, second_order, adam) for _ in range(spec.threads)
        ]
        count = blocks(batch, int(self._tiles[0].at[WIDTH]))
        terms = _terms(plan.kind, plan.weight, spec.encoder.widths[0], batch, loss.samples)
        self._plan = plan._replace(tiles=blocks(count, PARTS), terms=terms)
        self._parts = blocks(count, self._plan.tiles)
        plain = size if learns and plan.kind == JOINT else 0
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

    def models(self, thread: int, here: Here, low: int, high: int) -> None:
        """Update models ``low .. high`` in the memory of a thread."""
        self._own[thread](here, (low, high), (0, self._parts), (CHOOSING, TRAINING + 1))

    def shared(self, pool: Executor, here: Here) -> None:
        """Update a single model, whose parts are shared among the threads of a pool."""
        sharers = min(len(self._tiles), self._parts)
        cuts = [self._parts * i // sharers for i in range(sharers + 1)]
        for turn in (CHOOSING, TRAINING):
            turns = turn, turn + 1
            jobs = [
                pool.submit(loop, here, (0, 1), parts, turns, finishes=False)
                for loop, parts in zip(self._shared, pairwise(cuts), strict=False)
            ]
            for job in jobs:
                job.result()
            self._shared[0](here, (0, 1), (0, 0), turns, gathers=False)


def updates(spec: StepSpec, batch: int) -> Iterator[Update]:
    """Yield the encoder's and the decoder's update."""
    yield Update(spec, spec.inference, batch)
    yield Update(spec, spec.learning, batch)
