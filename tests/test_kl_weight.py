"""The weight of the KL divergence: gradients by differences, laws of the weight, warm-up and resumption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from laws import DERIVATIVE, agree, derivative, direction, inner, moved, norm
from strategies import Scene, few, scenes
from test_bernoulli import binary_scenes
from test_objectives import Textbook

from vsmnp.cli import main
from vsmnp.errors import ConfigError
from vsmnp.kernels import ON_HOST
from vsmnp.metrics import negative_elbo
from vsmnp.objectives import ELBO, KL
from vsmnp.runs.session import Session, load_run
from vsmnp.settings.settings import Settings
from vsmnp.types import Array, Kernels
from vsmnp.types.kl_weight import weight_at

S = 3
WEIGHTS = st.sampled_from((0.0, 0.25, 1.5, 10.0))
SMALL = {"kernels": "reference", "dtype": "float64", "hidden": (4,), "batch_size": 100, "samples": 2}


@given(scene=st.one_of(scenes(), binary_scenes()), weight=WEIGHTS)
@few
def test_the_gradient_is_the_derivative_of_the_weighted_loss(k: Kernels, scene: Scene, weight: float) -> None:
    objective = KL(S, weight)

    def parts(phi: Array) -> Array:
        """Compute the loss from the two terms of the objective without a weight."""
        terms = KL(S)(k, *replace(scene, phi=phi).arguments()).terms
        return terms["reconstruction"] + weight * terms["kl"]

    found = objective(k, *scene.arguments())
    agree(found.loss, parts(scene.phi), scale=1 + float(np.abs(found.loss).max()) * (1 + weight))
    assert found.g_phi is not None
    (along,) = direction(np.random.default_rng(0), scene.phi)
    numeric = derivative(lambda t: parts(moved(scene.phi, t, along)))
    scale = max(norm(found.g_phi), float(np.abs(found.loss).max()))
    agree(inner(found.g_phi, along), numeric, DERIVATIVE, scale=scale)


@given(scene=scenes(), weight=WEIGHTS, warmup=st.sampled_from((0.0, 150.0)))
@few
def test_the_elbo_and_kl_inference_have_one_gradient_in_phi(
    k: Kernels, scene: Scene, weight: float, warmup: float
) -> None:
    """Bi-level updates differentiate the ELBO in phi, where its weight counts."""
    elbo = ELBO(S, kl_weight=weight, kl_warmup=warmup).with_g_phi(k, *scene.arguments())
    kl = KL(S, weight, warmup)(k, *scene.arguments())
    agree((elbo.g_phi, elbo.loss), (kl.g_phi, kl.loss), 1e-11)


@given(scene=scenes(), weight=WEIGHTS)
@few
def test_the_gradient_is_affine_in_the_weight(k: Kernels, scene: Scene, weight: float) -> None:
    none, one, found = (KL(S, w)(k, *scene.arguments()).g_phi for w in (0.0, 1.0, weight))
    assert none is not None
    assert one is not None
    agree(found, none + weight * (one - none), 1e-11, scale=norm(none) + weight * norm(one))


@given(scene=scenes(models=2), weight=WEIGHTS)
@few
def test_the_true_elbo_is_reported_apart(k: Kernels, scene: Scene, weight: float) -> None:
    true, found = (ELBO(S, kl_weight=w)(k, *scene.arguments()) for w in (1.0, weight))
    assert set(found.terms) - set(true.terms) == ({"kl_weighting"} if weight != 1 else set())
    agree(found.terms["reconstruction"] + found.terms["kl"], true.loss)
    agree(found.loss, sum(found.terms.values()), scale=1 + norm(found.loss))
    assert found.g_theta is not None
    assert true.g_theta is not None
    assert np.array_equal(found.g_theta, true.g_theta)


@given(scene=scenes())
@few
def test_no_weight_is_reconstruction_alone(k: Kernels, scene: Scene) -> None:
    found = KL(S, 0.0)(k, *scene.arguments())
    textbook = Textbook.of(k, scene, S)
    z = textbook.place(scene.phi)
    square = np.sum((textbook.x - textbook.g(scene.theta, z)) ** 2, -1).mean()
    gamma = textbook.gamma(scene.theta)
    expected = square / (2 * gamma) + scene.model.d_x / 2 * np.log(2 * np.pi * gamma)
    agree(found.loss, np.array([expected]), 1e-9, scale=1 + abs(float(expected)))


def test_the_weight_grows_linearly() -> None:
    assert [weight_at(2.0, 4.0, update) for update in range(6)] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.0]
    assert weight_at(0.5, 0.0, 0) == 0.5


def test_weight_one_is_the_objective_without_a_weight() -> None:
    assert KL(S, 1.0).fused_spec() == KL(S).fused_spec() is not None
    assert ELBO(S, kl_weight=1.0).fused_spec() == ELBO(S).fused_spec() is not None
    for objective in (KL(S, 2.0), KL(S, 1.0, 5.0), ELBO(S, kl_weight=2.0), ELBO(S, kl_warmup=3.0)):
        spec = objective.fused_spec()
        assert spec is not None
        assert spec.terms == ("reconstruction", "kl", "kl_weighting")
        assert (spec.kl_weight, spec.kl_warmup) == (objective.kl_weight, objective.kl_warmup)


@pytest.mark.parametrize("encoder_data", ["same", "fresh"])
def test_the_warm_up_counts_epochs_of_the_training_data(encoder_data: str) -> None:
    settings = Settings.from_mapping(
        {**SMALL, "objective": "elbo", "kl_warmup": 2, "kl_weight": 3, "encoder_steps": 4, "steps": 1,
         "encoder_data": encoder_data}
    )  # fmt: skip
    trainer = Session.new(settings).trainer
    steps = 2 * trainer.batches.per_epoch / (4 if encoder_data == "fresh" else 1)
    assert isinstance(trainer.inference, KL)
    assert isinstance(trainer.learning, ELBO)
    assert (trainer.learning.kl_warmup, trainer.inference.kl_warmup) == (steps, 4 * steps)
    assert trainer.spec is not None
    assert (trainer.spec.learning.kl_warmup, trainer.spec.inference.kl_warmup) == (steps, 4 * steps)


@pytest.mark.parametrize("kernels", ON_HOST)
def test_a_run_resumes_bit_for_bit_during_the_warm_up(tmp_path: Path, kernels: str) -> None:
    values = {**SMALL, "objective": "elbo", "kl_warmup": 0.1, "kl_weight": 0.8, "kernels": kernels}
    values |= {"log_every": 1, "batch_size": 2000, "encoder_steps": 1}
    run = Session.new(Settings.from_mapping({**values, "steps": 8})).train()
    with Session.new(Settings.from_mapping({**values, "steps": 2}), folder=tmp_path / "r") as cut:
        updates = 0.1 * cut.trainer.batches.per_epoch
        cut.train()
    with Session.resumed(tmp_path / "r", {"steps": 8}) as rest:
        resumed = rest.train()
    assert 2 < updates < 7
    assert np.array_equal(run.vae.phi, resumed.vae.phi)
    assert np.array_equal(run.vae.theta, resumed.vae.theta)
    for side in ("inference", "learning"):
        weighting, kl = (resumed.history.column(f"{side}.{name}")[:, 0] for name in ("kl_weighting", "kl"))
        assert np.allclose(1 + weighting / kl, 0.8 * np.minimum(1, np.arange(8) / updates))


def test_the_option_trains_and_metrics_stay_true(tmp_path: Path) -> None:
    arguments = ["train", "--kernels", "reference", "--objective", "elbo", "--hidden", "4", "--steps", "3"]
    arguments += [
        "--batch-size",
        "50",
        "--kl-weight",
        "4",
        "--kl-warmup",
        "0.1",
        "--out",
        str(tmp_path / "r"),
        "-q",
    ]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    run = load_run(tmp_path / "r")
    assert (run.settings.kl_weight, run.settings.kl_warmup) == (4.0, 0.1)
    x = run.test_set[:40]
    elbo = negative_elbo(run.vae.on(x))
    bound = run.vae.outcome(ELBO(samples=200), x)
    assert abs(float(elbo[0]) - float(bound.loss[0])) < 0.05 * abs(float(bound.loss[0])) + 0.5


def test_other_inference_has_no_such_weight() -> None:
    for values in ({"inference": "fisher", "kl_weight": 2.0}, {"objective": "fae", "kl_warmup": 1.0}):
        with pytest.raises(ConfigError, match="is a part of kl, not of fisher"):
            Settings.from_mapping(values)
