"""Test the axes of a sweep, their products, lists, draws and files, the names of cells, and the command."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small_data import smaller_sets

import vsmnp
from vsmnp.cli import main
from vsmnp.errors import CheckpointError, ConfigError, LockedError
from vsmnp.runs import checkpoint
from vsmnp.runs.lock import lock_folder
from vsmnp.runs.session import Session
from vsmnp.settings import in_effect
from vsmnp.sweeps.axes import AxisInterval, crossed, grid, parse_axis
from vsmnp.sweeps.cells import Cell, RefusedCell, cells_of, name_of, setting_of
from vsmnp.sweeps.draw import METHODS, drawn
from vsmnp.sweeps.sweep_file import SweepPlan
from vsmnp.sweeps.table import SweepTable

SMALL: dict[str, Any] = {"hidden": (4,), "steps": 4, "batch_size": 10, "kernels": "reference"}
OPTIONS = ("--hidden", "4", "--steps", "4", "--batch-size", "10", "--kernels", "reference", "--jobs", "1")


@pytest.fixture(autouse=True)
def _few_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with smaller_sets(100, 20):
        yield


# --- axes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("seed=0-3", "seed", [0, 1, 2, 3]),
        ("seed=5,7-8", "seed", [5, 7, 8]),
        ("latent=1-2", "latent", [1, 2]),
        ("lr=1e-4,1e-3", "lr", [1e-4, 1e-3]),
        ("encoder-lr=0.5", "encoder_lr", [0.5]),
        ("hidden=30x30,64", "hidden", [(30, 30), (64,)]),
        ("objective=m1,elbo", "objective", ["m1", "elbo"]),
        ("as-published=true,false", "as_published", [True, False]),
        ("gamma=learn,0.1", "gamma", ["learn", "0.1"]),
        ("lr=1e-4..1e-2", "lr", AxisInterval(1e-4, 1e-2)),
        ("lr=log:1e-4..1e-2", "lr", AxisInterval(1e-4, 1e-2, log=True)),
        ("samples=1..8", "samples", AxisInterval(1, 8)),
    ],
)
def test_an_axis_is_read(text: str, name: str, values: Any) -> None:
    assert parse_axis(text) == (name, values)


@pytest.mark.parametrize("text", ["lr=x", "seed=1.5", "hidden=3y4", "as-published=perhaps", "latent=2-"])
def test_a_value_of_another_type_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="which is not"):
        parse_axis(text)


def test_an_axis_that_is_no_setting_gets_a_suggestion() -> None:
    with pytest.raises(
        ConfigError, match=r"The axis 'objectve' is no setting \(did you mean 'objective'\?\)"
    ):
        setting_of("objectve")
    with pytest.raises(ConfigError, match=r"did you mean 'seed'"):
        parse_axis("sed=3")


@given(st.dictionaries(st.sampled_from(["lr", "seed", "latent"]), st.sets(st.integers(1, 9), min_size=1)))
def test_the_product_has_every_combination_once(axes: dict[str, set[int]]) -> None:
    points = list(grid({name: sorted(values) for name, values in axes.items()}))
    assert len({tuple(point.items()) for point in points}) == len(points)
    assert len(points) == math.prod(map(len, axes.values()))
    assert all(point[name] in axes[name] for point in points for name in axes)


def test_lists_and_products_are_crossed() -> None:
    found = list(crossed([{"lr": 1}, {"lr": 2}], grid({"seed": [0, 1]})))
    assert found == [{"lr": i, "seed": j} for i in (1, 2) for j in (0, 1)]


# --- draws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_draw_is_a_function_of_its_seed_and_stays_in_its_intervals(method: str) -> None:
    axes = {
        "lr": AxisInterval(1e-4, 1e-2, log=True), "samples": AxisInterval(1, 3), "objective": ["m1", "elbo"],
    }  # fmt: skip
    found = list(drawn(axes, 100, method, 1))
    assert found == list(drawn(axes, 100, method, 1))
    assert found != list(drawn(axes, 100, method, 2))
    assert all(1e-4 <= point["lr"] <= 1e-2 for point in found)
    assert {point["samples"] for point in found} == {1, 2, 3}
    assert all(type(point["samples"]) is int for point in found)
    assert {point["objective"] for point in found} == {"m1", "elbo"}
    below = np.mean([point["lr"] < 1e-3 for point in found])
    assert abs(below - 0.5) < (0.02 if method == "sobol" else 0.15)


def test_the_sobol_sequence_fills_every_part_of_an_interval() -> None:
    found = sorted(point["lr"] for point in drawn({"lr": AxisInterval(0.0, 16.0)}, 16))
    assert all(part <= value <= part + 1 for part, value in enumerate(found))  # rounding may reach an end
    assert len(found) == 16


def test_a_point_that_is_drawn_twice_is_one_cell() -> None:
    assert len(list(drawn({"samples": AxisInterval(1, 3)}, 50))) == 3


# --- cells -----------------------------------------------------------------------------------------


def test_cells_are_named_by_their_axes() -> None:
    assert name_of({"objective": "m1", "lr": 1e-3, "seed": 0}) == "objective=m1_lr=0.001_seed=0"
    assert name_of({"hidden": (30, 30), "as-published": True}) == "hidden=30x30_as_published=true"
    assert name_of({"lr": 0.1 + 0.2}) == "lr=0.30000000000000004"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=200), min_size=2, max_size=2, unique=True))
def test_a_name_is_of_one_cell_and_of_a_folder(values: list[str]) -> None:
    names = [name_of({"dataset": value}) for value in values]
    assert names[0] != names[1]
    for name in names:
        assert len(name) <= 120
        assert "/" not in name
        assert name.isascii()


def test_a_cell_that_cannot_be_is_refused_and_the_others_are_not() -> None:
    good, bad = cells_of({"inference": "kl"}, grid({"objective": ["m1", "fae"]}))
    assert isinstance(good, Cell)
    assert isinstance(bad, RefusedCell)
    assert "fae" in bad.error


# --- files -----------------------------------------------------------------------------------------

_FILE = """
steps = 4
objective = "elbo"
[grid]
seed = [0, 1]
[draw]
number = 3
method = "random"
lr = {low = 1e-4, high = 1e-2, log = true}
"""


def test_a_file_has_settings_a_grid_and_a_draw() -> None:
    Path("study.toml").write_text(_FILE)
    plan = SweepPlan.from_file(Path("study.toml"))
    assert plan.base == {"steps": 4, "objective": "elbo"}
    points = list(plan.points())
    assert len(points) == 6
    assert points[0]["lr"] == points[1]["lr"] != points[2]["lr"]
    assert [point["seed"] for point in points] == [0, 1] * 3
    other = plan.with_axes(["seed=5"], 0, "sobol", 0)
    assert [point["seed"] for point in other.points()] == [5] * 3


# --- the command -----------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["sweep", *arguments], prog_name="vsmnp")


def test_the_command_trains_every_cell_and_a_second_time_none(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (*OPTIONS, "--grid", "lr=1e-3,1e-2,-1", "--grid", "seed=0-1", "--out", "s", "--json")
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["cells"]
    assert [row["status"] for row in found] == ["finished"] * 4 + ["failed"] * 2
    assert "--lr must be a positive number" in found[-1]["error"]
    assert "lr=-1_seed=0 failed: --lr must be a positive number" in " ".join(done.stderr.split())
    files = sorted(path.name for path in Path("s/lr=0.01_seed=1").iterdir())
    assert files == ["checkpoint.h5", "config.toml", "metrics.csv"]
    with open("s/sweep.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["cell"] for row in rows] == [row["cell"] for row in found]
    assert float(rows[3]["gamma"]) == found[3]["gamma"]
    monkeypatch.setattr(Session, "train", None)
    again = run(*arguments)
    assert json.loads(again.stdout) == json.loads(done.stdout)


def test_a_sweep_with_more_steps_goes_on() -> None:
    table = vsmnp.sweep({"seed": [0, 1]}, out="s", jobs=1, **SMALL)
    assert table.column("step") == [4, 4]
    longer = vsmnp.sweep({"seed": [0, 1]}, out="s", jobs=1, **{**SMALL, "steps": 6})
    assert longer.column("step") == [6, 6]
    whole = vsmnp.sweep({"seed": [0, 1]}, out="w", jobs=1, log_every=1, **{**SMALL, "steps": 6})
    np.testing.assert_array_equal(longer.run(seed=1).vae.theta, whole.run(seed=1).vae.theta)


def test_a_sweep_whose_length_is_left_open_goes_on_after_a_shorter_one_and_not_after_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """10 minibatches are an epoch: a length that is left open is 3 epochs of them, or 25 steps."""
    monkeypatch.setattr(in_effect, "MOST_EPOCHS", 3)
    monkeypatch.setattr(in_effect, "STEPS", 25)
    settings = {name: value for name, value in SMALL.items() if name != "steps"}

    def steps(**length: float) -> list[Any]:
        return vsmnp.sweep({"seed": [0, 1]}, out="s", jobs=1, **settings, **length).column("step")

    assert steps(epochs=1.0) == [10, 10]
    assert steps() == [25, 25]
    monkeypatch.setattr(Session, "train", None)
    assert steps() == steps(steps=25) == steps(epochs=2.5) == [25, 25]
    with pytest.raises(ConfigError, match="a run of 25 steps, more than the 20 that 2 epochs are: ask"):
        steps(epochs=2.0)
    monkeypatch.setattr(in_effect, "STEPS", 24)
    with pytest.raises(ConfigError, match="25 steps, more than the 24 of a length that is not chosen"):
        steps()


def test_a_sweep_goes_on_whether_its_length_is_in_steps_or_in_epochs() -> None:
    """An epoch is 10 steps, and the result is that of an uninterrupted run."""

    def found(out: str, **length: float) -> SweepTable:
        return vsmnp.sweep({"seed": [0]}, out=out, jobs=1, log_every=1, **{**SMALL, "steps": 0, **length})

    assert found("s", steps=4).column("step") == [4]
    table = found("s", epochs=1.0)
    assert table.column("step") == [10]
    np.testing.assert_array_equal(table.run(seed=0).vae.theta, found("w", steps=10).run(seed=0).vae.theta)
    assert found("s", steps=12).column("step") == [12]
    for shorter in ({"epochs": 1.0}, {"steps": 4}):
        with pytest.raises(ConfigError, match=r"a run of 12 steps, more than the .*: ask for at least as"):
            found("s", **shorter)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("is_finished", [True, False], ids=["finished", "half done"])
def test_a_length_is_its_number_of_steps(
    schedule: str, is_finished: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch is 10 steps: what is asked for in the other unit is the same, and fewer steps are refused."""

    def found(**length: float) -> SweepTable:
        settings = {**SMALL, "steps": 0, "lr_schedule": schedule, **length}
        return vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **settings)

    with monkeypatch.context() as patch:
        if not is_finished:
            patch.setattr(Session, "train", None)
        assert found(epochs=2.0).column("status") == ["finished" if is_finished else "failed"]
    remedy = "ask for at least as many" if schedule == "constant" else "ask for --steps 20"
    for shorter, words in (({"epochs": 1.0}, "10 that 1 epochs are"), ({"steps": 10}, "10 asked for")):
        with pytest.raises(ConfigError, match=f"a run of 20 steps.* more than the {words}: {remedy}, or"):
            found(**shorter)
    if schedule == "cosine":
        with pytest.raises(ConfigError, match="fewer than the 30 asked for: ask for --steps 20, or"):
            found(steps=30)
    table = found(steps=20)
    assert (table.column("status"), table.column("step")) == (["finished"], [20])
    assert found(epochs=2.0).column("step") == [20]
    if schedule == "constant":
        assert found(steps=30).column("step") == [30]


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about["dataset"].update(n_train=None),
        lambda about: about["dataset"].update(n_train="x"),
        lambda about: about["dataset"].update(n_train=-5),
        lambda about: about["dataset"].update(n_train=10**400),
        lambda about: about.update(dataset=[]),
        lambda about: about.update(dataset=None),
        lambda about: about.update(steps=None),
        lambda about: about.update(steps=-1),
        lambda about: about.pop("columns"),
    ],
)
@pytest.mark.parametrize("length", [{"steps": 4}, {"epochs": 0.5}, {"steps": 0}], ids=str)
def test_a_cell_with_contents_that_no_version_writes_is_named(
    change: Callable[[dict[str, Any]], object], length: dict[str, float]
) -> None:
    vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL)
    path = Path("s/seed=0/checkpoint.h5").absolute()
    arrays, attributes = checkpoint.load(path)
    change(attributes)
    checkpoint.save(path, arrays, attributes)
    (failure,) = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **{**SMALL, "steps": 0, **length}).failures
    assert failure[1].endswith(f": remove the folder {path.parent}, and the same command trains it anew.")
    with pytest.raises(CheckpointError):
        Session.resumed(path.parent, length)


def test_a_cell_that_states_no_number_of_data_gets_its_length_from_the_data() -> None:
    """The cell of 4 steps is asked for again, with 3."""
    vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL)
    path = Path("s/seed=0/checkpoint.h5")
    arrays, attributes = checkpoint.load(path)
    del attributes["dataset"]
    checkpoint.save(path, arrays, attributes)
    (failure,) = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **{**SMALL, "steps": 3}).failures
    assert "a run of 4 steps, more than the 3 asked for" in failure[1]
    longer = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **{**SMALL, "steps": 0, "epochs": 1.0})
    assert longer.column("step") == [10]


def test_a_sweep_with_a_falling_step_size_whose_length_is_left_open_goes_on_from_its_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The decided length is the one that its step sizes fall over."""
    monkeypatch.setattr(in_effect, "STEPS", 6)
    settings = {**SMALL, "steps": 0, "lr_schedule": "cosine"}
    train = Session.train
    monkeypatch.setattr(Session, "train", None)
    assert vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **settings).column("status") == ["failed"]
    monkeypatch.setattr(Session, "train", train)
    table = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **settings)
    assert (table.column("status"), table.column("step")) == (["finished"], [6])


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_cell_whose_last_checkpoint_is_lost_goes_on_from_the_one_before(is_gone: bool) -> None:
    whole = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL).run(seed=0).vae.theta
    last = Path("s/seed=0/checkpoint.h5")
    if is_gone:
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[:-1])
    again = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL)
    assert (again.failures, again.column("step")) == ([], [4])
    np.testing.assert_array_equal(again.run(seed=0).vae.theta, whole)


def test_a_cell_that_cannot_be_read_fails_with_what_to_remove() -> None:
    vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL)
    folder = Path("s/seed=0")
    (folder / "checkpoint.previous.h5").unlink()
    (folder / "checkpoint.h5").write_bytes(b"no checkpoint")
    ((name, sentence),) = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL).failures
    assert name == "seed=0"
    assert sentence.count(": ") == 1
    assert f": remove the folder {folder.absolute()}, and the same command trains it anew." in sentence
    shutil.rmtree(folder)
    assert vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL).failures == []


def test_a_cell_whose_checkpoints_are_gone_fails_with_what_to_remove() -> None:
    """A link to nothing is no checkpoint either."""
    vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL)
    folder = Path("s/seed=0").absolute()
    for name in ("checkpoint.h5", "checkpoint.previous.h5"):
        (folder / name).unlink()
    for lost in range(2):
        if lost:
            (folder / "checkpoint.h5").symlink_to("nothing")
        ((_, sentence),) = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL).failures
        assert f": remove the folder {folder}, and the same command trains it anew." in sentence
    shutil.rmtree(folder)
    assert vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL).failures == []


@pytest.mark.parametrize(
    "error",
    [
        CheckpointError("The checkpoint x cannot be read (Permission denied): change its permissions."),
        CheckpointError("The checkpoint x was not looked through within 60 s: try again later."),
    ],
)
def test_a_run_that_is_whole_is_not_to_be_removed(
    error: CheckpointError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise error

    vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL)
    monkeypatch.setattr(checkpoint, "glance", refuse)
    assert vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL).failures == [("seed=0", str(error))]


def test_a_folder_with_other_runs_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL)
    with pytest.raises(ConfigError, match="holds a run with samples = 5, not 2: remove it"):
        vsmnp.sweep({"seed": [1, 0]}, out="s", jobs=1, samples=2, **SMALL)
    assert not Path("s/seed=1").exists()


def test_two_sweeps_do_not_share_a_folder() -> None:
    Path("s").mkdir()
    lock = lock_folder(Path("s"))
    with pytest.raises(LockedError):
        vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL)
    lock.release()
    assert vsmnp.sweep({"seed": [0]}, out="s", jobs=1, **SMALL).column("status") == ["finished"]


def test_a_failed_cell_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    train, calls = Session.train, 0

    def sometimes(session: Session, *rest: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ConfigError("Not now: try again later.")
        return train(session, *rest)

    monkeypatch.setattr(Session, "train", sometimes)
    failed = vsmnp.sweep({"seed": [0]}, out="s", jobs=1, retries=1, **SMALL)
    assert failed.failures == [("seed=0", "Not now: try again later.")]
    assert vsmnp.sweep({"seed": [0]}, out="s", jobs=1, retries=1, **SMALL).failures == []


def test_a_dry_run_writes_nothing_and_counts_what_is_left() -> None:
    run(*OPTIONS, "--grid", "seed=0", "--out", "s")
    before = sorted(Path().rglob("*"))
    done = run(*OPTIONS, "--grid", "seed=0-3", "--grid", "objective=m1", "--out", "t", "--dry-run", "--json")
    more = run(*OPTIONS, "--grid", "seed=0-3", "--out", "s", "--dry-run", "--json")
    assert sorted(Path().rglob("*")) == before
    assert [json.loads(each.stdout)["left"] for each in (done, more)] == [4, 3]
    (kind,) = json.loads(done.stdout)["kinds"]
    assert (kind["kind"], kind["packs"], kind["models"], kind["steps"]) == ("objective=m1", 1, 4, 4)
    assert json.loads(done.stdout)["core_hours"] > 0


def test_a_picture_has_a_line_for_each_other_axis() -> None:
    from vsmnp.sweeps.picture import draw_axis

    axes = {"objective": ["m1", "elbo"], "lr": [1e-3, 1e-1], "seed": [0, 1]}
    table = vsmnp.sweep(axes, out="s", jobs=1, **SMALL)
    (panel,) = draw_axis(table, "lr", "gamma").axes
    assert panel.get_xscale() == "log"
    lines = {container.get_label(): container[0] for container in panel.containers}
    assert set(lines) == {"objective=m1", "objective=elbo"}
    gammas = [row["gamma"] for row in table.rows if row["objective"] == "m1"]
    shown = np.asarray(lines["objective=m1"].get_ydata(), float)
    np.testing.assert_allclose(shown, np.reshape(gammas, (2, 2)).mean(1))
    (names,) = draw_axis(table, "objective", "gamma").axes
    assert [label.get_text() for label in names.get_xticklabels()] == ["m1", "elbo"]
