"""Test evaluations during a run: their steps and content, and that no interruption repeats or loses one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small_data import smaller_sets

from vsmnp import metrics
from vsmnp.cli import main
from vsmnp.errors import CheckpointError, ConfigError, Interrupted
from vsmnp.rng import Key
from vsmnp.runs import checkpoint
from vsmnp.runs.evaluation_log import COLUMNS, Evaluations
from vsmnp.runs.session import Session, load_run
from vsmnp.settings.settings import Settings
from vsmnp.training.loop import Watch

#: Five steps are an epoch, two epochs an evaluation: at steps 10 and 20, and rows at every fourth.
TINY = Settings(
    kernels="reference", steps=24, log_every=4, batch_size=20, hidden=(3,), samples=2, seeds=(5, 6),
    evaluate_every=2, noise=0.1,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """Make the data sets of all names smaller."""
    with smaller_sets(100, 40):
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run without any interruption."""
    folder = tmp_path_factory.mktemp("evaluations") / "whole"
    Session.new(TINY, folder=folder).train()
    return folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "evaluation.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same(one: Path, other: Path) -> None:
    """Check for the same arrays to the last bit, and the same rows."""
    (a, _), (b, _) = (checkpoint.load(folder / "checkpoint.h5") for folder in (one, other))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    for file in ("evaluation.csv", "metrics.csv"):
        assert (one / file).read_bytes() == (other / file).read_bytes()


def test_rows_stand_where_they_are_due(whole: Path) -> None:
    rows = rows_of(whole)
    assert [(row["step"], row["seed"]) for row in rows] == [
        ("10", "5"), ("10", "6"), ("20", "5"), ("20", "6"),
    ]  # fmt: skip
    assert list(rows[0]) == ["step", "seed", *COLUMNS]
    run = load_run(whole)
    assert run.history.steps == [4, 8, 10, 12, 16, 20, 24]
    assert run.evaluations.rows.steps == [10, 20]


def test_an_evaluation_is_what_the_metrics_say(tmp_path: Path) -> None:
    run = Session.new(replace(TINY, steps=10), folder=tmp_path / "run").train()
    vae, test = run.vae, run.dataset.test(0, np.float32)
    found = metrics.evaluate_all(metrics.Request(vae.on(test), 0.1, by_prior=False, iwae_samples=0))
    for name in COLUMNS:
        np.testing.assert_array_equal(run.evaluations.rows.column(name)[0], found[name], err_msg=name)
    noisy = metrics.corrupted(vae.k, test, 0.1, Key((0,)))
    edges, counts = metrics.sd_histogram(metrics.posterior_sds(vae.on(noisy)))
    np.testing.assert_array_equal(run.evaluations.edges[0], edges)
    np.testing.assert_array_equal(run.evaluations.counts[0], counts)
    assert counts.sum() == 2 * 40 * 2


def test_training_is_the_same_with_and_without_evaluations(whole: Path, tmp_path: Path) -> None:
    run = Session.new(replace(TINY, evaluate_every=0.0), folder=tmp_path / "plain").train()
    np.testing.assert_array_equal(run.vae.phi, load_run(whole).vae.phi)
    assert not (tmp_path / "plain" / "evaluation.csv").exists()
    assert run.evaluations.rows.steps == []


@pytest.mark.parametrize("at", [4, 10, 13, 20, 23])
def test_a_run_stopped_anywhere_has_every_row_once(whole: Path, tmp_path: Path, at: int) -> None:
    folder, steps = tmp_path / "run", 0

    def count(step: int) -> None:
        nonlocal steps
        steps = step

    with pytest.raises(Interrupted):
        Session.new(TINY, folder=folder).train(Watch(on_step=count, stop=lambda: steps == at))
    Session.resumed(folder).train()
    assert_same(folder, whole)


def test_a_run_killed_during_an_evaluation_repeats_it(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def kill(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Session.new(TINY, folder=folder).train(Watch(on_evaluation=kill))
    assert not (folder / "evaluation.csv").exists()
    Session.resumed(folder).train()
    assert_same(folder, whole)


def test_a_finished_run_resumes_with_its_rows(whole: Path, tmp_path: Path) -> None:
    Session.new(replace(TINY, steps=20), folder=tmp_path / "run").train()
    Session.resumed(tmp_path / "run", {"steps": 24}).train()
    assert_same_rows = [rows_of(folder) for folder in (tmp_path / "run", whole)]
    assert assert_same_rows[0] == assert_same_rows[1]


def test_a_diverged_model_has_a_row_without_numbers(tmp_path: Path) -> None:
    session = Session.new(replace(TINY, steps=10), folder=None)
    session.state.theta[0] = np.nan
    evaluations = Evaluations()
    evaluations.add(session.trainer, session.state)
    values = np.stack([evaluations.rows.column(name)[0] for name in ("neg_elbo", "mse", "gamma")])
    assert np.isnan(values[:, 0]).all()
    assert np.isfinite(values[:, 1]).all()


def test_evaluations_without_their_steps_are_explained(whole: Path) -> None:
    arrays = {"active": np.ones(1), "evaluations/history/steps": np.array([3])}
    with pytest.raises(CheckpointError, match="not those of this version"):
        Evaluations.from_arrays(arrays)
    stored, _ = checkpoint.load(whole / "checkpoint.h5")
    name = "evaluations/sd_counts"
    assert Evaluations.from_arrays(stored).rows.steps == [10, 20]
    with pytest.raises(CheckpointError, match="not as many as the rows"):
        Evaluations.from_arrays({**stored, name: stored[name][:1]})
    assert Evaluations.from_arrays({"active": np.ones(1)}).rows.steps == []
    with pytest.raises(ConfigError, match="--evaluate-every"):
        Settings(evaluate_every=-1.0)


def test_the_command_line_plots_them(whole: Path, tmp_path: Path) -> None:
    for folder, name in ((whole, "two"), (tmp_path / "none", "none")):
        if name == "none":
            Session.new(replace(TINY, steps=1), folder=folder).train()
        out = tmp_path / f"{name}.png"
        result = CliRunner().invoke(main, ["plot", str(folder), "evaluation", "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert out.read_bytes().startswith(b"\x89PNG")
