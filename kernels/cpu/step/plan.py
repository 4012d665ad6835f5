"""The updates of the fused step: their constants and their memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from vsmnp.types.arrays import Array, QuadraticForm
from vsmnp.types.division import Division
from vsmnp.types.kl_weight import WEIGHTING
from vsmnp.types.step_spec import (
    GAMMA_CODES,
    LOSS_CODES,
    BilevelSpec,
    InferenceSpec,
    LearningSpec,
    StepLoss,
    StepSpec,
)

from .loop import PARTS, Loop, UpdateInputs, Work
from .losses import BACK, DECODER, ENCODER, INNER, OUTER, Role, Scope
from .records import CHOOSING, SUMS, TRAINING, Accumulators, ModelArrays, StepInputs, UpdatePlan
from .stages import place_of, ready
from .tile import Needs, Slots, blocks, kept_bytes, slots, tile_in, tile_width

#: Memory of a thread for the tiles of bi-level updates. An update whose tiles are not kept, because the later
#: ones fill this memory, is computed again on the way back.
KEPT_BYTES = 1 << 23


def _forms(*forms: QuadraticForm) -> Array:
    return np.array([(form.c_each, form.c_mean, form.d_each, form.d_mean) for form in forms])


def _plan(
    spec: StepSpec, role: Role, loss: InferenceSpec | LearningSpec, batch: int, tiles: int
) -> UpdatePlan:
    """Return the constants of an update in that role."""
    learning, updates = spec.learning, spec.bilevel
    rule = spec.decoder_optimizer if role.of_decoder else spec.encoder_optimizer
    gamma = GAMMA_CODES[learning.gamma] if role.of_decoder else GAMMA_CODES["fixed"]
    first = len(spec.inference.terms) + 1 + (updates is not None) if role.of_decoder else 0
    terms = learning.loss.terms if role.of_decoder and not learning.form.crosses else ()
    left_out = terms.index("cross") if "cross" in terms else -1
    if isinstance(loss, LearningSpec):
        forms, weight, follows, covariance = _forms(loss.form_for_gamma, loss.form), 1.0, False, False
    else:
        forms, weight, follows, covariance = np.zeros((2, 4)), loss.weight, loss.follows, loss.covariance
    known = role.losses[loss.loss]
    scope = Scope(batch, batch * loss.samples, spec.encoder.widths[0], float(weight))
    return UpdatePlan(
        share=place_of(known.share), finish=place_of(role.finish), kind=LOSS_CODES[loss.loss], tiles=tiles,
        trains_theta=int(role.of_decoder), weight=float(weight), follows=int(follows),
        by_probe=int(loss.probe), covariance=int(covariance), wants_phi=int(role.of_both),
        has_prior=int(loss.loss is StepLoss.ELBO), kl_weight=float(loss.kl_weight),
        kl_warmup=float(loss.kl_warmup),
        weighting=loss.terms.index(WEIGHTING) if WEIGHTING in loss.terms else -1, forms=forms,
        terms=np.array(known.terms(scope), np.float64), gamma=gamma, gamma_floor=float(learning.gamma_floor),
        first_pass=int(known.has_means or (isinstance(loss, LearningSpec) and loss.gamma == "optimal")),
        keeps_phi=int(role.of_decoder and updates is not None and updates.keeps_phi), log_sd=spec.log_sd,
        first_cause=first, left_out=left_out, stream=spec.streams[role.stream],
        probe=spec.streams[2], beta1=float(rule.beta1), beta2=float(rule.beta2), eps=float(rule.eps),
    )  # fmt: skip


class Update:
    """The update of one network, for batches of one size.

    Parameters
    ----------
    spec : StepSpec
        Specification of the fused step.
    role : Role
        The kind of the update.
    loss : InferenceSpec or LearningSpec
        The loss of the update.
    batch : int
        Number of rows N of a batch.
    kept : int
        Number of bi-level updates whose tiles are kept.
    other : Update, optional
        The update whose memory of tiles this one uses too: it reads what this one has computed.
    """

    def __init__(
        self, spec: StepSpec, role: Role, loss: InferenceSpec | LearningSpec, batch: int, kept: int = 0,
        other: Update | None = None,
    ) -> None:  # fmt: skip
        self._stages, self.kept = role.stages(loss), kept
        dtype, size = np.dtype(spec.dtype), (spec.decoder if role.of_decoder else spec.encoder).size
        adam = (spec.decoder_optimizer if role.of_decoder else spec.encoder_optimizer).adam
        self._count = blocks(batch, tile_width(batch, loss.samples, dtype))
        needs = Needs(role.needs_tangents(loss), role is BACK, kept * self._count)
        self._slots: list[Slots] = (
            [each._replace(inner_loops=each.inner_loops.copy()) for each in other._slots]
            if other
            else [slots(spec, loss.samples, batch, adam, needs) for _ in range(spec.threads)]
        )
        self._plan = _plan(spec, role, loss, batch, blocks(self._count, PARTS))
        self._parts = blocks(self._count, self._plan.tiles)
        is_joint = role.of_decoder and loss.loss is StepLoss.JOINT
        second = spec.encoder.size if role.of_both else size if is_joint else 0
        self._accumulators = [
            Accumulators(
                np.zeros((self._parts, size), dtype), np.zeros((self._parts, second), dtype),
                np.zeros(size, dtype), np.zeros((self._parts, SUMS + role.losses[loss.loss].means(spec))),
            )
            for _ in range(spec.threads)
        ]  # fmt: skip
        self._arrays: Sequence[ModelArrays] = ()
        self._own: list[list[Loop]] = []
        self._shared: list[list[Loop]] = []

    def prepare(self, arrays: Sequence[ModelArrays]) -> None:
        """Compile the stages and loops for these arrays, unless they were prepared for them before.

        The update is done with one of them, which :meth:`models` and :meth:`shared` are given the index of.
        """
        if arrays is self._arrays:
            return
        accumulators, plan = self._accumulators, self._plan
        example = StepInputs(np.zeros((1, 1), accumulators[0].g.dtype), 0, 1, 0, 0)
        records = {"accumulators": accumulators[0], "arrays": arrays[0], "inputs": example, "plan": plan}
        for each in self._slots:
            ready(tile_in(each, 0), self._stages, **records)
        pairs = list(zip(self._slots, accumulators, strict=True))
        first = [self._first_slot(which, len(arrays)) for which in range(len(arrays))]
        places = list(zip(arrays, first, strict=True))
        self._own = [[Loop(Work(each, own, some, plan, at)) for each, own in pairs] for some, at in places]
        self._shared = [
            [Loop(Work(each, accumulators[0], some, plan, at)) for each in self._slots] for some, at in places
        ]
        self._arrays = arrays

    def _first_slot(self, which: int, updates: int) -> int:
        """Return the first slot of an update: 0, or that of its kept tiles if it is one of the last."""
        place = which - (updates - self.kept)
        return 1 + place * self._count if place >= 0 and self.kept else 0

    @property
    def tile_bytes(self) -> int:
        """The memory of all tiles of a thread, in bytes."""
        return int(self._slots[0].planes.nbytes)

    @property
    def tables(self) -> list[Array]:
        """Addresses of the loops and stages of this update, one table for each thread."""
        return [each.inner_loops for each in self._slots]

    def models(self, which: int, thread: int, inputs: UpdateInputs, low: int, high: int) -> None:
        """Update models ``low .. high`` in the memory of a thread."""
        self._own[which][thread](inputs, (low, high), (0, self._parts), (CHOOSING, TRAINING + 1))

    def shared(self, which: int, pool: Executor, inputs: UpdateInputs) -> None:
        """Update a single model, whose parts are shared among the threads of a pool."""
        for pass_index in (CHOOSING, TRAINING):
            self._compute(which, pool, inputs, 0, pass_index)
            self._finish(which, inputs, 0, pass_index)

    def divided(
        self, which: int, pool: Executor, parts: Sequence[UpdateInputs], models: int, division: Division
    ) -> None:
        """Update all models, given the own parts of a divided minibatch.

        A part is a batch of its own: its gradients and sums are averaged over all parts of the minibatch, and
        are then those of the whole.
        """
        for pass_index in (CHOOSING, TRAINING):
            if pass_index == TRAINING or self._plan.first_pass:
                means = self._means(which, pool, parts, models, division, pass_index)
            for r in range(models):
                if pass_index == TRAINING or self._plan.first_pass:
                    for accumulator, mean in zip(self._summed, means, strict=True):
                        accumulator[:] = 0
                        accumulator[0] = mean[r]
                self._finish(which, parts[0], r, pass_index)

    @property
    def _summed(self) -> tuple[Array, Array, Array]:
        """The accumulators whose rows, one for each part, are summed to finish an update of one model."""
        first = self._accumulators[0]
        return first.sums, first.parts, first.others

    def _means(
        self, which: int, pool: Executor, parts: Sequence[UpdateInputs], models: int, division: Division,
        pass_index: int,
    ) -> tuple[Array, ...]:  # fmt: skip
        """Compute the sums and both gradients of all models, averaged over the parts of the minibatch."""
        found = []
        for part in parts:
            of_models = []
            for r in range(models):
                self._compute(which, pool, part, r, pass_index)
                of_models.append([accumulator.sum(0) for accumulator in self._summed])
            found.append([np.stack(each) for each in zip(*of_models, strict=True)])
        sums = division.means([each[:1] for each in found])
        return *sums, *division.means([each[1:] for each in found])

    def _compute(self, which: int, pool: Executor, inputs: UpdateInputs, r: int, pass_index: int) -> None:
        """Do a pass of model r, whose work is shared among the threads of a pool and this one."""
        sharers, loops = min(len(self._slots), self._parts), self._shared[which]
        cuts = [self._parts * i // sharers for i in range(sharers + 1)]
        model, passes, (own, *others) = (r, r + 1), (pass_index, pass_index + 1), pairwise(cuts)
        jobs = [
            pool.submit(loop, inputs, model, some, passes, finishes=False)
            for loop, some in zip(loops[1:], others, strict=False)
        ]
        loops[0](inputs, model, own, passes, finishes=False)
        for job in jobs:
            job.result()

    def _finish(self, which: int, inputs: UpdateInputs, r: int, pass_index: int) -> None:
        """Finish a pass of model r, whose gradients and sums are computed."""
        passes = pass_index, pass_index + 1
        self._shared[which][0](inputs, (r, r + 1), (0, 0), passes, computes=False)


class Updates(NamedTuple):
    """The updates of a step for batches of one size; the last two belong to bi-level learning.

    Where the bi-level updates are constants of the decoder's gradient, nothing goes back through them.
    """

    encoder: Update
    decoder: Update
    inner: Update | None = None
    back: Update | None = None


def updates(spec: StepSpec, batch: int, keeps: bool = True) -> Updates:
    """Return the updates of a step; ``keeps`` allows the tiles of bi-level updates to be kept.

    A divided step does an update of all its parts before the next update, so that one would overwrite them.
    """
    encoder, bilevel = Update(spec, ENCODER, spec.inference, batch), spec.bilevel
    if bilevel is None:
        return Updates(encoder, Update(spec, DECODER, spec.learning, batch))
    if not bilevel.keeps_dependence:
        inner = Update(spec, INNER, bilevel.inner, batch)
        return Updates(encoder, Update(spec, DECODER, spec.learning, batch), inner)
    back = Update(spec, BACK, bilevel.inner, batch, _updates_kept(spec, bilevel, batch) if keeps else 0)
    inner = Update(spec, INNER, bilevel.inner, batch, back.kept, back)
    return Updates(encoder, Update(spec, OUTER, spec.learning, batch), inner, back)


def _updates_kept(spec: StepSpec, bilevel: BilevelSpec, batch: int) -> int:
    """Return the number of bi-level updates whose tiles fit into the memory for them."""
    samples = bilevel.inner.samples
    tiles = blocks(batch, tile_width(batch, samples, spec.dtype))
    return min(bilevel.steps, KEPT_BYTES // (tiles * kept_bytes(spec, samples, batch)))
