"""The losses of the fused step: the stages that compute each gradient, and the terms of each loss.

The composed objectives of the same losses are in ``vsmnp/objectives/``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from vsmnp.types.step_spec import InferenceSpec, LearningSpec, StepLoss, StepSpec

from ...formulas.activations import ACTIVATIONS
from ...formulas.elementary import Formula
from .bilevel import finish_along, finish_inner, finish_outer
from .finish import finish
from .gradients.along import encoder_along, fisher_along, kl_along, q_along
from .gradients.as_published import as_published, published_score, through_published_score
from .gradients.inference import (
    curvature,
    fisher,
    gap_cotangent,
    gap_cotangents,
    gaps,
    kl,
    kl_cotangents,
    pathwise,
)
from .gradients.joint_fisher import joint_inference, joint_learning, score_norm
from .gradients.quadratic import mix, quadratic, scores
from .gradients.score_gradient import score_gradient
from .gradients.through_q import through_q
from .perceptron import backward, backward_along, forward, forward_again, forward_along
from .sample import clear_padding, decode, encode, kl_sum, residuals, sample_z, scale
from .weight_tangents import forward_along_weights, tangent_of_backward


class Term(NamedTuple):
    """A row of the table of terms, whose columns are explained in ``records.py``.

    The term of the sum ``which`` is ``factor gamma^-power sum + per_l l + constant``.
    """

    which: int
    factor: float
    power: int = 0
    per_l: float = 0.0
    constant: float = 0.0


#: The index of no sum: the term is a function of gamma alone.
_NO_SUM = -1


class Scope(NamedTuple):
    """The arguments of the factors of the terms: data of a batch, samples in it, dimension, weight."""

    batch: int
    rows: int
    d_x: int
    weight: float


class Loss(NamedTuple):
    """A loss that the fused step implements, or the derivative of its gradients along a direction of phi.

    Attributes
    ----------
    share : stage
        Adds a tile's share of the gradient and of the sums.
    stages : callable
        The stages that ``share`` calls for a specification of the loss, besides those of every loss.
    terms : callable
        The terms of the loss in the order of ``StepLoss.terms``, then other parts of its slope in l; a
        derivative has only the latter.
    through_q : callable
        The further stages that ``share`` calls where the gradient of a learning loss in phi is wanted too.
    has_means : bool
        Whether ``share`` needs the means of g - x over the batch, which a first pass computes.
    """

    share: Formula
    stages: Callable[[Any], tuple[Formula, ...]]
    terms: Callable[[Scope], list[Term]]
    through_q: Callable[[Any], tuple[Formula, ...]] = lambda loss: ()
    has_means: bool = False

    def means(self, spec: StepSpec) -> int:
        """Return the number of means over the batch: one for each sample and dimension of the data."""
        return spec.learning.samples * spec.encoder.widths[0] if self.has_means else 0


_EVERY = forward, backward, encode, sample_z, residuals, decode, clear_padding, scale
_TANGENTS = forward_along, backward_along
_ALONG = forward_again, forward_along, forward_along_weights, tangent_of_backward, q_along, encoder_along


def _gaps(loss: InferenceSpec) -> tuple[Formula, ...]:
    return (gaps, gap_cotangent, curvature, *_TANGENTS) if loss.follows else (gaps, gap_cotangent)


def _fisher(loss: InferenceSpec) -> tuple[Formula, ...]:
    return (*_gaps(loss), gap_cotangents)


def _quadratic(loss: LearningSpec) -> tuple[Formula, ...]:
    forms = loss.form, loss.form_for_gamma
    crosses = any(form.crosses for form in forms)
    mixes = crosses or any(form.c_mean for form in forms)
    return (*[scores] * crosses, *[mix] * mixes)


def _through_q(loss: LearningSpec) -> tuple[Formula, ...]:
    return (pathwise, through_q, *[score_gradient, *_TANGENTS] * loss.form.crosses)


def _published(loss: LearningSpec) -> tuple[Formula, ...]:
    return (published_score,) * loss.form.crosses


def _through_published(loss: LearningSpec) -> tuple[Formula, ...]:
    return (pathwise, *[through_published_score, score_gradient, *_TANGENTS] * loss.form.crosses)


def _score_matching(n: Scope) -> list[Term]:
    return [Term(0, 0.5 / n.batch, 2), Term(1, 1 / n.batch, 1), _divergence(n)]


def _reconstruction(n: Scope, mean: float) -> Term:
    """Return ``-log p(x|z)`` from the sum of ``|g - x|^2``; their mean is ``mean`` times the sum."""
    return Term(0, 0.5 * mean, 1, n.d_x, 0.5 * n.d_x * math.log(2 * math.pi))


def _divergence(n: Scope) -> Term:
    return Term(_NO_SUM, -n.d_x, 1)


def _joint_terms(n: Scope) -> list[Term]:
    return [
        Term(0, 0.5 / n.rows), Term(1, 0.5 / n.rows, 2), _divergence(n), Term(2, 0.5 / n.rows),
        Term(3, 2 / n.rows),
    ]  # fmt: skip


#: The losses of phi.
INFERENCE: Mapping[StepLoss, Loss] = MappingProxyType({
    StepLoss.KL: Loss(
        kl,
        lambda loss: (kl_sum, pathwise, kl_cotangents),
        lambda n: [_reconstruction(n, 1 / n.rows), Term(1, 1 / n.batch)],
    ),
    StepLoss.FISHER: Loss(fisher, _fisher, lambda n: [Term(0, 0.5 * n.weight / n.rows)]),
    StepLoss.JOINT: Loss(
        joint_inference, lambda loss: (*_gaps(loss), score_norm, score_gradient, *_TANGENTS), _joint_terms
    ),
})  # fmt: skip

#: The derivatives of the gradients of these losses along a direction of phi, for bi-level updates.
ALONG: Mapping[StepLoss, Loss] = MappingProxyType({
    StepLoss.KL: Loss(
        kl_along, lambda loss: (*_ALONG, pathwise, kl_cotangents), lambda n: [Term(0, -2.0)]
    ),
    StepLoss.FISHER: Loss(
        fisher_along, lambda loss: (*_ALONG, *_fisher(loss)), lambda n: [Term(0, -2.0)]
    ),
})  # fmt: skip

#: The losses of theta.
LEARNING: Mapping[StepLoss, Loss] = MappingProxyType({
    StepLoss.ELBO: Loss(
        quadratic,
        lambda loss: (kl_sum, *_quadratic(loss)),
        lambda n: [_reconstruction(n, 1 / n.batch), Term(2, 1 / n.batch)],
        _through_q,
    ),
    StepLoss.SCORE_MATCHING: Loss(quadratic, _quadratic, _score_matching, _through_q),
    StepLoss.JOINT: Loss(
        joint_learning, lambda loss: (gaps, score_norm, score_gradient, *_TANGENTS), _joint_terms
    ),
    StepLoss.AS_PUBLISHED: Loss(
        as_published, _published, _score_matching, _through_published, has_means=True
    ),
})  # fmt: skip


class Role(NamedTuple):
    """A kind of update of the fused step.

    Attributes
    ----------
    losses : mapping
        Its losses by name.
    finish : stage
        Finishes a pass.
    stream : int
        Index of the stream of its noise in ``StepSpec.streams``.
    of_decoder : bool
        Whether the gradient in theta is wanted, in the first place; otherwise that in phi.
    of_both : bool
        Whether the gradient in phi is wanted as well.
    """

    losses: Mapping[StepLoss, Loss]
    finish: Formula
    stream: int
    of_decoder: bool = False
    of_both: bool = False

    def stages(self, loss: InferenceSpec | LearningSpec) -> set[Formula]:
        """Return all stages of an update with this loss, its share included."""
        known = self.losses[loss.loss]
        found = {*_EVERY, self.finish, known.share, *known.stages(loss)}
        return found | {*known.through_q(loss)} if self.of_both else found

    def needs_tangents(self, loss: InferenceSpec | LearningSpec) -> bool:
        """Return whether an update with this loss needs tangents of the networks."""
        return forward_along in self.stages(loss)


#: The updates of a step: of the encoder; K bi-level ones of a copy of it; of the decoder; with bi-level
#: updates its loss at phi_K instead, and the derivatives of the bi-level updates, the last one first.
ENCODER = Role(INFERENCE, finish, 0)
INNER = Role(INFERENCE, finish_inner, 3)
DECODER = Role(LEARNING, finish, 1, of_decoder=True)
OUTER = Role(LEARNING, finish_outer, 1, of_decoder=True, of_both=True)
BACK = Role(ALONG, finish_along, 3, of_decoder=True, of_both=True)


def known(spec: StepSpec) -> bool:
    """Return whether the losses and the activations of a step are those of the fused step."""
    nets = spec.encoder, spec.decoder
    names = {spec.scale, *(name for net in nets for name in (net.activation, net.output) if name is not None)}
    return (
        spec.inference.loss in INFERENCE
        and spec.learning.loss in LEARNING
        and names <= ACTIVATIONS.keys()
        and (spec.bilevel is None or spec.bilevel.inner.loss in ALONG)
        and spec.encoder.output is None
    )
