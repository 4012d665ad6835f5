"""Test which steps have a plain description, and which are left to the composed step."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from vsmnp.kernels import load
from vsmnp.kernels.cuda import step_plan
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import M1, M3, M2AsPublished, M3AsPublished, Objective
from vsmnp.rng import Key, Stream
from vsmnp.settings.settings import Settings
from vsmnp.training.build import build_inference, build_learning
from vsmnp.training.fuse import outcome, step_spec
from vsmnp.training.optimizers import SGD, Adam
from vsmnp.types.step_spec import InferenceSpec, LearningSpec, StepSpec

MODEL = GaussianVAE.mlp(3, 2, (7, 5), "tanh", "softplus", sigmoid_output=True)


def describe(model: GaussianVAE = MODEL, **settings: Any) -> StepSpec | None:
    chosen = Settings(samples=2, **settings)
    return step_spec(
        model,
        build_inference(chosen),
        build_learning(chosen),
        Adam(),
        SGD(),
        chosen.encoder_steps,
        1,
        "float64",
    )


def test_networks_are_described_by_their_places_in_the_flat_vectors() -> None:
    spec = describe()
    assert spec is not None
    assert (spec.encoder.widths, spec.encoder.activation, spec.encoder.output) == ((3, 7, 5, 4), "tanh", None)
    assert (spec.decoder.widths, spec.decoder.output) == ((2, 5, 7, 3), "sigmoid")
    for network, layout in ((spec.encoder, MODEL.phi_layout), (spec.decoder, MODEL.theta_layout)):
        named = {slot.name: slot for slot in layout.slots}
        for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
            assert named[f"net.{2 * i}.w"].start == w
            assert named[f"net.{2 * i}.b"].start == b
            assert named[f"net.{2 * i}.w"].shape == (network.widths[i + 1], network.widths[i])
        assert network.size == layout.size
    assert spec.log_sd == MODEL.theta_layout.slots[-1].start


COMPOSED: list[dict[str, Any]] = [{"objective": "fae", "gamma": "optimal", "inference": "fisher"}]


@pytest.mark.parametrize("settings", COMPOSED)
def test_what_has_no_plain_description_is_composed(settings: dict[str, Any]) -> None:
    assert describe(**settings) is None


def _unknown(spec: StepSpec) -> dict[str, StepSpec]:
    """Build the same step with one member that no fused step supports."""
    replaced = dataclasses.replace
    return {
        "inference": replaced(spec, inference=replaced(spec.inference, loss="other")),
        "learning": replaced(spec, learning=replaced(spec.learning, loss="other")),
        "activation": replaced(spec, decoder=replaced(spec.decoder, activation="other")),
        "output": replaced(spec, decoder=replaced(spec.decoder, output="other")),
        "scale": replaced(spec, scale="other"),
        "end of the encoder": replaced(spec, encoder=replaced(spec.encoder, output="tanh")),
    }


@pytest.mark.parametrize(
    "member", ["inference", "learning", "activation", "output", "scale", "end of the encoder"]
)
def test_a_step_with_an_unknown_member_is_composed(member: str) -> None:
    spec = describe()
    assert spec is not None
    unknown = _unknown(spec)[member]
    assert load("cpu").fused_step(spec) is not None
    assert load("cpu").fused_step(unknown) is None
    assert step_plan.obstacle(spec, 227 * 1024) is None
    assert "does not know" in (step_plan.obstacle(unknown, 227 * 1024) or "")


def test_a_loss_as_published_is_fused_on_the_cpu_alone() -> None:
    spec = describe(objective="m3", as_published=True)
    assert spec is not None
    assert load("cpu").fused_step(spec) is not None
    assert "does not know the loss as-published" in (step_plan.obstacle(spec, 227 * 1024) or "")


def test_a_step_with_a_weight_of_the_divergence_is_composed_on_a_gpu() -> None:
    for objective in ("m1", "elbo"):
        spec = describe(objective=objective, kl_weight=2.0)
        assert spec is not None
        assert load("cpu").fused_step(spec) is not None
        assert "a weight of the KL divergence" in (step_plan.obstacle(spec, 227 * 1024) or "")


def test_a_posterior_of_another_kind_is_composed() -> None:
    class Other(DiagonalGaussian):
        pass

    assert describe(dataclasses.replace(MODEL, posterior=Other(2))) is None


@pytest.mark.parametrize(
    ("loss", "objective"),
    [
        *((name, build_inference(Settings(inference=name))) for name in ("kl", "fisher")),
        ("kl", build_inference(Settings(inference="kl", kl_weight=2.0))),
        ("elbo", build_learning(Settings(objective="elbo"))),
        ("elbo", build_learning(Settings(objective="elbo", kl_weight=2.0))),
        ("score-matching", M1(1)),
        ("score-matching", M3(1)),
        ("as-published", M2AsPublished(1)),
        ("as-published", M3AsPublished(1)),
        ("joint", build_learning(Settings(objective="fae", inference="fisher"))),
    ],
)
def test_terms_have_the_names_and_the_sum_of_the_composed_ones(loss: str, objective: Objective) -> None:
    k = load("reference")
    phi, theta = (
        k.zeros((2, MODEL.phi_layout.size), "f8") + 0.1,
        k.zeros((2, MODEL.theta_layout.size), "f8") + 0.2,
    )
    x = k.asarray([[[[0.3, -1.0, 0.5]]]], "f8")
    expected = objective(k, MODEL, phi, theta, x, Key((1, 2), Stream.LEARNING))
    spec = objective.fused_spec()
    assert isinstance(spec, InferenceSpec | LearningSpec)
    assert spec.loss == loss
    terms = k.zeros((len(spec.terms), 2), "f8")
    for name, value in expected.terms.items():
        terms[spec.terms.index(name)] = value
    found = outcome(spec, terms)
    assert list(found.terms) == list(expected.terms)
    assert found.loss == pytest.approx(expected.loss, rel=1e-14)
