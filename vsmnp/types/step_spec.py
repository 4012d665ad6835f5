"""Describe a training step by plain records, for which a fused step is compiled, and define its terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias, get_args

from .arrays import ActivationName, Array, QuadraticForm
from .kl_weight import WEIGHTING, is_weighted


class StepLoss(StrEnum):
    """The losses of a fused step, each with its terms in the order in which the step returns them.

    The term "cross" is returned only for a form with s^q. Compiled steps number the losses in this order.
    """

    terms: tuple[str, ...]

    def __new__(cls, name: str, *terms: str) -> Self:
        loss = str.__new__(cls, name)
        loss._value_, loss.terms = name, terms
        return loss

    KL = "kl", "reconstruction", "kl"
    FISHER = "fisher", "posterior_fisher"
    ELBO = "elbo", "reconstruction", "kl"
    SCORE_MATCHING = "score-matching", "score_square", "cross", "divergence"
    JOINT = "joint", "posterior_fisher", "score_square", "divergence", "score_norm"
    AS_PUBLISHED = "as-published", "score_square", "cross", "divergence"


InferenceLoss: TypeAlias = Literal[StepLoss.KL, StepLoss.FISHER, StepLoss.JOINT]
LearningLoss: TypeAlias = Literal[
    StepLoss.ELBO, StepLoss.SCORE_MATCHING, StepLoss.JOINT, StepLoss.AS_PUBLISHED
]
GammaName: TypeAlias = Literal["learn", "fixed", "optimal"]


@dataclass(frozen=True)
class NetworkSpec:
    """A multi-layer perceptron whose parameters lie in a flat vector.

    Attributes
    ----------
    widths : tuple of int
        Input, hidden and output widths.
    activation : str
        Activation between the dense layers.
    output : str or None
        Activation after the last layer, if any.
    weights, biases : tuple of int
        Offsets in the vector of ``w (O, I)`` and ``b (O,)`` of each layer.
    size : int
        P, the length of the vector.
    """

    widths: tuple[int, ...]
    activation: ActivationName
    output: ActivationName | None
    weights: tuple[int, ...]
    biases: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class InferenceSpec:
    """The loss of phi: the KL, the posterior Fisher, or the inference part of the joint Fisher divergence.

    Attributes
    ----------
    follows : bool
        Whether z is reparametrised in a Fisher divergence; it always is in KL.
    weight : float
        Factor of the loss.
    probe : bool
        Whether the joint divergence's ``E|s^q|^2`` comes from a Rademacher probe.
    covariance : bool
        Whether ``|d|^2`` is weighted by the covariance of q, for a Fisher divergence with z held fixed.
    kl_weight, kl_warmup : float
        Weight of ``KL[q || p]`` in KL, and the number of updates in which it grows; see
        :mod:`vsmnp.types.kl_weight`.
    """

    loss: InferenceLoss
    samples: int
    follows: bool = True
    weight: float = 1.0
    probe: bool = False
    covariance: bool = False
    kl_weight: float = 1.0
    kl_warmup: float = 0.0

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms of the loss in the order in which a fused step returns them."""
        return _terms(self)


@dataclass(frozen=True)
class LearningSpec:
    """The loss of theta: the ELBO or a score-matching loss, both one quadratic form, or the joint divergence.

    A loss as published has the form of means over the minibatch, and ``-grad_x sum log s`` for ``s^q``.

    Attributes
    ----------
    form, form_for_gamma : QuadraticForm
        The form of the gradient, and the form of the optimal gamma.
    gamma_floor : float
        Lower bound of the optimal gamma.
    probe, kl_weight, kl_warmup
        As in :class:`InferenceSpec`; the weight is that of the ELBO.
    """

    loss: LearningLoss
    samples: int
    form: QuadraticForm
    form_for_gamma: QuadraticForm
    gamma: GammaName
    gamma_floor: float
    probe: bool = False
    kl_weight: float = 1.0
    kl_warmup: float = 0.0

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms of the loss in the order in which a fused step returns them."""
        return _terms(self)


@dataclass(frozen=True)
class BilevelSpec:
    """The bi-level updates before the decoder's update.

    Attributes
    ----------
    steps : int
        K, number of updates.
    inner : InferenceSpec
        The loss of the updates.
    keeps_dependence : bool
        Whether the dependence of the updates on theta is in the decoder's gradient.
    keeps_phi : bool
        Whether the encoder goes on from phi_K.
    """

    steps: int
    inner: InferenceSpec
    keeps_dependence: bool = True
    keeps_phi: bool = False


#: The quadratic form of a loss that has none.
NO_FORM = QuadraticForm(0.0, 0.0)


@dataclass(frozen=True)
class OptimizerSpec:
    """The record of an optimizer: Adam with its constants, or gradient descent, which has none."""

    adam: bool
    beta1: float = 0.0
    beta2: float = 0.0
    eps: float = 0.0


@dataclass(frozen=True)
class StepSpec:
    """Everything that a fused training step is compiled for, as plain numbers and strings.

    Attributes
    ----------
    encoder, decoder : NetworkSpec
        The networks from x to ``(mu, rho)``, and from z to g.
    log_sd : int
        Offset of ``l = log sqrt(gamma)`` in theta.
    d_z : int
        Latent dimension.
    scale : str
        The function S of ``s = S(rho)``.
    encoder_steps : int
        J, encoder updates per training step.
    streams : tuple of int
        Random streams of the noise of inference, of learning, of the probes, and of bi-level updates.
    threads : int
        Number of threads of a fused step.
    bilevel : BilevelSpec or None
        The bi-level updates, if there are any.
    """

    encoder: NetworkSpec
    decoder: NetworkSpec
    log_sd: int
    d_z: int
    scale: ActivationName
    inference: InferenceSpec
    learning: LearningSpec
    encoder_optimizer: OptimizerSpec
    decoder_optimizer: OptimizerSpec
    encoder_steps: int
    streams: tuple[int, int, int, int]
    threads: int
    dtype: str
    bilevel: BilevelSpec | None = None


def _terms(loss: InferenceSpec | LearningSpec) -> tuple[str, ...]:
    return loss.loss.terms + (WEIGHTING,) * is_weighted(loss.kl_weight, loss.kl_warmup)


#: Numbers that stand for the losses and for the rules of gamma in compiled steps.
LOSS_CODES: Mapping[StepLoss, int] = {loss: code for code, loss in enumerate(StepLoss)}
GAMMA_CODES: Mapping[str, int] = {name: code for code, name in enumerate(get_args(GammaName))}


class StepTerms(NamedTuple):
    """The terms ``(terms, R)`` of both losses of a fused step, in the order of the specifications."""

    inference: Array
    learning: Array


class StepSizes(NamedTuple):
    """The step sizes of the encoder's, the decoder's and the bi-level updates, each ``(R,)``."""

    encoder: Array
    decoder: Array
    bilevel: Array


class FusedStep(Protocol):
    """A whole training step in one call, with the semantics of the composed step."""

    def __call__(self, state: Any, xs: Sequence[Array], seeds: Sequence[int], sizes: StepSizes) -> StepTerms:
        """Advance the arrays of the state in place by J encoder updates and one decoder update.

        Parameters
        ----------
        state : State
            State of the run; ``state.step`` is the position in the random streams and is not changed.
        xs : sequence of Array
            The J + 1 minibatches ``(1, 1, N, D)``, the decoder's last.
        seeds : sequence of int
            One seed per model.
        sizes : StepSizes
            The step sizes of the models.
        """
