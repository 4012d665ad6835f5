"""Convert the objects of a run to the plain record of its fused step, and the step's terms to outcomes."""

from __future__ import annotations

from typing import cast

from ..layers.compose import Chain
from ..layers.dense import Dense
from ..layers.families import Elementwise
from ..model.gaussian import DiagonalGaussian
from ..model.layout import Layout
from ..model.vae import GaussianVAE
from ..objectives import Objective, Outcome
from ..objectives.bilevel import Bilevel
from ..rng import Stream
from ..types import ActivationName, Array, Layer
from ..types.step_spec import InferenceSpec, LearningSpec, NetworkSpec, StepSpec
from .optimizers import Optimizer


def step_spec(
    model: GaussianVAE, inference: Objective, learning: Objective, encoder_optimizer: Optimizer,
    decoder_optimizer: Optimizer, encoder_steps: int, threads: int, dtype: str,
) -> StepSpec | None:  # fmt: skip
    """Return the record of a step, or None where one of its objects has no plain description."""
    encoder, decoder = _network(model.encoder, model.phi_layout), _network(model.decoder, model.theta_layout)
    inferred, learned = inference.fused_spec(), learning.fused_spec()
    encoder_rule, decoder_rule = encoder_optimizer.fused_spec(), decoder_optimizer.fused_spec()
    posterior, updates = model.posterior, None
    if isinstance(learning, Bilevel):
        updates = learning.fused_updates()
        if updates is None:
            return None
    if (
        encoder is None
        or decoder is None
        or encoder_rule is None
        or decoder_rule is None
        or not isinstance(inferred, InferenceSpec)
        or not isinstance(learned, LearningSpec)
        or type(posterior) is not DiagonalGaussian
    ):
        return None
    return StepSpec(
        encoder, decoder, model.theta_layout.slots[-1].start, model.d_z, posterior.scale, inferred,
        learned, encoder_rule, decoder_rule, encoder_steps,
        (int(Stream.INFERENCE), int(Stream.LEARNING), int(Stream.PROBE), int(Stream.BILEVEL)), threads, dtype,
        updates,
    )  # fmt: skip


def outcome(spec: InferenceSpec | LearningSpec, terms: Array) -> Outcome:
    """Return the outcome of the composed objective of that loss, without the gradients."""
    rows = dict(zip(spec.terms, terms, strict=True))
    if isinstance(spec, LearningSpec) and not spec.form.crosses:
        rows.pop("cross", None)
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
