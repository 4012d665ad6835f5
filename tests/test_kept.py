"""Evaluations that runs keep: what they hold, when they are read instead of computed, how runs compare."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from small_data import smaller_sets

from vsmnp.cli import main
from vsmnp.data.dataset import fingerprint
from vsmnp.errors import StorageError
from vsmnp.evaluation import kept as keeping
from vsmnp.evaluation.evaluate import evaluate
from vsmnp.evaluation.floors import floors
from vsmnp.evaluation.kept import EVALUATION, keep, kept
from vsmnp.metrics import MODEL_METRICS, metric
from vsmnp.runs.session import Session, load_run
from vsmnp.settings.settings import Settings
from vsmnp.version import VERSION

TINY = Settings(
    kernels="reference", steps=4, log_every=2, batch_size=20, hidden=(3,), samples=2, seeds=(5, 6)
)
FEW = ("--draws", "20", "--iwae-samples", "2")


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """The same data sets, smaller."""
    with smaller_sets(100, 40):
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three runs, one on other data."""
    folder = tmp_path_factory.mktemp("kept")
    for name, settings in (
        ("a", TINY), ("b", replace(TINY, objective="m2", lr=0.05)), ("c", replace(TINY, dataset="ring")),
    ):  # fmt: skip
        Session.new(settings, folder=folder / name).train()
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of these runs, as the working folder."""
    shutil.copytree(trained, tmp_path / "runs")
    monkeypatch.chdir(tmp_path / "runs")
    return tmp_path / "runs"


def vsmnp(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def no_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, no evaluation can be computed."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an evaluation is computed")

    monkeypatch.setattr("vsmnp.cli.evaluation_options.evaluate_with_progress", refuse)


def test_evaluate_keeps_what_it_prints_and_all_that_it_depends_on(runs: Path) -> None:
    told = json.loads(vsmnp("evaluate", "a", *FEW, "--json").stdout)
    document = json.loads((runs / "a" / EVALUATION).read_text())
    run = load_run(runs / "a")
    assert {name: entry["values"] for name, entry in document["metrics"].items()} == told
    known = floors(run)
    for name, entry in document["metrics"].items():
        assert entry["unit"] == metric(name).unit
        assert entry["floor"] == known.get(name)
    assert document["draws"] == {"prior": 20, "iwae": 2, "posterior": 5}
    assert (document["seeds"], document["step"], document["state"]) == ([5, 6], 4, run.seal)
    assert document["data"]["name"] == "mixture"
    assert document["data"]["sha256"] == fingerprint(run.dataset, 0)
    assert (document["vsmnp"], document["kernels"]) == (VERSION, "reference")
    assert document["machine"].keys() == {"processor", "architecture", "instructions", "cores"}


def test_an_evaluation_in_python_is_kept(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = load_run(runs / "a")
    figures = evaluate(run, prior_draws=20, iwae_samples=2)
    found = kept(runs / "a")
    assert found is not None
    assert found.fits(run.seal, 20, 2)
    assert {name: found.figures[name] for name in figures} == figures
    document = json.loads((runs / "a" / EVALUATION).read_text())
    assert document["settings"] == run.settings.to_mapping()

    (runs / "a" / EVALUATION).unlink()
    evaluate(run, run.test_set[:30], prior_draws=20, iwae_samples=2)
    assert kept(runs / "a") is None, "an evaluation on other data is not that of the run"

    def full(*_: object) -> None:
        raise StorageError("evaluation.json could not be written (No space left on device).")

    with monkeypatch.context() as patch:
        patch.setattr("vsmnp.evaluation.kept.write_text", full)
        with pytest.warns(UserWarning, match="The evaluation is not kept: .*No space left"):
            assert evaluate(run, prior_draws=20, iwae_samples=2) == figures

    Session.resumed(runs / "a", {"steps": 6}).train()
    evaluate(run, prior_draws=20, iwae_samples=2)
    assert kept(runs / "a") is None, "the run has gone on since"


def test_train_keeps_its_evaluation(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ("--kernels", "reference", "--steps", 2, "--batch-size", 20, "--hidden", 3, "--samples", 2)
    told = json.loads(vsmnp("train", *options, "--out", out, "--json").stdout)
    found = kept(out)
    assert found is not None
    assert found.fits(load_run(out).seal, 100_000, 100)
    assert {name: values[0] for name, values in found.figures.items()} == {
        each.name: told[each.name] for each in MODEL_METRICS
    }


@pytest.mark.usefixtures("no_computation")
def test_compare_computes_nothing_that_is_kept(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        from vsmnp.cli.results import evaluate_with_progress

        patch.setattr("vsmnp.cli.evaluation_options.evaluate_with_progress", evaluate_with_progress)
        computed = json.loads(vsmnp("compare", "a", "b", *FEW, "--json").stdout)
    assert json.loads(vsmnp("compare", "a", "b", *FEW, "--json").stdout) == computed


@pytest.mark.usefixtures("no_computation")
@pytest.mark.parametrize("change", ["draws", "state", "damaged", "none", "version"])
def test_what_does_not_fit_is_computed_anew(runs: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        from vsmnp.cli.results import evaluate_with_progress

        patch.setattr("vsmnp.cli.evaluation_options.evaluate_with_progress", evaluate_with_progress)
        vsmnp("evaluate", "a", *FEW)
    path, few = runs / "a" / EVALUATION, FEW
    if change == "draws":
        few = ("--draws", "21", "--iwae-samples", "2")
    elif change == "state":
        Session.resumed(runs / "a", {"steps": 6}).train()
    elif change == "damaged":
        path.write_text(path.read_text()[:100])
    elif change == "none":
        path.unlink()
    else:
        path.write_text(path.read_text().replace(f'"vsmnp": "{VERSION}"', '"vsmnp": "0.0.0"'))
    result = CliRunner().invoke(main, ["compare", "a", *few])
    assert isinstance(result.exception, AssertionError)


def test_a_folder_that_cannot_be_written_to_loses_the_file_only(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("evaluation.json could not be written (No space left on device).")

    monkeypatch.setattr("vsmnp.evaluation.kept.write_text", full)
    result = vsmnp("evaluate", "a", *FEW)
    assert "neg_elbo" in result.stdout
    assert "Note: the evaluation is not kept. evaluation.json could not be written" in result.stderr


def test_compare_sorts_the_best_first_and_writes_csv(runs: Path) -> None:
    vsmnp("compare", "a", "b", *FEW, "--sort", "neg_elbo", "--csv", "t.csv")
    with open("t.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    values = [float(line["neg_elbo"]) for line in lines]
    assert values == sorted(values)
    assert {line["run"] for line in lines} == {"a", "b"}
    figures = {line["run"]: kept(runs / line["run"]) for line in lines}
    for line in lines:
        found = figures[line["run"]]
        assert found is not None
        numbers = np.array(found.figures["mse"], float)
        assert float(line["mse"]) == pytest.approx(numbers.mean(), rel=1e-12)
        assert float(line["mse_sem"]) == pytest.approx(numbers.std(ddof=1) / 2**0.5, rel=1e-12)
        assert line["data_sha256"] == found.document["data"]["sha256"]
    told = json.loads(vsmnp("compare", "a", "b", *FEW, "--sort", "neg_elbo", "--json").stdout)
    assert [entry["run"] for entry in told] == [line["run"] for line in lines]
    wrong = CliRunner().invoke(main, ["compare", "a", "--sort", "beauty"])
    assert (wrong.exit_code, "beauty" in wrong.output) == (2, True)


def test_runs_on_different_data_are_marked(runs: Path) -> None:
    result = vsmnp("compare", "a", "c", *FEW)
    assert "The runs are on different data (mixture, ring)" in result.stderr
    assert result.stdout.splitlines()[0].split()[:2] == ["run", "data"]
    same = vsmnp("compare", "a", "b", *FEW)
    assert "different data" not in same.stderr
    assert "data" not in same.stdout.splitlines()[0].split()


# --- the list of runs -----------------------------------------------------------------------------


def test_list_shows_progress_differences_and_metrics(runs: Path) -> None:
    vsmnp("evaluate", "a", *FEW)
    vsmnp("evaluate", "b", *FEW)
    Session.new(replace(TINY, steps=9), folder=runs / "below" / "d").close()
    (runs / "below" / "broken").mkdir()
    (runs / "below" / "broken" / "checkpoint.h5").write_bytes(b"nothing")
    result = vsmnp("list", ".")
    header, _, *lines = result.stdout.splitlines()
    names = header.split()
    assert names[:2] == ["run", "state"]
    assert {"dataset", "objective", "lr", "neg_elbo", "nll", "mse"} <= set(names)
    assert not {"hidden", "log_every", "kernels"} & set(names), "they are the same everywhere"
    assert [line.split()[0] for line in lines] == ["a", "b", "below/broken", "below/d", "c"]
    assert "finished" in lines[0]
    assert "unreadable" in lines[2]
    assert "stopped at step 0 of 9" in lines[3]
    assert "is not a vsmnp checkpoint" in result.stderr


def test_list_shows_a_run_whose_last_checkpoint_is_gone(runs: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is read from the one before, as everywhere."""
    Path("a/checkpoint.h5").replace("a/checkpoint.previous.h5")
    result = vsmnp("list", ".", "--json")
    assert [Path(entry["run"]).name for entry in json.loads(result.stdout)] == ["a", "b", "c"]
    assert "a/checkpoint.h5 is damaged or gone" in caplog.text


def test_list_sorts_and_prints_json(runs: Path) -> None:
    for name in ("a", "b"):
        vsmnp("evaluate", name, *FEW)
    found = json.loads(vsmnp("list", runs, "--sort", "neg_elbo", "--json").stdout)
    means = [np.mean(entry["metrics"]["neg_elbo"]) for entry in found[:2]]
    assert means == sorted(means)
    assert (found[2]["run"], found[2]["metrics"]) == (str(runs / "c"), None)
    assert [(entry["state"], entry["step"], entry["steps"]) for entry in found] == [("finished", 4, 4)] * 3
    assert found[0]["settings"]["seeds"] == [5, 6]


def test_list_leaves_out_the_evaluation_of_an_earlier_state(runs: Path) -> None:
    vsmnp("evaluate", "a", *FEW)
    Session.resumed(runs / "a", {"steps": 6}).train()
    (entry,) = json.loads(vsmnp("list", "a", "--json").stdout)
    assert (entry["metrics"], entry["step"]) == (None, 6)


def test_list_needs_no_data_and_shows_running_and_diverged_runs(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv", np.random.default_rng(0).normal(size=(50, 2)), delimiter=",")
    settings = replace(TINY, dataset=str(tmp_path / "x.csv"))
    with Session.new(settings, folder=tmp_path / "run") as session:
        (tmp_path / "x.csv").unlink()
        (entry,) = json.loads(vsmnp("list", tmp_path, "--json").stdout)
        assert entry["state"] == "running"
        session.state.active[:] = False
        session.save(session.state)
    (entry,) = json.loads(vsmnp("list", tmp_path, "--json").stdout)
    assert (entry["state"], entry["diverged_models"]) == ("diverged", 2)


def test_list_of_an_empty_folder_is_a_sentence(tmp_path: Path) -> None:
    assert "There are no runs" in vsmnp("list", tmp_path).stderr
    missing = CliRunner().invoke(main, ["list", str(tmp_path / "none")])
    assert (missing.exit_code, "There is no folder" in missing.output) == (2, True)


def test_of_two_evaluations_at_once_none_loses_the_figures_of_the_other(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One computes FID, and writes it after the other has read the file and before that replaces it."""
    run, quality, write = load_run(runs / "a"), {"extractor": "mine"}, keeping.write_text
    other = threading.Thread(target=lambda: keep(run, {"fid": [1.0, 2.0]}, 20, 2, quality))

    def slowly(*arguments: object) -> None:
        if not other.ident:
            other.start()
            other.join(0.5)  # without a lock it ends here
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(keeping, "write_text", slowly)
    keep(run, {"nll": [3.0, 4.0]}, 20, 2)
    other.join()
    found = kept(runs / "a")
    assert found is not None
    assert found.quality == quality
    assert found.figures["fid"] == [1.0, 2.0]
    assert sorted(path.name for path in (runs / "a").glob(".*")) == []
