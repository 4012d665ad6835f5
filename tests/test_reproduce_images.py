"""Test the paper's image experiments at a small size: the grid is resumable, claims follow from numbers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, repeat
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.cli.main import main
from vsmnp.errors import CheckpointError, ConfigError, DataError, Interrupted, StorageError
from vsmnp.evaluation.classifier import Classifier, save
from vsmnp.evaluation.classifier import load as classifier_of
from vsmnp.evaluation.classifier.lenet import lenet5
from vsmnp.evaluation.feature_choice import FeatureChoice
from vsmnp.evaluation.features import OnnxInput
from vsmnp.model.layout import Layout
from vsmnp.paper.reproduce.answers import Answer
from vsmnp.paper.reproduce.conditions import Estimate
from vsmnp.paper.reproduce.images import (
    NAMES,
    ImageGridPlan,
    distances,
    latents,
    load,
    measured,
    records,
    training,
)
from vsmnp.paper.reproduce.images.budgets import BUDGETS, ImageBudget, budget
from vsmnp.paper.reproduce.images.cells import cells
from vsmnp.paper.reproduce.methods import METHODS
from vsmnp.paper.reproduce.methods import NAMES as METHOD_NAMES
from vsmnp.runs import checkpoint
from vsmnp.runs.evaluation_log import Evaluations
from vsmnp.runs.session import Session
from vsmnp.sweeps.engines.local import LocalProcesses
from vsmnp.types import Array, Shape

#: Three steps an epoch of 15 minibatches, five of them a step.
TINY = ImageBudget(
    "tiny", "seconds", 2, (), (0,), 1, 1,
    {"hidden": (5,), "latent": 2, "samples": 2, "batch_size": 3, "kernels": "reference"},
)  # fmt: skip
FEW = ("K-ELBO", "K-M1")
#: A figure that draws nothing, for tests of the code below it.
GRID = "table1"


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw fifty images of 4x4, of which five are held out."""
    path = tmp_path_factory.mktemp("images") / "digits.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (50, 4, 4), dtype=np.uint8))
    return path


@pytest.fixture
def plan(images: Path, tmp_path: Path) -> ImageGridPlan:
    return ImageGridPlan(TINY, tmp_path / "runs", (str(images),), architectures=("mlp",))


def _ignore(done: int, total: int) -> None:
    assert 0 <= done <= total


def _never(*_: object, **__: object) -> None:
    raise AssertionError("trained or measured again")


# --- the grid -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageGridPlan:
    """Train two methods once: figures share their runs."""
    plan = ImageGridPlan(
        TINY, tmp_path_factory.mktemp("runs"), (str(images),), architectures=("mlp",), methods=FEW
    )
    load(GRID).reproduce(tmp_path_factory.mktemp("fig4"), plan, _ignore)
    return plan


@pytest.mark.parametrize("name", [name for name in NAMES if name != "fig11"])
def test_every_figure_is_drawn_of_the_same_runs(
    name: str, trained: ImageGridPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "train", _never)
    monkeypatch.setattr(Evaluations, "add", _never)
    found = load(name).reproduce(tmp_path, trained, _ignore)
    assert {path.suffix for path in found.files} <= {".png", ".csv"}
    assert all(path.stat().st_size for path in found.files)
    assert found.data["missing"] == found.data["unfinished"] == []
    assert [(row["method"], row["epoch"], row["step"]) for row in found.data["rows"]] == [
        (method, epoch, 3 * epoch) for method in FEW for epoch in (1, 2)
    ]
    assert records.read(tmp_path / f"{name}.csv") == [
        {column: row.get(column) for column in records.COLUMNS} for row in found.data["rows"]
    ]


def test_binary_latents_have_runs_of_their_own(plan: ImageGridPlan, tmp_path: Path) -> None:
    binary = replace(TINY, settings={name: v for name, v in TINY.settings.items() if name != "latent"})
    found = load("fig11").reproduce(tmp_path, replace(plan, budget=binary), _ignore)
    assert (tmp_path / "fig11-digits.png").stat().st_size
    rows = records.last(found.data["rows"])
    assert [row["method"] for row in rows] == ["K-ELBO", "K-M1"]
    assert {path.name for path in plan.folder.iterdir()} == {
        f"digits-mlp-binary-kl-{objective}-seed0" for objective in ("elbo", "m1")
    }
    assert all("posterior_fd" not in row and 0 <= row["idle_means"] <= 1 for row in rows)


@pytest.mark.parametrize(("has_density", "figure"), [(False, "idle_means"), (True, "decided_sds")])
def test_idle_and_decided_latents_are_counted(
    has_density: bool, figure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three binary latents one stays at one half; of six standard deviations four are decided."""
    means = np.array([[0.5, 0.0, 0.5], [0.45, 1.0, 0.9]])
    q = SimpleNamespace(mu=means[None, None], s=np.array([[[[0.1, 0.5, 0.9], [1.1, 0.5, 0.0]]]]))
    monkeypatch.setattr(latents, "test_points", lambda run: means)
    model = SimpleNamespace(posterior=SimpleNamespace(has_density=has_density))
    subject = SimpleNamespace(batches=lambda: [SimpleNamespace(q=q)])
    vae = SimpleNamespace(
        k=SimpleNamespace(to_host=np.asarray),
        model=model,
        some=lambda models: SimpleNamespace(on=lambda x: subject),
    )
    run: Any = SimpleNamespace(vae=vae)
    found = latents.latents(run)
    near = {"sds_near_0": 2 / 6, "sds_near_1": 2 / 6} if has_density else {}
    assert found.figures == pytest.approx({figure: 4 / 6 if has_density else 1 / 3, **near})
    assert found.counts.sum(1).tolist() == [2, 2, 2]


def test_a_partial_grid_is_drawn_and_its_gaps_are_named(trained: ImageGridPlan, tmp_path: Path) -> None:
    plan = replace(trained, methods=(*FEW, "F-M1"), train=False)
    found = load("fig4").reproduce(tmp_path, plan, _ignore)
    assert found.data["missing"] == ["digits-mlp-fisher-m1-seed0"]
    assert "Missing from this grid: digits-mlp-fisher-m1-seed0." in found.findings
    assert Answer.MISSING in {claim["answer"] for claim in found.data["claims"]}
    assert (tmp_path / "fig4.png").stat().st_size


def test_a_grid_without_a_run_is_refused(plan: ImageGridPlan, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no run of table1 in .*leave out --no-train"):
        load(GRID).reproduce(tmp_path, replace(plan, train=False), _ignore)


def test_a_half_trained_run_is_drawn_as_far_as_it_got_and_resumes(
    plan: ImageGridPlan, tmp_path: Path
) -> None:
    (cell,) = cells(plan, "mlp", ("K-M1",))
    session = Session.new(replace(cell.settings, log_every=1), folder=plan.folder / cell.name)
    session.trainer.step(session.state)
    session.save(session.state)
    session.close()
    plan = replace(plan, methods=("K-M1",))
    found = load(GRID).reproduce(tmp_path, replace(plan, train=False), _ignore)
    assert found.data["unfinished"] == [cell.name]
    assert f"Not trained to the end: {cell.name}." in found.findings
    assert [row["step"] for row in found.data["rows"]] == [1]
    gone_on = load(GRID).reproduce(tmp_path, plan, _ignore)
    whole = load(GRID).reproduce(tmp_path, replace(plan, runs=tmp_path / "other"), _ignore)
    assert gone_on.data["unfinished"] == []
    assert [row for row in gone_on.data["rows"] if row["step"] != 1] == whole.data["rows"]


def test_more_epochs_resume_where_fewer_ended(plan: ImageGridPlan, tmp_path: Path) -> None:
    plan = replace(plan, methods=("F-M2",))
    more = replace(plan, budget=TINY.lasting(4))
    load(GRID).reproduce(tmp_path, plan, _ignore)
    longer = load(GRID).reproduce(tmp_path, more, _ignore)
    whole = load(GRID).reproduce(tmp_path, replace(more, runs=tmp_path / "other"), _ignore)
    assert records.last(longer.data["rows"]) == records.last(whole.data["rows"])
    assert records.last(load(GRID).reproduce(tmp_path, plan, _ignore).data["rows"]) == records.last(
        whole.data["rows"]
    )  # fewer again: the file has more


def test_a_folder_of_other_runs_is_refused(plan: ImageGridPlan, tmp_path: Path) -> None:
    plan = replace(plan, methods=("K-M1",))
    load(GRID).reproduce(tmp_path, plan, _ignore)
    other = replace(TINY, settings={**TINY.settings, "lr": 1.0})
    with pytest.raises(ConfigError, match=r"holds a run with lr = .*, not 1\.0"):
        load(GRID).reproduce(tmp_path, replace(plan, budget=other), _ignore)


def test_being_stopped_keeps_what_was_done(plan: ImageGridPlan, tmp_path: Path) -> None:
    answers = chain([False] * 4, repeat(True))
    plan = replace(plan, methods=FEW)
    with pytest.raises(Interrupted, match="the same command goes on"):
        load(GRID).reproduce(tmp_path, plan, _ignore, lambda: next(answers))
    stopped = load(GRID).reproduce(tmp_path, replace(plan, train=False), _ignore)
    assert stopped.data["unfinished"] or stopped.data["missing"]
    assert load(GRID).reproduce(tmp_path, plan, _ignore).data["unfinished"] == []


def test_a_run_that_is_trained_during_its_measurement_is_measured_again(
    plan: ImageGridPlan, features: str
) -> None:
    """It belongs to the checkpoint that was read, not to the one that exists when it is written."""
    (cell,) = cells(plan, "mlp", ("K-M1",))
    place, choice = plan.folder / cell.name, FeatureChoice(features)
    with Session.new(replace(cell.settings, log_every=1), folder=place) as session:
        for newer in (False, True):
            read = training._evaluated(Session.resumed(place, to_read=True))
            if newer:
                session.trainer.step(session.state)
                session.save(session.state)
            measured.measure(read, cell.labels, False)
            distances.measure_distances(place, read, choice)
            assert (measured.read(place) is None) == newer
            assert (distances.read(place, choice) == {}) == newer


@pytest.mark.parametrize("damage", [b"", b"vsmnp checkpoint 1\n", b"\0" * 1000])
def test_damaged_measurements_are_made_again(damage: bytes, plan: ImageGridPlan, tmp_path: Path) -> None:
    plan = replace(plan, methods=("K-M1",))
    expected = load(GRID).reproduce(tmp_path, plan, _ignore)
    (file,) = plan.runs.rglob(measured.MEASURED)
    file.write_bytes(damage)
    assert load(GRID).reproduce(tmp_path, plan, _ignore).data == expected.data


def test_measurements_of_an_earlier_version_are_made_again(plan: ImageGridPlan, tmp_path: Path) -> None:
    """They lack the shares of the posterior standard deviations near 0 and near 1."""
    plan = replace(plan, methods=("K-M1",))
    expected = load(GRID).reproduce(tmp_path, plan, _ignore)
    (file,) = plan.runs.rglob(measured.MEASURED)
    arrays, attributes = checkpoint.load(file)
    old = [{k: v for k, v in row.items() if not k.startswith("sds_near")} for row in attributes["rows"]]
    assert old != attributes["rows"]
    checkpoint.save(file, arrays, {**attributes, "rows": old})
    assert measured.read(file.parent) is None
    assert load(GRID).reproduce(tmp_path, plan, _ignore).data == expected.data


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build a classifier with random weights."""
    path = tmp_path_factory.mktemp("features") / "any.lenet"
    vector = np.random.default_rng(0).normal(0, 0.1, (1, Layout(lenet5(1, 10).shapes).size))
    save(Classifier("any", 1, 10, 0, 0, 0.1, vector.astype(np.float16).astype(np.float32)), path)
    return str(path)


def test_sample_quality_is_measured_once(
    trained: ImageGridPlan, features: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(trained, features=FeatureChoice(features))
    first = load(GRID).reproduce(tmp_path, plan, _ignore)
    final = records.last(first.data["rows"])
    assert all(row["fid"] > 0 and math.isfinite(row["kid"]) for row in final)
    assert first.tables[0].rows[0][4] == final[0]["fid"]
    (about,) = first.data["features"]
    assert any(about["sha256"] in sentence for sentence in first.findings)
    monkeypatch.setattr(distances, "sample_quality", _never)
    assert load(GRID).reproduce(tmp_path, plan, _ignore).data == first.data
    drawn = load("fig4").reproduce(tmp_path, plan, _ignore)
    assert records.last(drawn.data["rows"]) == final


def test_other_features_in_a_file_of_the_same_name_are_measured(
    trained: ImageGridPlan, features: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.lenet"
    plan, shown = replace(trained, features=FeatureChoice(str(path))), []
    for seed in (1, 2):
        classifier = classifier_of(Path(features))
        vector = np.random.default_rng(seed).permutation(classifier.vector, axis=1)
        save(replace(classifier, vector=vector), path)
        shown.append(load(GRID).reproduce(tmp_path, plan, _ignore).data)
    assert shown[0]["features"][0]["sha256"] != shown[1]["features"][0]["sha256"]
    assert records.last(shown[0]["rows"]) != records.last(shown[1]["rows"])
    path.unlink()
    assert load(GRID).reproduce(tmp_path, plan, _ignore).data == shown[1]


def test_a_network_is_shown_images_as_the_options_say_and_again_when_they_change(
    trained: ImageGridPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []

    class Network:
        name, sha256 = "network", "0"

        def __init__(self, path: Path, output: str, enters: OnnxInput, threads: int) -> None:
            shown.append((path.name, output, enters))

        def __call__(self, x: Array, image: Shape | None) -> Array:
            return x[:, :3]

    monkeypatch.setattr("vsmnp.evaluation.features.OnnxFeatures", Network)
    path = tmp_path / "any.onnx"
    path.write_bytes(b"network")
    for size in (8, 8, 9):
        features = FeatureChoice(str(path), "pooled", "nhwc", "signed", size)
        load(GRID).reproduce(tmp_path, replace(trained, features=features), _ignore)
    runs = len(shown) // 2
    expected = [("any.onnx", "pooled", OnnxInput("nhwc", "signed", size)) for size in (8, 9)]
    assert shown == [expected[0]] * runs + [expected[1]] * runs
    assert runs > 0


def test_data_without_a_classifier_have_no_quality(trained: ImageGridPlan, tmp_path: Path) -> None:
    found = load(GRID).reproduce(tmp_path, trained, _ignore)
    assert found.data["features"] == []
    assert all("fid" not in row for row in found.data["rows"])


def test_features_that_cannot_be_had_are_one_sentence(trained: ImageGridPlan, tmp_path: Path) -> None:
    plan = replace(trained, features=FeatureChoice(str(tmp_path / "none.lenet")))
    with pytest.raises(CheckpointError, match="does not exist: train one"):
        load(GRID).reproduce(tmp_path, plan, _ignore)
    with pytest.raises(DataError, match="No classifier of nothing comes with vsmnp"):
        load(GRID).reproduce(tmp_path, replace(trained, features=FeatureChoice("lenet-nothing")), _ignore)


# --- processes ------------------------------------------------------------------------------------


def test_processes_side_by_side_make_the_same_runs(trained: ImageGridPlan, tmp_path: Path) -> None:
    told: list[int] = []
    alone = load(GRID).reproduce(tmp_path, trained, _ignore)
    beside = load(GRID).reproduce(
        tmp_path,
        replace(trained, runs=tmp_path / "other", engine=LocalProcesses(2)),
        lambda done, total: told.append(done),
    )
    assert beside.data == alone.data
    assert told == sorted(told)


def test_a_failure_in_a_process_is_one_sentence(plan: ImageGridPlan, tmp_path: Path) -> None:
    wanted = cells(replace(plan, methods=("K-M1",)), "mlp", METHOD_NAMES)
    place = plan.folder / wanted[0].name
    place.mkdir(parents=True)
    (place / "precious").write_text("somebody else's")
    with pytest.raises(StorageError, match="is not empty"):
        training.finish_all(wanted, replace(plan, engine=LocalProcesses(2)), _ignore)
    assert (place / "precious").exists()


def test_stopping_processes_is_no_failure(plan: ImageGridPlan) -> None:
    wanted = cells(replace(plan, budget=TINY.lasting(1e6), methods=FEW), "mlp", METHOD_NAMES)
    with pytest.raises(Interrupted, match="the same command goes on"):
        training.finish_all(wanted, replace(plan, engine=LocalProcesses(2)), _ignore, lambda: True)


_ENDLESS = """
from pathlib import Path
from test_reproduce_images import METHOD_NAMES, TINY, ImageGridPlan, LocalProcesses, cells, training

plan = ImageGridPlan(TINY.lasting(1e6), Path({runs!r}), ({images!r},), methods=("K-ELBO", "K-M1"),
                     engine=LocalProcesses(2))
training.finish_all(cells(plan, "mlp", METHOD_NAMES), plan, lambda done, total: print(done, flush=True))
"""


def test_worker_processes_end_with_their_parent(images: Path, tmp_path: Path) -> None:
    """They share its standard output, which ends when the last of them ends."""
    script = _ENDLESS.format(runs=str(tmp_path / "runs"), images=str(images))
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    )
    assert parent.stdout is not None
    assert parent.stdout.readline()
    parent.kill()
    parent.communicate(timeout=600)
    folders = [path.parent for path in tmp_path.rglob("checkpoint.h5")]
    assert folders
    for folder in folders:
        Session.resumed(folder).close()


@pytest.mark.parametrize("name", [each.name for each in BUDGETS])
def test_what_processes_are_sent_can_be_sent(name: str) -> None:
    plan = ImageGridPlan(budget(name), Path("runs"))
    grid = cells(plan, "dcgan", METHOD_NAMES)
    assert grid
    for cell in grid:
        assert len(ForkingPickler.dumps((plan.budget, cell)))


# --- the paper's settings -------------------------------------------------------------------------


def test_the_paper_s_grid_is_the_one_that_it_describes() -> None:
    plan = ImageGridPlan(budget("paper"), Path("runs"))
    grid = cells(plan, "mlp", METHOD_NAMES)
    assert len({cell.name for cell in grid}) == len(grid) == 3 * 7 * 5
    for cell in grid:
        settings = cell.settings
        assert (settings.samples, settings.encoder_steps, settings.encoder_data) == (5, 5, "fresh")
        assert (settings.batch_size, settings.lr, settings.encoder_lr) == (100, 1e-4, 1e-4)
        assert (settings.noise, settings.epochs) == (0.1, 1000)
        assert not settings.as_published
    assert {(c.settings.inference, c.settings.objective) for c in grid} == {
        (method.inference, method.objective) for method in METHODS
    }


def test_smaller_budgets_come_first_and_there_is_no_other() -> None:
    work = [each.epochs * len(each.datasets) * len(each.seeds) for each in BUDGETS]
    assert work == sorted(work)
    with pytest.raises(ConfigError, match="There is no budget 'huge': choose one of quick, laptop, paper"):
        budget("huge")


# --- records --------------------------------------------------------------------------------------

A, B = FEW


def _rows(values: Mapping[str, float], metric: str = "fid", epoch: float = 1.0, seed: int = 0) -> list[Any]:
    return [
        {
            "dataset": "mnist", "architecture": "dcgan", "method": name, "seed": seed, "epoch": epoch,
            metric: value,
        }
        for name, value in values.items()
    ]  # fmt: skip


@pytest.mark.parametrize("damage", [None, "", "a,b\n1,2\n", "\0"])
def test_a_file_that_is_no_record_is_refused(damage: str | None, tmp_path: Path) -> None:
    path = tmp_path / "fig4.csv"
    if damage is not None:
        path.write_text(damage)
    with pytest.raises(DataError, match="is no record of image runs"):
        records.read(path)


@pytest.mark.parametrize("lost", [1e200, math.inf])
def test_a_lost_seed_is_left_out_of_the_means(lost: float) -> None:
    rows = [*_rows({A: 1, B: 2}), *_rows({A: 3, B: lost}, seed=1)]
    kept, spoiled = (
        records.mean_over_seeds([row for row in rows if row["method"] == name], "fid") for name in (A, B)
    )
    assert kept == Estimate(2, 1, freedom=1)
    assert spoiled is not None
    assert spoiled.mean == lost / 2
    assert not spoiled.error < math.inf


def test_an_infinite_metric_is_read_back_from_the_file(tmp_path: Path) -> None:
    (row,) = _rows({A: math.inf}, "neg_elbo")
    (again,) = records.read(records.record("x", [row]).write(tmp_path))
    assert again["neg_elbo"] == math.inf
    assert again["fid"] is None


# --- the command line -----------------------------------------------------------------------------


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["reproduce", *arguments])


def test_the_command_line_says_how_images_enter_a_network() -> None:
    from vsmnp.cli.grid_options import grid_options, plan_of

    plans = []

    @click.command()
    @click.pass_context
    @grid_options
    def command(ctx: click.Context, **values: Any) -> None:
        plans.append(plan_of(ctx, "table1", False, values))

    options = "--onnx-output pooled --onnx-layout nhwc --onnx-scaling bytes --onnx-size 299"
    for given in ("--no-train --features any.onnx " + options, "--no-train"):
        assert CliRunner().invoke(command, given.split()).exit_code == 0
    found = [plan.features for plan in plans]
    assert found == [FeatureChoice("any.onnx", "pooled", "nhwc", "bytes", 299), FeatureChoice("lenet")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fig4", "--features", "nosuch.onnx"), "There is no file --features nosuch.onnx: name one"),
        (("fig1", "--jobs", "2"), "--jobs is no option of fig1: leave it out."),
        (("fig4", "--quick", "--budget", "paper"), "Give --quick or --budget paper, not both."),
        (("fig4", "--methods", "K-M4"), "'K-M4' is not one of K-ELBO, K-M1"),
        (("fig4", "--budget", "huge"), "'huge' is not one of"),
        (("fig4", "--epochs", "0"), "0"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(arguments: tuple[str, ...], said: str) -> None:
    result = _run(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_the_command_line_prints_json(
    trained: ImageGridPlan, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsmnp.paper.reproduce.images.budgets.BUDGETS", (TINY,))
    monkeypatch.setattr("vsmnp.paper.reproduce.images.budget", lambda name: TINY)
    result = _run(
        "fig4", "--datasets", str(images), "--archs", "mlp", "--methods", "K-ELBO,K-M1,K-M2", "--no-train",
        "--runs", str(trained.runs), "--out", str(tmp_path), "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["missing"] == ["digits-mlp-kl-m2-seed0"]
    assert {row["method"] for row in data["rows"]} == set(FEW)
