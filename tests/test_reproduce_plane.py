"""Test the paper's experiments in the plane at a small size: the grid, its measurements, its claims."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from no_permission import closed
from tiny_plane import TINY

from vsmnp.cli.main import main
from vsmnp.data import load_data
from vsmnp.errors import CheckpointError, ConfigError, DataError
from vsmnp.paper.reproduce.measured_cells import MEASURED
from vsmnp.paper.reproduce.methods import NAMES as METHODS
from vsmnp.paper.reproduce.one_gaussian import one_gaussian
from vsmnp.paper.reproduce.plane import (
    NAMES,
    PRESETS,
    PlaneGridPlan,
    budget,
    figure,
    load,
    measured,
    records,
)  # fmt: skip
from vsmnp.paper.reproduce.plane.budgets import BUDGETS
from vsmnp.paper.reproduce.plane.cells import cells
from vsmnp.paper.reproduce.plane.variants import BILEVEL
from vsmnp.runs import checkpoint
from vsmnp.runs.session import Session
from vsmnp.sweeps.engines.local import LocalProcesses

FEW = ("K-ELBO", "K-M1", "F-M2")


def _ignore(done: int, total: int) -> None:
    assert 0 <= done <= total


def _never(*_: object, **__: object) -> None:
    raise AssertionError("trained or measured again")


@pytest.fixture
def plan(tmp_path: Path) -> PlaneGridPlan:
    return PlaneGridPlan(TINY, tmp_path / "runs", ("star",), methods=FEW)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> PlaneGridPlan:
    """Train three methods once; tests only read these runs."""
    plan = PlaneGridPlan(TINY, tmp_path_factory.mktemp("runs"), ("star",), methods=FEW)
    load("fig3").reproduce(tmp_path_factory.mktemp("fig3"), plan, _ignore)
    return plan


# --- the grid -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn_of_the_same_runs_which_are_trained_and_measured_once(
    name: str, trained: PlaneGridPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "train", _never)
    monkeypatch.setattr(measured, "prior_estimate", _never)
    found = load(name).reproduce(tmp_path, trained, _ignore)
    assert {path.name for path in found.files} == {
        f"{name}-paper-definition.png", f"{name}-paper-published.png", f"{name}.csv", f"{name}-summary.csv",
        f"{name}-claims.csv",
    }  # fmt: skip
    assert all(path.stat().st_size for path in found.files)
    assert found.data["missing"] == found.data["unfinished"] == []
    # two J of the ELBO and M1; two J, two K and two estimators of M2; two seeds each
    assert len(found.data["rows"]) == 2 * (2 + 2 + 8)
    assert len(found.data["summary"]) == 2 + 2 + 8
    assert records.read(tmp_path / f"{name}.csv") == found.data["rows"]
    assert all(row["step"] == 3 for row in found.data["rows"])


def test_models_that_differ_in_the_seed_are_one_run(plan: PlaneGridPlan) -> None:
    grid = cells(replace(plan, methods=METHODS, seeds=(3, 5, 9)), ("ring",))
    assert len({cell.name for cell in grid}) == len(grid)
    assert all(cell.settings.seeds == (3, 5, 9) for cell in grid)
    assert {cell.settings.dataset for cell in grid} == {"star"}  # the plan's, not the figure's
    bilevel = [cell for cell in grid if cell.settings.bilevel_steps]
    assert {cell.labels["method"] for cell in bilevel} == set(BILEVEL)
    assert all(
        cell.settings.bilevel_steps == cell.labels["bilevel_steps"]
        and cell.settings.encoder_steps == cell.labels["encoder_steps"]
        and cell.settings.as_published == (cell.labels["estimator"] == "published")
        for cell in grid
    )
    assert [cell.labels["bilevel_steps"] for cell in grid] == sorted(c.labels["bilevel_steps"] for c in grid)


def test_the_paper_s_grid_is_the_one_that_it_describes() -> None:
    for name, hidden, epochs in (
        ("fig3", (30, 30), 100),
        ("fig6", (100, 100), 1000),
        ("fig7", (30, 30), 100),
    ):
        figure, paper = load(name), budget("paper", PRESETS[name])
        grid = cells(PlaneGridPlan(paper, Path("runs")), figure.datasets)
        for settings in (cell.settings for cell in grid):
            fisher = settings.inference == "fisher"
            assert (settings.hidden, settings.epochs, settings.batch_size) == (hidden, epochs, 1000)
            assert len(settings.seeds) == 10
            assert (settings.optimizer, settings.lr, settings.encoder_optimizer) == ("adam", 1e-4, "sgd")
            by_definition = 1e-3 if settings.as_published else 2e-3
            assert settings.encoder_lr == (by_definition if fisher else 1e-2)
            assert not settings.bilevel_steps or settings.bilevel_lr == settings.encoder_lr
        assert {cell.labels["method"] for cell in grid} == set(METHODS)
    assert set(load("fig7").datasets) == {"star", "mixture", "ring", "banana", "pinwheel"}
    assert load("fig6").datasets == ("star",)


def test_smaller_budgets_come_first_and_there_is_no_other() -> None:
    for preset in dict.fromkeys(PRESETS.values()):
        work = [each.epochs * len(each.seeds) for each in BUDGETS if each.preset == preset]
        assert work == sorted(work)
    with pytest.raises(ConfigError, match="There is no budget 'huge': choose one of quick, laptop, paper"):
        budget("huge", "paper-2d")


def test_a_half_trained_run_is_drawn_as_far_as_it_got_and_goes_on(
    plan: PlaneGridPlan, tmp_path: Path
) -> None:
    plan = replace(
        plan, methods=("F-M2",), estimators=("definition",), encoder_steps=(1,), bilevel_steps=(1,)
    )
    (cell,) = cells(plan, ())
    with Session.new(replace(cell.settings, log_every=1), folder=plan.folder / cell.name) as session:
        session.trainer.step(session.state)
        session.save(session.state)
    half = load("fig3").reproduce(tmp_path, replace(plan, train=False), _ignore)
    assert half.data["unfinished"] == [cell.name]
    assert [row["step"] for row in half.data["rows"]] == [1, 1]
    gone_on = load("fig3").reproduce(tmp_path, plan, _ignore)
    whole = load("fig3").reproduce(
        tmp_path, replace(plan, runs=tmp_path / "other", engine=LocalProcesses(2)), _ignore
    )
    assert gone_on.data == whole.data
    assert gone_on.data["unfinished"] == []
    with pytest.raises(DataError, match=r"There is no run of fig3 in .*leave out --no-train"):
        load("fig3").reproduce(tmp_path, replace(plan, runs=tmp_path / "none", train=False), _ignore)


def _damage(folder: Path) -> None:
    path = folder / "checkpoint.h5"
    path.write_bytes(path.read_bytes()[:-1])


def _as_a_newer_version_wrote_it(folder: Path) -> None:
    arrays, attributes = checkpoint.load(folder / "checkpoint.h5")
    attributes["settings"]["novel"] = 1
    checkpoint.save(folder / "checkpoint.h5", arrays, attributes)


@pytest.mark.parametrize(
    ("change", "reason", "is_lost"),
    [
        (_damage, "its SHA-256 does not match", True),
        (_as_a_newer_version_wrote_it, "There is no setting 'novel'", False),
    ],
)
def test_a_run_that_cannot_be_read_is_not_called_missing(
    change: Callable[[Path], None], reason: str, is_lost: bool, trained: PlaneGridPlan, tmp_path: Path
) -> None:
    """A figure is made of the others, and says why; a training is refused until a lost run is removed."""
    copied = replace(trained, runs=tmp_path / "runs")
    shutil.copytree(trained.runs, copied.runs)
    (tmp_path / "out").mkdir()
    folder = copied.folder / cells(copied, ())[0].name
    (folder / "checkpoint.previous.h5").unlink()
    change(folder)
    found = load("fig3").reproduce(tmp_path / "out", replace(copied, train=False), _ignore)
    assert found.data["missing"] == found.data["unfinished"] == []
    assert found.data["unreadable"] == [folder.name]
    (sentence,) = (each for each in found.findings if folder.name in each)
    assert reason in sentence
    remedy = f": remove the folder {folder}, and the same command without --no-train trains it anew."
    assert sentence.endswith(remedy) == is_lost
    assert ("remove the folder" in sentence) == is_lost, "a run that is whole stays"
    with pytest.raises(CheckpointError, match=f"{reason}.*: {'remove the folder' if is_lost else 'start'}"):
        load("fig3").reproduce(tmp_path / "out", copied, _ignore)


def test_a_run_whose_measurements_cannot_be_read_is_not_called_missing(
    trained: PlaneGridPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that cannot be read is made again first: here none can be read afterwards either."""
    monkeypatch.setattr(figure, "read", lambda folder, budget: None)
    with pytest.raises(CheckpointError, match="Its measurements cannot be read, and the same command makes"):
        load("fig3").reproduce(tmp_path, replace(trained, train=False), _ignore)


@pytest.mark.parametrize("change", [_damage, lambda folder: (folder / "checkpoint.h5").unlink()])
def test_a_run_whose_last_checkpoint_is_lost_keeps_its_measurements_and_goes_on(
    change: Callable[[Path], None], trained: PlaneGridPlan, tmp_path: Path
) -> None:
    """Without them, the checkpoint before is drawn; a figure alone does not replace those of a later step."""
    copied = replace(trained, runs=tmp_path / "runs")
    shutil.copytree(trained.runs, copied.runs)
    (tmp_path / "out").mkdir()
    folder = copied.folder / cells(copied, ())[0].name
    change(folder)
    kept = (folder / MEASURED).read_bytes()
    found = load("fig3").reproduce(tmp_path / "out", replace(copied, train=False), _ignore)
    assert found.data["missing"] == found.data["unfinished"] == []
    assert found.data["unreadable"] == [folder.name]
    (sentence,) = (each for each in found.findings if folder.name in each)
    assert "of its measurements: the same command without --no-train goes on with it." in sentence
    assert (folder / MEASURED).read_bytes() == kept
    (folder / MEASURED).unlink()
    found = load("fig3").reproduce(tmp_path / "out", replace(copied, train=False), _ignore)
    assert found.data["missing"] == found.data["unreadable"] == []
    assert found.data["unfinished"] == [folder.name]
    whole = load("fig3").reproduce(tmp_path / "out", copied, _ignore)
    assert whole.data == load("fig3").reproduce(tmp_path / "out", trained, _ignore).data


def test_a_run_without_permission_is_left_out_of_its_figure(trained: PlaneGridPlan, tmp_path: Path) -> None:
    folder = trained.folder / cells(trained, ())[0].name
    with closed(folder):
        found = load("fig3").reproduce(tmp_path, replace(trained, train=False), _ignore)
    assert found.data["unreadable"] == [folder.name]
    (sentence,) = (each for each in found.findings if folder.name in each)
    assert "change its permissions" in sentence


def test_a_dry_run_counts_what_is_left_and_writes_nothing(trained: PlaneGridPlan, tmp_path: Path) -> None:
    plan = replace(trained, methods=(*FEW, "K-M2"), dry_run=True)
    before = sorted(plan.runs.rglob("*"))
    found = load("fig3").reproduce(tmp_path, plan, _ignore)
    assert sorted(plan.runs.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []
    counts: dict[tuple[int, int], tuple[int, int]] = {}
    for row in found.data["cost"]:
        runs, finished = counts.get((row["J"], row["K"]), (0, 0))
        counts[row["J"], row["K"]] = runs + row["runs"], finished + row["finished"]
    assert counts == {(1, 0): (6, 4), (2, 0): (6, 4), (1, 1): (4, 2), (2, 1): (4, 2)}
    assert all(row["steps"] == 3 and row["core hours left"] > 0 for row in found.data["cost"])


def test_published_runs_are_timed_apart(plan: PlaneGridPlan, tmp_path: Path) -> None:
    """Their losses have no fused step, so that they take longer."""
    both = replace(plan, methods=("K-M2",), estimators=("definition", "published"), dry_run=True)
    found = load("fig3").reproduce(tmp_path, both, _ignore)
    kinds = [(row["J"], row["K"], row["loss"]) for row in found.data["cost"]]
    assert len(set(kinds)) == len(kinds)
    assert {loss for *_, loss in kinds} == {"definition", "published"}


def test_updates_of_methods_that_have_none_are_refused(plan: PlaneGridPlan, tmp_path: Path) -> None:
    asked = replace(plan, methods=("K-ELBO",), bilevel_steps=(5,))
    for dry_run in (False, True):
        with pytest.raises(ConfigError, match="no bi-level updates with K-ELBO: add 0 to --bilevel-steps"):
            load("fig3").reproduce(tmp_path, replace(asked, dry_run=dry_run), _ignore)
    load("fig3").reproduce(tmp_path, replace(asked, bilevel_steps=(0, 5), dry_run=True), _ignore)


# --- measurements ---------------------------------------------------------------------------------


def test_a_model_that_has_diverged_has_no_likelihood_and_gives_no_samples(plan: PlaneGridPlan) -> None:
    cell = cells(plan, ())[0]
    with Session.new(cell.settings, folder=plan.folder / cell.name) as session:
        session.state.active[0] = False
        found, run = measured.measure(session, cell.labels, False, TINY)
    assert np.isinf(found.figures["nll"]).tolist() == [True, False]
    assert np.isinf(found.figures["sm_loss"]).tolist() == [True, False]
    np.testing.assert_array_equal(found.samples, run.vae.sample(len(found.samples))[1])
    (row, _) = found.rows()
    (summary,) = records.summary(found.rows())
    assert (row["seed"], row["nll"]) == (0, math.inf)
    assert summary["nll"] == math.inf
    assert math.isnan(summary["nll_se"])


def test_the_drift_is_the_change_of_log_gamma_in_the_last_quarter_of_the_rows(plan: PlaneGridPlan) -> None:
    """Read again it is the same; a run of a single row has none, and a record without it is read."""
    cell = cells(plan, ())[0]
    with Session.new(replace(cell.settings, steps=8, log_every=1), folder=plan.folder / cell.name) as session:
        session.train()
        found, _ = measured.measure(session, cell.labels, True, TINY)
        gamma = session.history.column("gamma")
    assert gamma.shape == (8, 2)
    np.testing.assert_allclose(found.drift, np.log(gamma[-1] / gamma[5]))  # D/2 = 1
    assert np.all(found.drift != 0)
    again = measured.read(plan.folder / cell.name, TINY)
    assert again is not None
    np.testing.assert_array_equal(again.drift, found.drift)
    path = records.record("fig3", found.rows()).write(plan.folder)
    assert records.read(path) == found.rows()
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    assert records.read(path) == [{**row, "drift": None} for row in found.rows()]
    path.write_text("\n".join(line.partition(",")[2] for line in lines) + "\n")
    with pytest.raises(DataError, match="is no record of runs in the plane"):
        records.read(path)


def test_a_measurement_of_other_precision_is_made_again(plan: PlaneGridPlan) -> None:
    cell = cells(plan, ())[0]
    with Session.new(cell.settings, folder=plan.folder / cell.name) as session:
        measured.measure(session, cell.labels, False, TINY)
    assert measured.read(plan.folder / cell.name, TINY) is not None
    assert measured.read(plan.folder / cell.name, replace(TINY, draws=61)) is None


def test_one_gaussian_is_the_best_constant_decoder() -> None:
    """The nll by the density's formula, the loss by its definition, at the mean and the mean variance."""
    x = load_data("ring").test(0, np.float64)[:500]
    v = x.var(0).mean()
    square = ((x - x.mean(0)) ** 2).sum(1)
    found = one_gaussian(x)
    assert found["nll"] == pytest.approx((np.log(2 * np.pi * v) + square / (2 * v)).mean())
    assert found["sm_loss"] == pytest.approx((square / (2 * v**2) - 2 / v).mean())
    assert found["decoder_variance"] == pytest.approx(x.var(0).sum())


# --- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fig3", "--archs", "dcgan"), "--archs is an option of fig4, fig8"),
        (("fig4", "--encoder-steps", "5"), "--encoder-steps is an option of fig3, fig6, fig7: leave it out"),
        (("fig3", "--encoder-steps", "0,5"), "'0,5' has a number below 1."),
        (("fig3", "--estimators", "publishd"), "did you mean 'published'"),
        (("fig1", "--dry-run"), "--dry-run is no option of fig1: leave it out."),
        (("fig3", "--quick", "--budget", "paper"), "Give --quick or --budget paper, not both."),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(main, ["reproduce", *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_the_command_line_prints_json(
    trained: PlaneGridPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsmnp.paper.reproduce.plane.budget", lambda name, preset: TINY)
    result = CliRunner().invoke(main, [
        "reproduce", "fig3", "--datasets", "star", "--methods", "K-ELBO,F-M2,F-M3", "--encoder-steps", "2,1",
        "--bilevel-steps", "0", "--optimizers", "paper", "--estimators", "published", "--no-train",
        "--runs", str(trained.runs), "--out", str(tmp_path), "--json",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert {(row["method"], row["encoder_steps"], row["estimator"]) for row in data["rows"]} == {
        ("K-ELBO", 1, "definition"), ("K-ELBO", 2, "definition"),
        ("F-M2", 1, "published"), ("F-M2", 2, "published"),
    }  # fmt: skip
    assert len(data["missing"]) == 2
    assert all("F-M3" not in name and "fisher-m3-published" in name for name in data["missing"])
    assert {claim["estimator"] for claim in data["claims"]} == {"", "published"}
