"""The losses of the fused step: the stages that compute each gradient, and the terms of each loss.

The composed objectives of the same losses are in ``vsmnp/objectives/``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from vsmnp.types.step_spec import InferenceSpec, LearningSpec, StepSpec

from ...formulas.activations import ACTIVATIONS
from ...formulas.elementary import Formula
from .finish import finish
from .inference import curvature, fisher, gaps, kl, pull_gap
from .joint_fisher import SCALES, joint_inference, joint_learning, score_norm
from .perceptron import backward, backward_along, forward, forward_along
from .quadratic import mix, quadratic, scores
from .sample import clear_padding, decode, encode, kl_sum, sample_z, scale

#: A row of the table of terms, with the columns ``WHICH .. CONSTANT`` of ``records.py``.
Row: TypeAlias = tuple[float, float, float, float, float]


class Scope(NamedTuple):
    """The arguments of the factors of the terms: data of a batch, samples in it, dimension, weight."""

    batch: int
    rows: int
    d_x: int
    weight: float


class Loss(NamedTuple):
    """A loss that the fused step implements.

    Attributes
    ----------
    share : stage
        Adds a tile's share of the gradient and of the sums.
    stages : callable
        The stages that ``share`` calls for a specification of the loss, besides those of every loss.
    terms : callable
        The terms of the loss in the order of ``STEP_TERMS``, then other parts of its slope in l.
    """

    share: Formula
    stages: Callable[[Any], tuple[Formula, ...]]
    terms: Callable[[Scope], list[Row]]


_EVERY = forward, backward, encode, sample_z, decode, clear_padding, scale, finish
_TANGENTS = forward_along, backward_along


def _gaps(loss: InferenceSpec) -> tuple[Formula, ...]:
    return (gaps, pull_gap, curvature, *_TANGENTS) if loss.follows else (gaps, pull_gap)


def _quadratic(loss: LearningSpec) -> tuple[Formula, ...]:
    forms = loss.form, loss.form_for_gamma
    crosses = any(form.crosses for form in forms)
    mixes = crosses or any(form.c_mean for form in forms)
    return (*[scores] * crosses, *[mix] * mixes)


def _reconstruction(n: Scope) -> tuple[float, float]:
    return n.d_x, 0.5 * n.d_x * math.log(2 * math.pi)


def _joint_terms(n: Scope) -> list[Row]:
    return [
        (0, 0.5 / n.rows, 0, 0, 0), (1, 0.5 / n.rows, 2, 0, 0), (-1, -n.d_x, 1, 0, 0),
        (2, 0.5 / n.rows, 0, 0, 0), (3, 2 / n.rows, 0, 0, 0),
    ]  # fmt: skip


#: The losses of phi by their names in :class:`~vsmnp.types.step_spec.InferenceSpec`.
INFERENCE: Mapping[str, Loss] = MappingProxyType({
    "kl": Loss(
        kl,
        lambda loss: (kl_sum,),
        lambda n: [(0, 0.5 / n.rows, 1, *_reconstruction(n)), (1, 1 / n.batch, 0, 0, 0)],
    ),
    "fisher": Loss(fisher, _gaps, lambda n: [(0, 0.5 * n.weight / n.rows, 0, 0, 0)]),
    "joint": Loss(joint_inference, lambda loss: (*_gaps(loss), score_norm, *_TANGENTS), _joint_terms),
})  # fmt: skip

#: The losses of theta by their names in :class:`~vsmnp.types.step_spec.LearningSpec`.
LEARNING: Mapping[str, Loss] = MappingProxyType({
    "elbo": Loss(
        quadratic,
        lambda loss: (kl_sum, *_quadratic(loss)),
        lambda n: [(0, 0.5 / n.batch, 1, *_reconstruction(n)), (2, 1 / n.batch, 0, 0, 0)],
    ),
    "score-matching": Loss(
        quadratic,
        _quadratic,
        lambda n: [(0, 0.5 / n.batch, 2, 0, 0), (1, 1 / n.batch, 1, 0, 0), (-1, -n.d_x, 1, 0, 0)],
    ),
    "joint": Loss(joint_learning, lambda loss: (gaps, score_norm, *_TANGENTS), _joint_terms),
})  # fmt: skip


def loss_of(spec: InferenceSpec | LearningSpec) -> Loss:
    """Return the loss that a specification names."""
    return (LEARNING if isinstance(spec, LearningSpec) else INFERENCE)[spec.loss]


def stages_of(spec: InferenceSpec | LearningSpec) -> set[Formula]:
    """Return all stages of an update, its share included."""
    loss = loss_of(spec)
    return {*_EVERY, loss.share, *loss.stages(spec)}


def of_second_order(spec: InferenceSpec | LearningSpec) -> bool:
    """Return whether the loss needs tangents of the networks."""
    return backward_along in stages_of(spec)


def known(spec: StepSpec) -> bool:
    """Return whether the losses and the activations of a step are those of the fused step."""
    nets = spec.encoder, spec.decoder
    joint = "joint" in (spec.inference.loss, spec.learning.loss)
    names = {spec.scale, *(name for net in nets for name in (net.activation, net.output) if name is not None)}
    return (
        spec.inference.loss in INFERENCE
        and spec.learning.loss in LEARNING
        and names <= ACTIVATIONS.keys()
        and spec.encoder.output is None
        and (not joint or spec.scale in SCALES)
    )
