"""Convert the objects of a run to the plain record of its fused step, and the step's terms to outcomes."""

from __future__ import annotations

from typing import cast

from ..layers.compose import Chain
from ..layers.dense import Dense
from ..layers.families import Elementwise
from ..model.gaussian import DiagonalGaussian
from ..model.layout import Layout
from ..model.vae import GaussianVAE
from ..objectives import (
    ELBO,
    KL,
    M1,
    M2,
    M3,
    FixedGamma,
    GammaRule,
    JointFisherInference,
    JointFisherLearning,
    LearnedGamma,
    Objective,
    OptimalGamma,
    Outcome,
    PosteriorFisher,
)
from ..objectives.quadratic import Learning
from ..rng import Stream
from ..types import ActivationName, Array, Layer, QuadraticForm
from ..types.step_spec import (
    STEP_TERMS,
    GammaName,
    InferenceSpec,
    LearningSpec,
    NetworkSpec,
    OptimizerSpec,
    StepSpec,
)
from .optimizers import SGD, Adam, Optimizer

#: The quadratic form of a loss that has none.
NO_FORM = QuadraticForm(0.0, 0.0)


def step_spec(
    model: GaussianVAE,
    inference: Objective,
    learning: Objective,
    encoder_optimizer: Optimizer,
    decoder_optimizer: Optimizer,
    encoder_steps: int,
    threads: int,
    dtype: str,
) -> StepSpec | None:
    """Return the record of a step, or None where one of its objects has no plain description."""
    encoder, decoder = _network(model.encoder, model.phi_layout), _network(model.decoder, model.theta_layout)
    inferring, learned = _inference(inference), _learning(learning)
    optimizers = _optimizer(encoder_optimizer), _optimizer(decoder_optimizer)
    if encoder is None or decoder is None or inferring is None or learned is None or None in optimizers:
        return None
    posterior = model.posterior
    if type(posterior) is not DiagonalGaussian:
        return None
    encoder_moves, decoder_moves = cast("tuple[OptimizerSpec, OptimizerSpec]", optimizers)
    return StepSpec(
        encoder, decoder, model.theta_layout.slots[-1].start, model.d_z, posterior.scale, inferring,
        learned, encoder_moves, decoder_moves, encoder_steps,
        (int(Stream.INFERENCE), int(Stream.LEARNING), int(Stream.PROBE)), threads, dtype,
    )  # fmt: skip


def outcome(loss: str, form: QuadraticForm, terms: Array) -> Outcome:
    """Return the outcome of the composed objective of that name, without the gradients."""
    rows = dict(zip(STEP_TERMS[loss], terms, strict=True))
    if loss == "score-matching" and not form.crosses:
        del rows["cross"]
    first, *others = rows.values()
    return Outcome(sum(others, start=first), rows)


def _network(net: Layer, layout: Layout) -> NetworkSpec | None:
    """Describe a perceptron: dense layers, one activation between them, optionally one at the end.

    Returns None for any other network.
    """
    if not isinstance(net, Chain) or not net.layers:
        return None
    dense, others = net.layers[0::2], net.layers[1::2]
    if not all(type(layer) is Dense for layer in dense):
        return None
    if not all(isinstance(layer, Elementwise) for layer in others):
        return None
    between, last = others[: len(dense) - 1], others[len(dense) - 1 :]
    names = {_activation(layer) for layer in between}
    if len(names) > 1:
        return None
    starts = {slot.name: slot.start for slot in layout.slots}
    widths = (cast(Dense, dense[0]).n_in, *(cast(Dense, layer).n_out for layer in dense))
    places = range(0, 2 * len(dense), 2)
    return NetworkSpec(
        widths, names.pop() if names else "relu", _activation(last[0]) if last else None,
        tuple(starts[f"net.{i}.w"] for i in places), tuple(starts[f"net.{i}.b"] for i in places), layout.size,
    )  # fmt: skip


def _activation(layer: Layer) -> ActivationName:
    return cast(Elementwise, layer).f


def _gamma(rule: GammaRule) -> tuple[GammaName, float] | None:
    match rule:
        case LearnedGamma():
            return "learn", 0.0
        case FixedGamma():
            return "fixed", 0.0
        case OptimalGamma(floor):
            return "optimal", floor
    return None


def _inference(objective: Objective) -> InferenceSpec | None:
    match objective:
        case KL():
            return InferenceSpec("kl", objective.samples)
        case PosteriorFisher():
            return InferenceSpec("fisher", objective.samples, objective.reparametrised, objective.weight)
        case JointFisherInference():
            probe = objective.score_norm == "probe"
            return InferenceSpec("joint", objective.samples, objective.reparametrised, probe=probe)
    return None


def _learning(objective: Objective) -> LearningSpec | None:
    if isinstance(objective, JointFisherLearning):
        gamma = _gamma(objective.gamma)
        if gamma is None or gamma[0] == "optimal":  # its closed form needs the whole batch's sweep first
            return None
        probe = objective.score_norm == "probe"
        return LearningSpec("joint", objective.samples, NO_FORM, NO_FORM, *gamma, probe)
    if type(objective) not in (ELBO, M1, M2, M3):
        return None
    one = cast(Learning, objective)
    gamma = _gamma(one.gamma)
    if gamma is None:
        return None
    loss = "elbo" if isinstance(one, ELBO) else "score-matching"
    return LearningSpec(loss, one.samples, one.form(), one.form_for_gamma(), *gamma)  # type: ignore[arg-type]


def _optimizer(rule: Optimizer) -> OptimizerSpec | None:
    match rule:
        case Adam(beta1, beta2, eps):
            return OptimizerSpec(True, beta1, beta2, eps)
        case SGD():
            return OptimizerSpec(False)
    return None
