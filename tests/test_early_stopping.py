"""Early stopping: what is held out, which state is best, when a run ends, and that no accident changes it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.data import load_data
from vsmnp.data.dataset import fingerprint
from vsmnp.data.fixed import FixedDataset
from vsmnp.data.held_out import training_part, validation_part
from vsmnp.data.views import in_data_units
from vsmnp.errors import CheckpointError, ConfigError, Interrupted
from vsmnp.evaluation.kept import kept
from vsmnp.metrics import negative_elbo
from vsmnp.runs import checkpoint
from vsmnp.runs.best import BestState
from vsmnp.runs.session import Session, load_run
from vsmnp.settings.settings import Settings
from vsmnp.training.loop import Watch

F32 = np.dtype(np.float32)


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table so small that a long training fits its noise."""
    path = tmp_path_factory.mktemp("data") / "points.csv"
    np.savetxt(path, np.random.default_rng(1).normal(size=(60, 2)), delimiter=",")
    return path


@pytest.fixture(scope="module")
def settings(points: Path) -> Settings:
    return Settings(
        dataset=str(points), kernels="reference", steps=300, log_every=50, hidden=(8,), samples=2, lr=0.02,
        encoder_lr=0.02, batch_size=20, seeds=(5, 6), validation=0.2, evaluate_every=2.0, patience=4,
        standardize="none", sd_init=0.1, encoder_steps=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run without any accident."""
    folder = tmp_path_factory.mktemp("stopping") / "whole"
    run = Session.new(settings, folder=folder).train()
    assert run.step < settings.steps, "it ends early"
    return folder


def rows_of(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the steps ``(n,)`` and the criterion ``(n, R)``."""
    with (folder / "validation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = sorted({int(row["step"]) for row in rows})
    return np.array(steps), np.array([float(row["neg_elbo"]) for row in rows]).reshape(len(steps), -1)


# --- what is held out -----------------------------------------------------------------------------


def test_the_parts_are_disjoint_and_without_the_test_set(points: Path) -> None:
    data = load_data(str(points))
    part = training_part(data, 0.25, 3)
    held = validation_part(part, 0.25, 3, F32)
    trained = part.epoch(3, 0, F32)
    assert len(held) == round(0.25 * data.n_train)
    assert len(trained) == part.n_train == data.n_train - len(held)
    together = {tuple(row) for row in [*held, *trained]}
    assert together == {tuple(row) for row in data.epoch(3, 0, F32)}
    assert not together & {tuple(row) for row in data.test(3, F32)}
    np.testing.assert_array_equal(part.test(3, F32), data.test(3, F32))
    assert fingerprint(part, 3) == fingerprint(data, 3), "they are the same data"
    other = validation_part(training_part(data, 0.25, 4), 0.25, 4, F32)
    assert {tuple(row) for row in other} != {tuple(row) for row in held}
    assert training_part(part, 0, 3) is data


def test_labels_stay_with_their_samples() -> None:
    x = np.arange(40, dtype=np.float64).reshape(20, 2)
    data = FixedDataset(
        "x", (2,), x, x[:4], "", read_labels=lambda: (np.arange(20), np.arange(4)),
        train_index=np.arange(20)[::-1],
    )  # fmt: skip
    data = replace(data, read_labels=lambda: (np.arange(20)[::-1], np.arange(4)))
    part = training_part(data, 0.3, 0)
    labels = part.epoch_labels(0, 1)
    assert labels is not None
    np.testing.assert_array_equal(part.epoch(0, 1, F32)[:, 0], 2 * labels)


def test_synthetic_data_are_validated_on_points_of_their_own() -> None:
    data = load_data("mixture")
    part = training_part(data, 0.01, 0)
    held = validation_part(part, 0.01, 0, F32)
    assert part is data
    assert held.shape == (1000, 2)
    assert not {tuple(row) for row in held} & {tuple(row) for row in data.epoch(0, 0, F32)}


def test_settings_that_make_no_sense_are_explained(points: Path) -> None:
    with pytest.raises(ConfigError, match="add --validation"):
        Settings(patience=3)
    with pytest.raises(ConfigError, match="share below 1"):
        Settings(validation=1.0)
    with pytest.raises(ConfigError, match="choose another share"):
        Session.new(Settings(dataset=str(points), kernels="reference", validation=0.001))


# --- which state is best, and when a run ends -----------------------------------------------------


def test_the_best_state_is_that_of_the_least_criterion(settings: Settings, whole: Path) -> None:
    """Trained anew up to the best step of a model, the model has the bits that were kept."""
    steps, values = rows_of(whole)
    run = load_run(whole, best=True)
    held = validation_part(run.dataset, settings.validation, 0, F32)
    np.testing.assert_array_equal(negative_elbo(run.vae.on(held)), run.best.best)
    for r in range(2):
        at = int(run.best.best_step[r])
        assert values[list(steps).index(at), r] == run.best.best[r]
        again = Session.new(replace(settings, steps=at, patience=0)).train()
        np.testing.assert_array_equal(again.vae.phi[r], run.vae.phi[r])
        np.testing.assert_array_equal(again.vae.theta[r], run.vae.theta[r])


def test_the_criterion_of_standardised_data_is_in_their_own_units(settings: Settings) -> None:
    run = Session.new(replace(settings, standardize="columns", steps=60)).train()
    held = validation_part(in_data_units(run.dataset), settings.validation, 0, F32)
    last = negative_elbo(run.vae.on(held)) - run.vae.preprocessing.log_abs_det
    assert run.best.rows.steps[-1] == run.step
    np.testing.assert_allclose(run.best.rows.column("neg_elbo")[-1], last, rtol=1e-6)
    assert abs(run.vae.preprocessing.log_abs_det) > 0.1


def test_a_run_ends_when_no_model_has_improved(settings: Settings, whole: Path) -> None:
    steps, values = rows_of(whole)
    run = load_run(whole)
    assert run.step == steps[-1]
    waits = []
    for column in values.T:
        least, waited = np.inf, 0
        for value in column:
            least, waited = (value, 0) if value < least and waited < 4 else (least, waited + 1)
        waits.append(waited)
    assert min(waits) == 4
    assert run.best.waited.tolist() == waits


def test_each_model_keeps_what_it_keeps_alone(settings: Settings, whole: Path) -> None:
    run = load_run(whole, best=True)
    for r, seed in enumerate(settings.seeds):
        alone = Session.new(replace(settings, seeds=(seed,))).train()
        assert alone.best.best_step[0] == run.best.best_step[r]
        np.testing.assert_array_equal(alone.best.phi[0], run.best.phi[r])
        np.testing.assert_array_equal(alone.best.theta[0], run.best.theta[r])


def test_a_diverged_model_never_improves(settings: Settings) -> None:
    session = Session.new(settings)
    best = BestState()
    best.add(session.trainer, session.state)
    session.state.step += 1
    session.state.theta[0] = np.nan
    best.add(session.trainer, session.state)
    assert best.waited[0] == 1
    assert np.isfinite(best.theta).all()


# --- accidents ------------------------------------------------------------------------------------


def assert_same(one: Path, other: Path) -> None:
    (a, _), (b, _) = (checkpoint.load(folder / "checkpoint.h5") for folder in (one, other))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    for file in ("validation.csv", "evaluation.csv", "metrics.csv"):
        assert (one / file).read_bytes() == (other / file).read_bytes()


@pytest.mark.parametrize("at", [3, 8, 9, 50])
def test_a_run_stopped_anywhere_resumes_with_the_same_bits(
    settings: Settings, whole: Path, tmp_path: Path, at: int
) -> None:
    folder, steps = tmp_path / "run", 0

    def count(step: int) -> None:
        nonlocal steps
        steps = step

    with pytest.raises(Interrupted):
        Session.new(settings, folder=folder).train(Watch(on_step=count, stop=lambda: steps == at))
    Session.resumed(folder).train()
    assert_same(folder, whole)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("kill_at", [1, 3, 6, 30])
def test_a_run_killed_between_the_evaluation_and_the_next_save(
    settings: Settings, whole: Path, tmp_path: Path, kill_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best state and the last are in one file, so there is no instant at which they disagree.

    At the 30th save the second model has its best state of all behind it, which the file has to keep.
    """
    folder, saves = tmp_path / "run", 0
    save = Session.save

    def killed(session: Session, state: object) -> None:
        nonlocal saves
        saves += 1
        if saves > kill_at:
            raise Killed
        save(session, state)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "save", killed)
    with pytest.raises(Killed):
        Session.new(settings, folder=folder).train()
    monkeypatch.undo()
    Session.resumed(folder).train()
    assert_same(folder, whole)


def test_a_run_that_ended_resumes_with_more_patience(settings: Settings, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    Session.new(replace(settings, patience=2), folder=folder).train()
    first = load_run(folder).step
    assert Session.resumed(folder).train().step == first, "nothing is left to do"
    assert Session.resumed(folder, {"patience": 6}).train().step > first


def test_a_run_without_validation_has_no_trace_of_it(settings: Settings, tmp_path: Path) -> None:
    plain = replace(settings, validation=0.0, patience=0, steps=20)
    Session.new(plain, folder=tmp_path / "run").train()
    assert not (tmp_path / "run" / "validation.csv").exists()
    arrays, _ = checkpoint.load(tmp_path / "run" / "checkpoint.h5")
    assert not [name for name in arrays if name.startswith("validation")]
    with pytest.raises(CheckpointError, match="--validation"):
        load_run(tmp_path / "run", best=True)


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_trains_says_and_evaluates(points: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = [
        "train", "--dataset", points, "--kernels", "reference", "--epochs", 300, "--hidden", 8,
        "--samples", 2, "--lr", 0.02, "--encoder-lr", 0.02, "--validation", 0.2, "--patience", 3,
        "--out", out,
    ]  # fmt: skip
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    run = load_run(out, best=True)
    assert f"best on the validation part at step {run.best.best_step[0]}" in done.stderr
    few = ("--draws", "20", "--iwae-samples", "2", "--json")
    best, last = (
        json.loads(CliRunner().invoke(main, ["evaluate", str(out), *few, *more]).stdout)
        for more in (("--best",), ())
    )
    assert best["neg_elbo"] != last["neg_elbo"]
    for found, figures in ((kept(out, best=True), best), (kept(out), last)):
        assert found is not None
        assert found.figures["neg_elbo"] == [figures["neg_elbo"]]
    (entry,) = json.loads(CliRunner().invoke(main, ["list", str(out), "--json"]).stdout)
    assert entry["state"] == "finished"
    assert entry["step"] < entry["steps"]
