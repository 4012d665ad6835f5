"""A training step as a plain record: what a fused step is specialised on, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from .arrays import ActivationName, Array, QuadraticForm

InferenceName: TypeAlias = Literal["kl", "fisher", "joint"]
LearningName: TypeAlias = Literal["elbo", "score-matching", "joint"]
GammaName: TypeAlias = Literal["learn", "fixed", "optimal"]


@dataclass(frozen=True)
class NetworkSpec:
    """A perceptron whose parameters lie in a flat vector.

    Attributes
    ----------
    widths : tuple of int
        Input, hidden and output widths.
    activation : str
        Between the dense layers.
    output : str or None
        Past the last one, if anything.
    weights, biases : tuple of int
        Where ``w (O, I)`` and ``b (O,)`` of each layer start in the vector.
    size : int
        P, elements of the vector.
    """

    widths: tuple[int, ...]
    activation: ActivationName
    output: ActivationName | None
    weights: tuple[int, ...]
    biases: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class InferenceSpec:
    """What trains phi: the KL divergence, the posterior Fisher divergence, or the joint one's share.

    Attributes
    ----------
    follows : bool
        Whether z follows phi in a Fisher divergence; it always does in KL.
    weight : float
        A factor on the loss.
    probe : bool
        Whether the joint divergence's ``E|s^q|^2`` comes from a Rademacher probe.
    """

    loss: InferenceName
    samples: int
    follows: bool = True
    weight: float = 1.0
    probe: bool = False


@dataclass(frozen=True)
class LearningSpec:
    """What trains theta: the ELBO or a score-matching loss, both one quadratic form, or the joint one.

    Attributes
    ----------
    form, form_for_gamma : QuadraticForm
        Of the gradient, and of the optimal gamma.
    gamma_floor : float
        The least optimal gamma.
    probe : bool
        As in :class:`InferenceSpec`.
    """

    loss: LearningName
    samples: int
    form: QuadraticForm
    form_for_gamma: QuadraticForm
    gamma: GammaName
    gamma_floor: float
    probe: bool = False


@dataclass(frozen=True)
class OptimizerSpec:
    """Adam with its constants, or plain gradient descent, which has none."""

    adam: bool
    beta1: float = 0.0
    beta2: float = 0.0
    eps: float = 0.0


@dataclass(frozen=True)
class StepSpec:
    """Everything that a fused training step is specialised on, and nothing that is not plain.

    Attributes
    ----------
    encoder, decoder : NetworkSpec
        x to ``(mu, rho)``, and z to g.
    log_sd : int
        Where ``l = log sqrt(gamma)`` lies in theta.
    d_z : int
        Latent dimension.
    scale : str
        S of ``s = S(rho)``.
    encoder_steps : int
        J.
    streams : tuple of int
        Of the noise of inference, of learning, and of the probes.
    threads : int
        To share the work among.
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
    streams: tuple[int, int, int]
    threads: int
    dtype: str


#: The terms of each loss in the order in which a fused step returns them; "cross" only where a form crosses.
STEP_TERMS: Mapping[str, tuple[str, ...]] = {
    "kl": ("reconstruction", "kl"),
    "fisher": ("posterior_fisher",),
    "elbo": ("reconstruction", "kl"),
    "score-matching": ("score_square", "cross", "divergence"),
    "joint": ("posterior_fisher", "score_square", "divergence", "score_norm"),
}


class StepTerms(NamedTuple):
    """What a fused step returns: the terms ``(terms, R)`` of both losses in the order of ``STEP_TERMS``."""

    inference: Array
    learning: Array


class FusedStep(Protocol):
    """A whole training step in one call; it obeys the laws of the composed one."""

    def __call__(
        self, state: Any, xs: Sequence[Array], seeds: Sequence[int], encoder_lr: Array, decoder_lr: Array
    ) -> StepTerms:
        """Advance the arrays of the state in place by J encoder updates and one decoder update.

        Parameters
        ----------
        state : State
            Of the run; ``state.step`` says where in the noise it is, and stays as it is.
        xs : sequence of Array
            The J + 1 minibatches ``(1, 1, N, D)``, the decoder's last.
        seeds : sequence of int
            One a model.
        encoder_lr, decoder_lr : Array
            ``(R,)``.
        """
