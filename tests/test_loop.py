"""Test the trainer and its loop: all combinations run, models are independent, a NaN ends one model only."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from vsmnp.data import batches, load_data
from vsmnp.errors import DivergenceError, Interrupted
from vsmnp.kernels import load
from vsmnp.settings.in_effect import steps_per_epoch
from vsmnp.settings.left_open import MOST_EPOCHS, STEPS
from vsmnp.settings.settings import Settings
from vsmnp.training.history import History
from vsmnp.training.info import Info
from vsmnp.training.loop import Watch, run_loop
from vsmnp.training.state import State, to_arrays
from vsmnp.training.trainer import Trainer
from vsmnp.types import Array

K = load("reference")
TINY = Settings(kernels="reference", steps=6, log_every=2, batch_size=10, hidden=(3,), samples=2)
SEEDS = (3, 0, 2**63 - 1)

#: Every valid pair of objectives.
PAIRS = [
    pair
    for pair in product(("elbo", "m1", "m2", "m3", "fae"), ("kl", "fisher", "fisher-reparam"))
    if pair != ("fae", "kl")
]


def trainer(settings: Settings) -> Trainer:
    return Trainer.build(K, settings, load_data(settings.dataset))


def trained(
    settings: Settings, watch: Watch | None = None, state: State | None = None
) -> tuple[State, History]:
    """Run all steps of the settings, in memory."""
    made, history = trainer(settings), History()
    state = state or made.initial_state()
    return run_loop(made, state, history, settings.steps, settings.log_every, watch or Watch()), history


def member(settings: Settings, state: State, r: int) -> dict[str, bytes]:
    """Return the whole state of model r, bit by bit."""
    arrays = to_arrays(K, trainer(settings).model, state)
    return {name: np.asarray(array)[r].tobytes() for name, array in arrays.items() if name != "step"}


def without_flags(arrays: dict[str, bytes]) -> dict[str, bytes]:
    """Return the state of a model without the flags of its divergence."""
    return {name: array for name, array in arrays.items() if name not in ("active", "cause", "diverged_at")}


def rows(history: History, r: int) -> dict[str, bytes]:
    """Return all reports of model r, bit by bit."""
    return {name: history.column(name)[:, r].tobytes() for name in history.columns}


class Poison:
    """A trainer's step that puts NaN into a parameter of one model before the step of that number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **places: tuple[int, int]) -> None:
        step = Trainer.step

        def poisoned(made: Trainer, state: State) -> Info:
            for vector, (r, before) in places.items():
                if state.step + 1 == before and r < len(state.phi):
                    getattr(state, vector)[r] = np.nan
            return step(made, state)

        monkeypatch.setattr(Trainer, "step", poisoned)


# --- every combination ----------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", ["learn", "optimal", "0.04"])
@pytest.mark.parametrize(("objective", "inference"), PAIRS)
def test_every_combination_trains(objective: str, inference: str, gamma: str) -> None:
    """All parameters move, all counters count, every reported number is finite."""
    settings = replace(
        TINY, objective=objective, inference=inference, gamma=gamma, encoder_steps=2, activation="tanh"
    )
    before = trainer(settings).initial_state()
    state, history = trained(settings)
    model = trainer(settings).model
    for layout, start, end in (
        (model.phi_layout, before.phi, state.phi),
        (model.theta_layout, before.theta, state.theta),
    ):
        for (name, old), (_, new) in zip(layout.named(start), layout.named(end), strict=True):
            moved = not np.array_equal(old, new)
            assert moved == (name != "log_sd" or gamma != "0.04"), name
    assert state.step == settings.steps
    assert state.theta_memory.t.tolist() == [6]
    assert state.phi_memory.t.tolist() == [12]
    assert state.active.all()
    assert history.steps == [2, 4, 6]
    assert {"gamma", "learning.loss", "inference.loss"} < history.columns.keys()
    for name in history.columns:
        assert history.column(name).shape == (3, 1)
        assert np.isfinite(history.column(name)).all(), name
    if gamma == "0.04":
        np.testing.assert_allclose(history.column("gamma"), 0.04, rtol=1e-6)


@pytest.mark.parametrize(
    "choice",
    [
        {"objective": "m2", "as_published": True},
        {"objective": "m3", "as_published": True, "inference": "fisher"},
        {"objective": "m2", "squared_mean": "biased"},
        {"objective": "m3", "baseline": "none"},
        {"objective": "m3", "samples": 1},
        {"objective": "fae", "inference": "fisher", "score_norm": "probe"},
        {"objective": "fae", "inference": "fisher-reparam", "score_norm": "probe"},
        {"inference": "fisher", "fisher_weight": "covariance"},
        {"encoder_steps": 3, "encoder_data": "fresh"},
        {"noise": 0.1},
        {"sigmoid_output": True},
        {"scale": "softplus"},
        {"initial": "normal"},
        {"optimizer": "sgd", "encoder_optimizer": "sgd"},
        {"hidden": (3, 4), "latent": 3},
        {"dtype": "float64"},
        *({"activation": name} for name in ("relu", "elu", "softplus", "sigmoid", "tanh")),
        *({"dataset": name} for name in ("star", "ring", "banana", "helicoid", "pinwheel")),
    ],
    ids=str,
)
def test_every_other_choice_trains(choice: dict[str, Any]) -> None:
    settings = replace(TINY, **choice)
    state, history = trained(settings)
    assert state.active.all()
    assert state.theta.dtype == settings.dtype
    for name in history.columns:
        assert np.isfinite(history.column(name)).all(), name


def test_the_terms_add_up_to_the_loss() -> None:
    """The values reported beside a loss are its parts."""
    for objective, inference in PAIRS:
        _, history = trained(replace(TINY, objective=objective, inference=inference, dtype="float64"))
        for side in ("learning", "inference"):
            terms = [name for name in history.columns if name.startswith(side) and not name.endswith(".loss")]
            assert terms
            total = sum(history.column(name) for name in terms)
            np.testing.assert_allclose(total, history.column(f"{side}.loss"), rtol=1e-12)


def test_the_reported_gamma_is_that_after_the_step() -> None:
    state, history = trained(TINY)
    log_sd = trainer(TINY).model.log_sd(state.theta)
    np.testing.assert_allclose(history.column("gamma")[-1], np.exp(2 * log_sd.astype(float)), rtol=1e-6)


# --- lengths --------------------------------------------------------------------------------------


@given(steps=st.integers(1, 9), every=st.integers(1, 10))
@few
def test_rows_come_at_multiples_and_at_the_end(steps: int, every: int) -> None:
    seen: list[int] = []
    watch = Watch(on_row=lambda state, history: seen.append(state.step))
    state, history = trained(replace(TINY, steps=steps, log_every=every), watch)
    expected = sorted({*range(every, steps + 1, every), steps})
    assert history.steps == seen == expected
    assert state.step == steps


def test_epochs_count_minibatches() -> None:
    """100,000 points an epoch; J fresh minibatches a step divide the number of steps."""
    made = trainer(replace(TINY, steps=0, epochs=2.0, batch_size=1000))
    assert made.total_steps == 200
    same = replace(made.settings, encoder_steps=5)
    assert replace(made, settings=same).total_steps == 200
    assert replace(made, settings=replace(same, encoder_data="fresh")).total_steps == 40
    assert replace(made, settings=replace(same, epochs=1e-9)).total_steps == 1
    assert replace(made, settings=replace(same, steps=7)).total_steps == 7


def test_minibatches_and_steps_count_the_same_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(replace(TINY, encoder_steps=2, encoder_data="fresh"))
    monkeypatch.setattr(batches, "batches_per_epoch", lambda n_train, batch_size: 8)
    assert made.batches.per_epoch == 8
    assert steps_per_epoch(made.settings, made.batches.dataset.n_train) == 4


def test_a_length_that_is_not_chosen_is_a_number_of_steps_unless_the_data_are_few() -> None:
    """At most so many passes: a minibatch of all data is one."""
    made = trainer(replace(TINY, steps=0, batch_size=200))
    assert made.settings.epochs == 0
    assert made.total_steps == STEPS
    assert trainer(replace(made.settings, batch_size=100_000)).total_steps == MOST_EPOCHS
    assert trainer(replace(made.settings, batch_size=30_000)).total_steps == 3 * MOST_EPOCHS


def test_minibatches_are_shared_or_fresh_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """``same``: J + 1 uses of minibatch t; ``fresh``: J minibatches, the decoder uses the last."""
    used: list[tuple[Array, int]] = []
    made = trainer(replace(TINY, encoder_steps=3))
    with_noise = type(made.batches).with_noise

    def watched(batches: Any, x: Array, use: int) -> Array:
        used.append((x, use))
        return with_noise(batches, x, use)

    monkeypatch.setattr(type(made.batches), "with_noise", watched)
    for data, expected in (("same", [0] * 4 + [1] * 4), ("fresh", [0, 1, 2, 2, 3, 4, 5, 5])):
        used.clear()
        made = trainer(replace(TINY, encoder_steps=3, encoder_data=data))
        state = made.initial_state()
        made.step(state)
        made.step(state)
        for (x, _), index in zip(used, expected, strict=True):
            np.testing.assert_array_equal(x, made.batches.clean(index))
        assert [use for _, use in used] == list(range(8))


# --- ensembles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("objective", "inference"), PAIRS)
def test_models_side_by_side_are_single_runs(objective: str, inference: str) -> None:
    """Parameters, moments, counters and reports, to the last bit."""
    settings = replace(
        TINY,
        objective=objective,
        inference=inference,
        seeds=SEEDS,
        encoder_steps=2,
        encoder_data="fresh",
        noise=0.1,
        gamma="optimal" if inference == "fisher" else "learn",
        score_norm="probe" if objective == "fae" else "pathwise",
    )
    together, history = trained(settings)
    for r, seed in enumerate(SEEDS):
        alone = replace(settings, seeds=(seed,))
        state, its_history = trained(alone)
        assert member(settings, together, r) == member(alone, state, 0)
        assert rows(history, r) == rows(its_history, 0)
    assert len({member(settings, together, r)["decoder/parameters/log_sd"] for r in range(3)}) == 3


def test_the_order_of_the_seeds_is_the_order_of_the_models() -> None:
    one, other = (trained(replace(TINY, seeds=seeds))[0] for seeds in (SEEDS, SEEDS[::-1]))
    np.testing.assert_array_equal(one.phi, other.phi[::-1])
    np.testing.assert_array_equal(one.theta, other.theta[::-1])


# --- divergence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(1, 7))
@pytest.mark.parametrize("vector", ["phi", "theta"])
def test_the_nan_of_one_model_disturbs_no_other(
    monkeypatch: pytest.MonkeyPatch, vector: str, step: int
) -> None:
    """The others go on bit for bit; the diverged one is kept as it was at the last row."""
    settings = replace(TINY, seeds=SEEDS, encoder_steps=2, log_every=2)
    healthy, its_history = trained(settings)
    kept_step = (step - 1) // 2 * 2
    kept = (
        trainer(settings).initial_state() if not kept_step else trained(replace(settings, steps=kept_step))[0]
    )

    Poison(monkeypatch, **{vector: (1, step)})
    sentences: list[str] = []
    state, history = trained(settings, Watch(on_divergence=sentences.append))
    assert state.step == settings.steps
    assert state.active.tolist() == [True, False, True]
    for r in (0, 2):
        assert member(settings, state, r) == member(settings, healthy, r)
        assert rows(history, r) == rows(its_history, r)
    stopped, good = member(settings, state, 1), member(settings, kept, 1)
    assert without_flags(stopped) == without_flags(good)
    assert len(sentences) == 1
    for word in (f"step {step}", f"seed {SEEDS[1]}", f"step {kept_step} was kept", "--lr", "--encoder-lr"):
        assert word in sentences[0]


def test_the_snapshots_of_a_diverged_model_do_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that is saved after the divergence holds the model's last good state."""
    settings = replace(TINY, seeds=(0, 1))
    Poison(monkeypatch, theta=(1, 3))
    seen: list[dict[str, bytes]] = []
    trained(settings, Watch(on_row=lambda state, history: seen.append(member(settings, state, 1))))
    assert seen[0]["active"] != seen[1]["active"] == seen[2]["active"]
    assert without_flags(seen[0]) == without_flags(seen[1]) == without_flags(seen[2])


@pytest.mark.parametrize("step", [1, 2, 5])
def test_a_run_ends_when_no_model_is_left(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """With one sentence, and with the last good state passed to the caller that saves it."""
    settings = replace(TINY, seeds=(4, 5))
    kept_step = (step - 1) // 2 * 2
    kept = (
        trainer(settings).initial_state() if not kept_step else trained(replace(settings, steps=kept_step))[0]
    )
    Poison(monkeypatch, phi=(0, step), theta=(1, step))
    last: list[State] = []
    with pytest.raises(DivergenceError) as end:
        trained(settings, Watch(on_row=lambda state, history: last.append(state)))
    assert end.value.exit_code == 1
    text = str(end.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert f"step {kept_step} was kept" in text
    assert last[-1].step == kept_step
    assert not last[-1].active.any()
    for r in (0, 1):
        stopped, good = member(settings, last[-1], r), member(settings, kept, r)
        assert without_flags(stopped) == without_flags(good)


@pytest.mark.parametrize(
    ("choice", "term"),
    [
        ({"sd_init": 1e-11}, "learning.score_square"),
        (
            {"sd_init": 1e-18, "encoder_lr": 1e-30, "encoder_optimizer": "sgd", "encoder_steps": 1},
            "learning.",
        ),
        ({"encoder_lr": 1e30, "encoder_optimizer": "sgd", "encoder_steps": 1}, "learning."),
        ({"encoder_lr": 1e30, "encoder_optimizer": "sgd", "encoder_steps": 2}, "inference."),
        ({"lr": 1e38, "optimizer": "sgd", "gamma": "1"}, "inference."),
    ],
    ids=str,
)
def test_the_term_that_broke_is_named(choice: dict[str, Any], term: str) -> None:
    """Settings that overflow float32: which part of which loss broke first, when, and what to try.

    The encoder's update comes first in a step.
    """
    with pytest.raises(DivergenceError) as end:
        trained(replace(TINY, **choice))
    assert f"in {term}" in str(end.value)
    assert "step" in str(end.value)
    assert "--lr" in str(end.value)


def test_a_gamma_that_overflows_is_reported_and_not_warned_about() -> None:
    """With tau = 0 the loss is finite, so the run goes on; it prints nothing to the screen."""
    _, history = trained(replace(TINY, lr=1e3))
    assert history.column("gamma")[-1] == np.inf


# --- stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", range(6))
def test_a_stop_leaves_the_state_between_two_steps(stop: int) -> None:
    """No step begins after the request; the state and the last row are those that can be resumed."""
    done: list[int] = []
    kept: list[State] = []
    seen: list[tuple[int, int]] = []
    watch = Watch(
        on_step=done.append, on_row=lambda state, history: kept.append(state), stop=lambda: len(done) == stop,
        on_state=lambda state, snapshot: seen.append((state.step, snapshot.step)),
    )  # fmt: skip
    with pytest.raises(Interrupted, match=f"after step {stop} of 6"):
        trained(TINY, watch)
    assert done == list(range(1, stop + 1))
    assert [state.step for state in kept] == list(range(2, stop + 1, 2))
    assert seen == [(step, step // 2 * 2) for step in range(stop + 1)]


def test_a_snapshot_is_a_copy_of_the_state() -> None:
    """It may be saved later without a change."""
    kept: list[State] = []
    before: list[bytes] = []

    def on_row(state: State, history: History) -> None:
        kept.append(state)
        before.append(state.theta.tobytes())

    trained(TINY, Watch(on_row=on_row))
    assert [state.theta.tobytes() for state in kept] == before
    assert len(set(before)) == 3
