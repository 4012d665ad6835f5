"""Test training with bi-level updates: what a step changes, ensembles, divergence, and settings."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws import ROUNDING, agree
from test_loop import SEEDS, TINY, K, member, rows, trained, trainer, without_flags

from vsmnp.data import load_data
from vsmnp.errors import ConfigError, DivergenceError
from vsmnp.kernels import load
from vsmnp.objectives import ELBO, KL, M1
from vsmnp.objectives.bilevel import Bilevel
from vsmnp.rng import Key, Stream
from vsmnp.settings.choices import INFERENCES
from vsmnp.settings.in_effect import settings_in_effect
from vsmnp.settings.presets import preset
from vsmnp.settings.resolve import resolved, stored
from vsmnp.settings.settings import Settings
from vsmnp.training.history import History
from vsmnp.training.info import BILEVEL_UPDATES
from vsmnp.training.loop import Watch, run_loop
from vsmnp.training.state import State
from vsmnp.training.trainer import Trainer, step_sizes

BILEVEL = replace(TINY, bilevel_steps=3, bilevel_lr=1e-3, encoder_steps=2, activation="tanh")
WEIGHTS = (("kl", "identity"), ("fisher", "identity"), ("fisher", "covariance"))


# --- one step -------------------------------------------------------------------------------------


def test_without_updates_a_step_is_the_one_without_the_option() -> None:
    """K = 0 has the plain objective and the fused step; ``test_old_checkpoints.py`` compares its numbers."""
    made = trainer(replace(BILEVEL, bilevel_steps=0, bilevel_lr=Settings.bilevel_lr))
    assert type(made.learning) is M1
    assert made.spec is not None
    assert BILEVEL_UPDATES not in made.step(made.initial_state()).causes()


@pytest.mark.parametrize(("inference", "weight"), WEIGHTS)
def test_the_encoder_does_not_keep_the_updates(inference: str, weight: str) -> None:
    """After one step phi is that of the J ordinary updates, bit for bit; theta depends on K."""
    ends = {}
    for count in (0, 1, 3):
        lr = BILEVEL.bilevel_lr if count else Settings.bilevel_lr
        chosen = replace(BILEVEL, inference=inference, fisher_weight=weight, optimizer="sgd")
        made = trainer(replace(chosen, bilevel_steps=count, bilevel_lr=lr))
        ends[count] = made.initial_state()
        made.step(ends[count])
    for count in (1, 3):
        np.testing.assert_array_equal(ends[count].phi, ends[0].phi)
        np.testing.assert_array_equal(ends[count].phi_memory.t, ends[0].phi_memory.t)
    assert len({ends[count].theta.tobytes() for count in ends}) == 3


@pytest.mark.parametrize("inference", ["kl", "fisher"])
def test_the_published_encoder_keeps_the_updates(inference: str) -> None:
    """The published script goes on from phi_K: a step has J ordinary and K bi-level updates."""
    chosen = replace(BILEVEL, objective="m2", inference=inference, as_published=True, samples=2)
    made = trainer(chosen)
    assert made.fused is None
    state, plain = (
        made.initial_state(),
        trainer(replace(chosen, bilevel_steps=0, bilevel_lr=Settings.bilevel_lr)),
    )
    first = plain.initial_state()
    theta, x = state.theta.copy(), made.batches.noisy(0, 0)
    plain.step(first)
    phi, learning = first.phi, made.learning
    assert isinstance(learning, Bilevel)
    for each in range(3):
        key = Key(chosen.seeds, Stream.BILEVEL, each)
        phi = phi - np.float32(1e-3) * learning.inner(made.k, made.model, phi, theta, x, key).g_phi
    made.step(state)
    agree(state.phi, phi, 1e-6)
    assert not np.array_equal(state.phi, first.phi)


def test_a_step_is_its_objectives_on_their_keys() -> None:
    made = trainer(replace(BILEVEL, objective="m2", optimizer="sgd", encoder_optimizer="sgd"))
    state, key, step = made.initial_state(), Key(made.settings.seeds), 2
    state.step = step
    phi, theta = state.phi.copy(), state.theta.copy()
    x = made.batches.noisy(step, 0)
    for j in range(2):
        noise = key.on(Stream.INFERENCE, step * 2 + j)
        phi = phi - made.settings.encoder_lr * made.inference(made.k, made.model, phi, theta, x, noise).g_phi
    learned = made.learning(made.k, made.model, phi, theta, x, key.on(Stream.LEARNING, step))
    made.step(state)
    np.testing.assert_allclose(state.phi, phi, rtol=1e-6)
    np.testing.assert_allclose(state.theta, theta - made.settings.lr * learned.g_theta, rtol=1e-6)


@pytest.mark.parametrize("inference", ["kl", "fisher"])
def test_published_fisher_updates_are_constants_of_the_gradient(inference: str) -> None:
    """The published script drops the dependence on theta in Fisher inference alone."""
    for published in (False, True):
        chosen = replace(BILEVEL, objective="m3", inference=inference, as_published=published)
        learning = trainer(chosen).learning
        assert isinstance(learning, Bilevel)
        assert learning.keeps_dependence == (inference == "kl" or not published)


def test_a_warm_up_counts_the_updates_of_each_kind() -> None:
    made = trainer(replace(BILEVEL, objective="elbo", kl_warmup=2.0, kl_weight=0.5))
    learning = made.learning
    assert isinstance(learning, Bilevel)
    assert isinstance(learning.outer, ELBO)
    assert isinstance(learning.inner, KL)
    steps = 2 * made.batches.per_epoch
    assert (learning.outer.kl_warmup, learning.inner.kl_warmup) == (steps, 3 * steps)


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", ["learn", "optimal", "0.04"])
@pytest.mark.parametrize("objective", ["elbo", "m1", "m2", "m3"])
@pytest.mark.parametrize(("inference", "weight"), WEIGHTS)
def test_every_combination_trains(objective: str, inference: str, weight: str, gamma: str) -> None:
    """All parameters move, gamma as its rule says, and every reported number is finite."""
    settings = replace(BILEVEL, objective=objective, inference=inference, fisher_weight=weight, gamma=gamma)
    before, (state, history) = trainer(settings).initial_state(), trained(settings)
    model = trainer(settings).model
    for layout, start, end in (
        (model.phi_layout, before.phi, state.phi),
        (model.theta_layout, before.theta, state.theta),
    ):
        for (name, old), (_, new) in zip(layout.named(start), layout.named(end), strict=True):
            assert np.array_equal(old, new) == (name == "log_sd" and gamma == "0.04"), name
    assert state.active.all()
    assert history.steps == [2, 4, 6]
    for name in history.columns:
        assert np.isfinite(history.column(name)).all(), name


@pytest.mark.parametrize(
    ("objective", "inference", "published"),
    [*product(("elbo", "m1", "m2", "m3"), WEIGHTS, (False,)), *product(("m2", "m3"), WEIGHTS[:2], (True,))],
    ids=str,
)
def test_models_side_by_side_are_single_runs(
    objective: str, inference: tuple[str, str], published: bool
) -> None:
    """Parameters, moments, counters and reports, to the last bit."""
    name, weight = inference
    settings = replace(
        BILEVEL, objective=objective, inference=name, fisher_weight=weight, as_published=published,
        seeds=SEEDS, encoder_data="fresh", noise=0.1, gamma="optimal" if name == "fisher" else "learn",
    )  # fmt: skip
    together, history = trained(settings)
    for r, seed in enumerate(SEEDS):
        alone = replace(settings, seeds=(seed,))
        state, its_history = trained(alone)
        assert member(settings, together, r) == member(alone, state, 0)
        assert rows(history, r) == rows(its_history, 0)
    assert len({member(settings, together, r)["decoder/parameters/log_sd"] for r in range(3)}) == 3


@pytest.mark.parametrize("fuse", [True, False], ids=["as chosen", "composed"])
@pytest.mark.parametrize("objective", ["elbo", "m2", "m3"])
@pytest.mark.parametrize(("inference", "weight"), WEIGHTS)
def test_an_ensemble_on_the_fast_kernels_is_its_members(
    objective: str, inference: str, weight: str, fuse: bool
) -> None:
    settings = replace(
        BILEVEL, kernels="cpu", dtype="float64", objective=objective, inference=inference,
        fisher_weight=weight, seeds=(4, 9),
    )  # fmt: skip

    def end(seeds: tuple[int, ...]) -> State:
        chosen = replace(settings, seeds=seeds)
        made = Trainer.build(load("cpu"), chosen, load_data(chosen.dataset), may_fuse=fuse)
        return run_loop(made, made.initial_state(), History(), 6, 2, Watch())

    together = end((4, 9))
    for r, seed in enumerate((4, 9)):
        alone = end((seed,))
        agree((together.phi[r], together.theta[r]), (alone.phi[0], alone.theta[0]), ROUNDING)


# --- divergence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("inference", "weight"), WEIGHTS)
def test_a_step_size_that_is_too_large_is_named_and_its_remedy_works(inference: str, weight: str) -> None:
    settings = replace(BILEVEL, inference=inference, fisher_weight=weight, bilevel_lr=1e3)
    start, last = trainer(settings).initial_state(), list[State]()
    with pytest.raises(DivergenceError) as end:
        trained(settings, Watch(on_row=lambda state, history: last.append(state)))
    text = str(end.value)
    assert "step 1 in the bi-level updates of the encoder" in text
    assert "the state of step 0 was kept: try a smaller --bilevel-lr than 1000." in text
    assert without_flags(member(settings, last[-1], 0)) == without_flags(member(settings, start, 0))
    state, _ = trained(replace(settings, bilevel_lr=1e-3))
    assert state.active.all()


def test_updates_that_spoil_the_loss_name_their_step_size_too() -> None:
    """One update leaves phi finite, however long it is."""
    with pytest.raises(DivergenceError, match="--lr, --encoder-lr or --bilevel-lr"):
        trained(replace(BILEVEL, bilevel_steps=1, bilevel_lr=1e10))


def test_the_divergence_of_one_model_disturbs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(BILEVEL, seeds=SEEDS)
    healthy, its_history = trained(settings)
    build = Trainer.build.__func__  # type: ignore[attr-defined]

    def hurried(*args: Any, **options: Any) -> Trainer:
        """Build a trainer whose second model has a step size that is too large."""
        made: Trainer = build(Trainer, *args, **options)
        assert isinstance(made.learning, Bilevel)
        made.learning.lr[1:2] = 1e3
        return made

    monkeypatch.setattr(Trainer, "build", hurried)
    sentences: list[str] = []
    state, history = trained(settings, Watch(on_divergence=sentences.append))
    assert state.active.tolist() == [True, False, True]
    for r in (0, 2):
        assert member(settings, state, r) == member(settings, healthy, r)
        assert rows(history, r) == rows(its_history, r)
    assert len(sentences) == 1
    assert f"{BILEVEL_UPDATES} (seed {SEEDS[1]})" in sentences[0]


@pytest.mark.parametrize("dataset", ["star", "mixture", "ring", "banana", "pinwheel"])
@pytest.mark.parametrize(("inference", "weight"), WEIGHTS)
def test_the_default_step_size_of_an_inference_ends_no_model(
    inference: str, weight: str, dataset: str
) -> None:
    """Plain Fisher updates of 0.01 end a model on each of these data sets within these steps."""
    settings = Settings(
        dataset=dataset, kernels="cpu", objective="m2", inference=inference, fisher_weight=weight,
        bilevel_steps=5, encoder_steps=2, batch_size=100, samples=2, activation="tanh", seeds=(0, 1, 2),
    )  # fmt: skip
    made = Trainer.build(load("cpu"), settings, load_data(dataset))
    state = made.initial_state()
    with np.errstate(all="ignore"):
        for _ in range(250):
            made.step(state)
    assert state.active.all(), state.diverged_at


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"inference": "fisher-reparam"}, "--inference fisher-reparam would need third derivatives: use kl"),
        ({"objective": "fae", "inference": "fisher"}, "need third derivatives: leave out --bilevel-steps"),
        ({"posterior": "bernoulli"}, "--posterior bernoulli does not have: use gaussian"),
        ({"bilevel_steps": 0, "bilevel_lr": 0.5}, "--bilevel-lr is the step size of bi-level updates: add"),
        ({"bilevel_steps": -1}, "--bilevel-steps"),
        ({"bilevel_lr": -0.1}, "--bilevel-lr must be at least 0"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_one_sentence(chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refusal:
        Settings.from_mapping({"bilevel_steps": 2, **chosen})
    assert str(refusal.value).endswith(".")
    assert "\n" not in str(refusal.value)


def test_the_papers_updates_have_the_step_size_of_its_encoder() -> None:
    for inference, lr in (("kl", 1e-2), ("fisher", 2e-3)):
        chosen = {"bilevel_steps": 5, "inference": inference}
        assert preset("paper-2d", chosen)["bilevel_lr"] == lr
        assert preset("paper-2d", {**chosen, "bilevel_lr": 0.2})["bilevel_lr"] == 0.2
    assert "bilevel_lr" not in preset("paper-2d", {})


def test_a_step_size_without_updates_is_shown_as_unused() -> None:
    assert settings_in_effect(Settings())["bilevel_lr"] == "-"
    assert settings_in_effect(Settings(bilevel_steps=2, bilevel_lr=0.25))["bilevel_lr"] == "0.25"
    assert settings_in_effect(Settings())["fisher_weight"] == "-"


@pytest.mark.parametrize(("inference", "weight"), WEIGHTS)
def test_a_step_size_that_is_not_chosen_is_that_of_the_inference(inference: str, weight: str) -> None:
    """The step takes it, the table of the run and the help show it, and a chosen one replaces it."""
    settings = Settings(inference=inference, fisher_weight=weight, bilevel_steps=2)
    lr = INFERENCES[inference].bilevel_lr[weight]
    assert lr > 0
    assert step_sizes(K, settings).bilevel == np.float32(lr)
    assert settings_in_effect(settings)["bilevel_lr"] == f"{lr:g}"
    assert f"{lr:g} for {inference}" in Settings.__dataclass_fields__["bilevel_lr"].metadata["help"]
    assert step_sizes(K, replace(settings, bilevel_lr=0.5)).bilevel == 0.5


@pytest.mark.parametrize(("inference", "weight"), WEIGHTS)
def test_a_run_stores_its_step_size(inference: str, weight: str) -> None:
    """A default of another version does not change a run that is resumed."""
    settings = Settings(inference=inference, fisher_weight=weight, bilevel_steps=2)
    found = INFERENCES[inference].bilevel_lr[weight]
    assert resolved(settings).bilevel_lr == found
    assert resolved(replace(settings, bilevel_lr=0.5)).bilevel_lr == 0.5
    assert stored({"settings": settings.to_mapping()}, Path("checkpoint.h5")).bilevel_lr == found
    assert resolved(Settings()).bilevel_lr == 0


def test_a_stored_step_size_of_no_updates_is_left_out() -> None:
    """Some versions wrote one into every checkpoint."""
    settings = replace(TINY, sd_init=0.2)
    values = {**settings.to_mapping(), "bilevel_lr": 0.01}
    assert stored({"settings": values}, Path("checkpoint.h5")) == settings
    assert stored({"settings": {**values, "bilevel_steps": 2}}, Path("checkpoint.h5")).bilevel_lr == 0.01
