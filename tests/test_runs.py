"""Test runs on disk: no failure of the process, the disk or the data loses or changes a run."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_data import smaller_sets

import vsmnp
from vsmnp import storage
from vsmnp.errors import CheckpointError, ConfigError, DivergenceError, Interrupted, StorageError
from vsmnp.runs import checkpoint
from vsmnp.runs import folder as folder_module
from vsmnp.runs import session as runs
from vsmnp.runs.folder import claim_named
from vsmnp.runs.session import Session, load_run
from vsmnp.settings import toml
from vsmnp.settings.settings import FREE_TO_CHANGE, Settings
from vsmnp.settings.values import option_name
from vsmnp.training.info import Info
from vsmnp.training.loop import Watch
from vsmnp.training.state import State
from vsmnp.training.trainer import Trainer

#: Drawing an epoch of a hundred thousand points takes longer than all other work of a tiny run.
FEWER_POINTS = (
    "from vsmnp.data.synthetic.synthetic import Synthetic; Synthetic.n_train = 4000; Synthetic.n_test = 400; "
)
TINY = Settings(
    kernels="reference", steps=8, log_every=2, batch_size=10, hidden=(3,), samples=2, seeds=(5, 6)
)
FILES = ["checkpoint.h5", "checkpoint.previous.h5", "config.toml", "metrics.csv"]


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """Make the data sets of all names smaller."""
    with smaller_sets(4000, 400):
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder for the runs of this file."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """Return the folder of a run without any interruption, which no test may change."""
    Session.new(TINY, folder=place / "whole").train()
    return place / "whole"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Write a .npz file with training and test points."""
    path, rng = tmp_path / "table.npz", np.random.default_rng(0)
    np.savez(path, x=rng.normal(size=(40, 2)), test=rng.normal(size=(10, 2)))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def equal_runs(one: Path, other: Path) -> None:
    """Check for the same arrays to the last bit and the same readable files."""
    (a, a_attributes), (b, b_attributes) = (
        checkpoint.load(folder / "checkpoint.h5") for folder in (one, other)
    )
    assert a_attributes == b_attributes
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name
    for name in ("config.toml", "metrics.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def interrupted(folder: Path, settings: Settings, after: int) -> None:
    """Train until ``after`` steps are done, then stop as Ctrl-C does."""
    done: list[int] = []
    with pytest.raises(Interrupted, match="--resume"):
        Session.new(settings, folder=folder).train(
            Watch(on_step=done.append, stop=lambda: len(done) == after)
        )


# --- what a run leaves ----------------------------------------------------------------------------


def test_a_run_is_three_readable_files_and_the_checkpoint_before(whole: Path) -> None:
    assert sorted(os.listdir(whole)) == FILES
    assert Settings.from_mapping(toml.load(whole / "config.toml")) == load_run(whole).settings
    lines = (whole / "metrics.csv").read_text().splitlines()
    history = load_run(whole).history
    assert lines[0].split(",") == ["step", "seed", *history.columns]
    assert [line.split(",")[:2] for line in lines[1:]] == [
        [str(t), s] for t in (2, 4, 6, 8) for s in ("5", "6")
    ]
    for column, name in enumerate(history.columns):
        found = [float(line.split(",")[2 + column]) for line in lines[1:]]
        assert found == history.column(name).ravel().tolist()


def test_a_loaded_run_is_the_trained_one(tmp_path: Path) -> None:
    run = Session.new(TINY, folder=tmp_path / "run").train()
    again = load_run(str(tmp_path / "run"))
    assert again.settings == run.settings
    assert (again.step, again.folder, again.vae.seeds) == (8, tmp_path / "run", (5, 6))
    np.testing.assert_array_equal(again.vae.phi, run.vae.phi)
    np.testing.assert_array_equal(again.vae.theta, run.vae.theta)
    np.testing.assert_array_equal(again.gamma_kept, run.gamma_kept)


def test_its_configuration_trains_it_again(whole: Path, tmp_path: Path) -> None:
    settings = Settings.from_mapping(toml.load(whole / "config.toml"))
    Session.new(settings, folder=tmp_path / "again").train()
    equal_runs(tmp_path / "again", whole)


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = vsmnp.train("mixture", kernels="reference", steps=2, batch_size=10, hidden=(3,))
    assert run.folder is None
    assert run.step == 2
    assert os.listdir(tmp_path) == []


def test_the_log_has_about_two_hundred_rows() -> None:
    for steps, every in ((1, 1), (399, 1), (400, 2), (2000, 10)):
        session = Session.new(replace(TINY, steps=steps, log_every=0))
        assert session.trainer.settings.log_every == every


def test_the_time_of_a_step_is_measured_on_a_copy() -> None:
    session = Session.new(TINY)
    before = session.state.phi.tobytes(), session.state.theta.tobytes()
    assert session.seconds_per_step() > 0
    assert (session.state.phi.tobytes(), session.state.theta.tobytes()) == before
    assert session.state.step == 0


def test_measuring_a_run_that_overflows_prints_nothing() -> None:
    """Its failure is reported by the loop."""
    Session.new(replace(TINY, lr=1e38, optimizer="sgd")).seconds_per_step()


def test_a_preset_brings_its_data() -> None:
    run = vsmnp.train(preset="paper-2d-large", kernels="reference", steps=1, batch_size=10, hidden=(3,))
    assert run.settings.dataset == "star"


def test_a_run_on_a_dataset_object_is_found_again(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run stores the file from which the object was read, wherever it is loaded."""
    choice = {"kernels": "reference", "steps": 2, "batch_size": 10, "hidden": (3,)}
    vsmnp.train(vsmnp.load_data(str(table)), out=tmp_path / "object", **choice)
    monkeypatch.chdir(table.parent)
    vsmnp.train(table.name, out=tmp_path / "name", **choice)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("name", "object"):
        assert load_run(tmp_path / name).dataset.n_train == 40


# --- folders --------------------------------------------------------------------------------------


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(StorageError, match=r"not empty.*--out.*--resume"):
        Session.new(TINY, folder=tmp_path)
    assert contents(tmp_path) == {"thesis.tex": b"all of it"}


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    """Permissions do not stop the superuser; a path below a file stops every user."""
    (tmp_path / "file").write_text("old")
    for folder in (tmp_path / "file" / "run", tmp_path / "file", tmp_path / ("x" * 300)):
        with pytest.raises(StorageError, match="--out"):
            Session.new(TINY, folder=folder)
    assert contents(tmp_path) == {"file": b"old"}


def test_a_setting_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    for wrong in ({"batch_size": 10**9}, {"dataset": "missing.csv"}, {"device": "gpu"}):
        with pytest.raises(vsmnp.errors.VsmnpError):
            Session.new(replace(TINY, **wrong), folder=tmp_path / "run")
    assert os.listdir(tmp_path) == []


def test_a_new_name_is_found_for_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = set()
    for _ in range(3):
        before = set(Path("runs").glob("*"))
        lock = claim_named(replace(TINY, objective="m2", as_published=True))
        assert lock.folder not in before
        assert lock.folder.parent == Path("runs")
        assert lock.folder.name.startswith("mixture-kl-m2-as-published-seeds5-6")
        lock.release()
        names.add(lock.folder.name)
    assert len(names) == 3


# --- resuming -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"objective": "m3", "inference": "fisher", "encoder_steps": 2, "encoder_data": "fresh"},
        {"objective": "fae", "inference": "fisher-reparam", "score_norm": "probe", "noise": 0.1},
        {"objective": "m2", "gamma": "optimal", "optimizer": "sgd", "dtype": "float64"},
        {"objective": "elbo", "encoder_optimizer": "sgd", "gamma": "0.04", "log_every": 3},
        {"objective": "m2", "bilevel_steps": 3, "encoder_steps": 2, "encoder_data": "fresh", "noise": 0.1},
        {
            "objective": "m3",
            "inference": "fisher",
            "fisher_weight": "covariance",
            "bilevel_steps": 2,
            "gamma": "optimal",
        },
        {"objective": "elbo", "bilevel_steps": 2, "kl_warmup": 0.02, "kl_weight": 0.5, "kernels": "cpu"},
        {"objective": "m2", "lr_schedule": "cosine", "lr_warmup": 0.02, "bilevel_steps": 1},
        {"objective": "m3", "lr_schedule": "linear", "lr_warmup": 0.05, "kernels": "cpu"},
    ],
    ids=str,
)
def test_an_interrupted_run_resumes_bit_for_bit(tmp_path: Path, choice: dict[str, Any]) -> None:
    """Stopped twice at any step, it is the run that was never stopped."""
    settings = replace(TINY, **choice)
    Session.new(settings, folder=tmp_path / "whole").train()
    for first in (0, 3, 6):
        folder = tmp_path / str(first)
        interrupted(folder, settings, first)
        session = Session.resumed(folder)
        assert session.state.step == first
        done: list[int] = []
        with contextlib.suppress(Interrupted):
            session.train(Watch(on_step=done.append, stop=lambda done=done: len(done) == 3))
        Session.resumed(folder).train()
        equal_runs(folder, tmp_path / "whole")


def test_a_finished_run_is_resumed_to_itself(whole: Path, tmp_path: Path) -> None:
    Session.new(TINY, folder=tmp_path / "run").train()
    assert Session.resumed(tmp_path / "run").train().step == 8
    equal_runs(tmp_path / "run", whole)


def test_more_steps_extend_a_run(whole: Path, tmp_path: Path) -> None:
    """Eight steps and four more are twelve."""
    Session.new(replace(TINY, steps=4), folder=tmp_path / "run").train()
    run = Session.resumed(tmp_path / "run", {"steps": 8}).train()
    assert run.settings.steps == 8
    equal_runs(tmp_path / "run", whole)


def test_more_epochs_extend_a_run(table: Path, tmp_path: Path) -> None:
    """Whether its length was given in epochs or in steps."""
    for name, length in (("epochs", {"steps": 0, "epochs": 1.0}), ("steps", {"steps": 4})):
        settings = replace(TINY, dataset=str(table), **length)
        assert Session.new(settings, folder=tmp_path / name).train().step == 4
        assert Session.resumed(tmp_path / name, {"epochs": 2.0}).train().step == 8


def test_fewer_steps_than_are_done_are_refused(tmp_path: Path) -> None:
    Session.new(TINY, folder=tmp_path / "run").train()
    before = contents(tmp_path / "run")
    with pytest.raises(ConfigError, match="--steps"):
        Session.resumed(tmp_path / "run", {"steps": 4}).train()
    assert contents(tmp_path / "run") == before


OTHER: dict[str, Any] = {
    "dataset": "ring",
    "objective": "m2",
    "inference": "fisher",
    "encoder_data": "fresh",
    "squared_mean": "biased",
    "baseline": "none",
    "as_published": True,
    "score_norm": "probe",
    "gamma": "optimal",
    "hidden": (4,),
    "activation": "tanh",
    "scale": "softplus",
    "sigmoid_output": True,
    "initial": "normal",
    "optimizer": "sgd",
    "encoder_optimizer": "sgd",
    "lr_schedule": "cosine",
    "seeds": (5, 7),
    "dtype": "float64",
    "kernels": "cpu",
    "device": "cpu",
    "arch": "dcgan",
    "batch_norm": "coupled",
    "channels": "3",
    "columns": "a",
    "drop_columns": "a",
    "missing": "drop",
    "standardize": "whiten",
    "posterior": "bernoulli",
    "fisher_weight": "covariance",
    "parts": 2,
    "bilevel_lr": 0.5,
}
#: Settings that contradict the change.
BESIDE: dict[str, dict[str, object]] = {"arch": {"hidden": Settings.hidden}}
MATHEMATICS = [
    spec.name for spec in dataclasses.fields(Settings) if spec.name not in {*FREE_TO_CHANGE, "device"}
]


@pytest.mark.parametrize("name", MATHEMATICS)
def test_another_mathematics_is_refused(whole: Path, name: str) -> None:
    """The sentence names the option; the run is left as it is."""
    before, kept = contents(whole), getattr(TINY, name)
    change = OTHER[name] if name in OTHER else kept + 1
    with pytest.raises(ConfigError) as refusal:
        Session.resumed(whole, {name: change, **BESIDE.get(name, {})})
    text = str(refusal.value)
    assert option_name(name) in text
    assert text.endswith(".")
    assert "\n" not in text
    assert contents(whole) == before
    assert Session.resumed(whole, {name: kept}).state.step == 8


@pytest.mark.parametrize("array", ["x", "test"])
def test_a_run_does_not_resume_with_other_data(table: Path, tmp_path: Path, array: str) -> None:
    """One changed training point or test point is enough."""
    settings = replace(TINY, dataset=str(table))
    interrupted(tmp_path / "run", settings, 5)
    before, arrays = contents(tmp_path / "run"), dict(np.load(table))
    arrays[array][3, 1] += 1e-3
    np.savez(table, **arrays)
    with pytest.raises(CheckpointError, match="no longer those"):
        Session.resumed(tmp_path / "run")
    assert contents(tmp_path / "run") == before


# --- NaN ------------------------------------------------------------------------------------------


def poison(monkeypatch: pytest.MonkeyPatch, models: list[int], before: int) -> None:
    """Write NaN into the decoder of these models before the step of that number."""
    step = Trainer.step

    def poisoned(made: Trainer, state: State) -> Info:
        if state.step + 1 == before:
            state.theta[models] = np.nan
        return step(made, state)

    monkeypatch.setattr(Trainer, "step", poisoned)


def test_the_last_finite_state_of_a_diverged_run_is_on_disk(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Session.new(replace(TINY, steps=4), folder=tmp_path / "good").train()
    with monkeypatch.context() as patch:
        poison(patch, [0, 1], 6)
        with pytest.raises(DivergenceError, match="step 6 in "):
            Session.new(TINY, folder=tmp_path / "run").train()
    run, good = load_run(tmp_path / "run"), load_run(tmp_path / "good")
    assert run.step == 4
    np.testing.assert_array_equal(run.vae.phi, good.vae.phi)
    np.testing.assert_array_equal(run.vae.theta, good.vae.theta)
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == (tmp_path / "good" / "metrics.csv").read_bytes()


def test_a_diverged_run_cannot_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is left to train: one sentence, and no rows of a model that does not change."""
    with monkeypatch.context() as patch:
        poison(patch, [0, 1], 6)
        with pytest.raises(DivergenceError):
            Session.new(TINY, folder=tmp_path / "run").train()
    before = contents(tmp_path / "run")
    with pytest.raises(DivergenceError):
        Session.resumed(tmp_path / "run").train()
    assert contents(tmp_path / "run") == before


def test_a_diverged_member_stays_diverged_when_the_run_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after the divergence or not, the files are the same."""
    for name, stops in (("whole", None), ("cut", 5)):
        done: list[int] = []
        with monkeypatch.context() as patch, contextlib.suppress(Interrupted):
            poison(patch, [1], 3)
            Session.new(TINY, folder=tmp_path / name).train(
                Watch(on_step=done.append, stop=lambda done=done, stops=stops: len(done) == stops)
            )
    Session.resumed(tmp_path / "cut").train()
    assert Session.resumed(tmp_path / "cut").state.active.tolist() == [True, False]
    (a, _), (b, _) = (checkpoint.load(tmp_path / name / "checkpoint.h5") for name in ("whole", "cut"))
    for name in (each for each in a if not each.startswith("history/")):
        assert a[name].tobytes() == b[name].tobytes(), name
    for name in (each for each in a if each.startswith("history/") and each != "history/steps"):
        assert a[name][:, 0].tobytes() == b[name][:, 0].tobytes(), name


# --- a full disk ----------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 7, 8, 10])
@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_disk_that_fills_up_loses_nothing(whole: Path, tmp_path: Path, failing: str, calls: int) -> None:
    """After any number of successful writes: a sentence, whole files, and a run that can be resumed."""
    folder, real, count = tmp_path / "run", getattr(os, failing), [0]

    def fail(*arguments: Any) -> Any:
        count[0] += 1
        if count[0] > calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "SAVE_EVERY", 0.0)
        patch.setattr(os, failing, fail)
        with pytest.raises(StorageError, match="No space left on device"):
            Session.new(TINY, folder=folder).train()
    assert not [name for name in os.listdir(folder) if name not in FILES]
    if (folder / "checkpoint.h5").exists():
        Session.resumed(folder).train()
    else:
        Session.new(TINY, folder=folder).train()
    equal_runs(folder, whole)


def test_a_checkpoint_at_the_end_has_all_of_its_rows(whole: Path, tmp_path: Path) -> None:
    """A sweep leaves a cell alone whose checkpoint is at its end: what was not written would stay so."""
    written = []

    def write(path: Path, text: str, *rest: Any) -> None:
        written.append(path.name)
        if written.count(path.name) > 1:  # after those of the beginning
            raise StorageError("the disk fails.")
        storage.write_text(path, text, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_module, "write_text", write)
        with pytest.raises(StorageError, match="the disk fails"):
            Session.new(TINY, folder=tmp_path / "run").train()
    assert checkpoint.load(tmp_path / "run" / "checkpoint.h5")[0]["step"] < TINY.steps
    Session.resumed(tmp_path / "run").train()
    equal_runs(tmp_path / "run", whole)


# --- a process that ends --------------------------------------------------------------------------

#: The command line with a checkpoint at every row, so that a signal interrupts the writing too.
PROGRAM = (
    FEWER_POINTS
    + "import vsmnp.runs.session as runs; runs.SAVE_EVERY = 0.0; from vsmnp.cli import main; main()"
)
LONG = replace(TINY, steps=400, log_every=1, seeds=(5,))


#: A run with bi-level updates: on ``reference`` its step is composed, on ``cpu`` it is fused.
UPDATED = replace(LONG, objective="m2", bilevel_steps=3, encoder_steps=2, activation="tanh")


def _options(settings: Settings) -> list[str]:
    """Return the options of the settings that are not the defaults."""
    found: list[str] = []
    for spec in dataclasses.fields(settings):
        value = getattr(settings, spec.name)
        if value != spec.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            found += [option_name(spec.name)] if value is True else [option_name(spec.name), text]
    return found


@contextlib.contextmanager
def _process(*arguments: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """Start ``vsmnp`` in a separate process, which ends with the test at the latest."""
    process = subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)


@pytest.fixture(scope="module")
def long(place: Path) -> Path:
    """Return the run of the processes below, without an interruption."""
    Session.new(LONG, folder=place / "long").train()
    return place / "long"


def _killed(settings: Settings, folder: Path, rows: int, after: float) -> Session:
    """Train in a process until there are some rows, kill it ``after`` some seconds, and resume its run."""
    metrics = folder / "metrics.csv"
    with _process("train", "--quiet", "--out", str(folder), *_options(settings)) as process:
        _until(lambda: metrics.exists() and metrics.read_text().count("\n") > rows, process)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    session = Session.resumed(folder)
    assert session.state.step < settings.steps
    return session


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_killed_run_resumes_bit_for_bit(long: Path, tmp_path: Path, seed: int) -> None:
    """``kill -9`` at a random instant; once it is resumed no half-written file is left."""
    folder = tmp_path / "run"
    _killed(LONG, folder, 0, random.Random(seed).uniform(0, 0.25)).train()
    equal_runs(folder, long)
    assert sorted(os.listdir(folder)) == FILES


@pytest.mark.parametrize(
    ("kernels", "fused"), [("reference", False), ("cpu", True)], ids=["composed", "fused"]
)
@pytest.mark.parametrize("published", [False, True], ids=["", "as published"])
def test_a_killed_run_with_bilevel_updates_resumes_bit_for_bit(
    tmp_path: Path, published: bool, kernels: str, fused: bool
) -> None:
    """The encoder that is stored is the one that goes on: that of phi_0, or as published that of phi_K."""
    settings = replace(UPDATED, kernels=kernels, as_published=published)
    whole, folder = Session.new(settings, folder=tmp_path / "whole"), tmp_path / "run"
    assert (whole.trainer.fused is not None) == fused
    whole.train()
    session = _killed(settings, folder, 5, 0.1)
    assert (session.trainer.fused is not None) == fused
    assert session.state.step > 0
    session.train()
    equal_runs(folder, tmp_path / "whole")
    assert sorted(os.listdir(folder)) == FILES


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_a_run_killed_in_its_first_save_can_be_started_again(whole: Path, tmp_path: Path, left: int) -> None:
    """Only the temporary file, or the first of its three files, was written to the disk."""
    written = [name for name in FILES if "previous" not in name]
    folder, files = tmp_path / "run", written[: max(left - 1, 0)]
    folder.mkdir()
    (folder / f".{written[min(left, 2)]}.k1ll3d.vsmnp-part").write_bytes(b"half")
    if left > 1:
        Session.new(TINY, folder=tmp_path / "start")
        for name in files:
            (folder / name).write_bytes((tmp_path / "start" / name).read_bytes())
    (Session.resumed(folder) if files else Session.new(TINY, folder=folder)).train()
    equal_runs(folder, whole)
    assert sorted(os.listdir(folder)) == FILES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_names_the_command_to_resume(
    long: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "run"
    with _process("train", "--out", str(folder), *_options(LONG)) as process:
        metrics = folder / "metrics.csv"
        _until(lambda: metrics.exists() and metrics.read_text().count("\n") > 5, process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == Interrupted.exit_code
    assert output == ""
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert "Stopped after step" in last
    assert last.endswith(f"vsmnp train --resume {folder}")
    session = Session.resumed(folder)
    assert 0 < session.state.step < LONG.steps
    session.train()
    equal_runs(folder, long)


def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    """The operating system's own error, not a simulated one: the old checkpoints stay, exit code 1.

    ``metrics.csv`` and ``config.toml``, which fit, may be ahead of them; the run goes on to the same bytes.
    """
    resource = pytest.importorskip("resource")
    assert resource
    Session.new(replace(LONG, steps=4), folder=tmp_path / "run").train()
    before = contents(tmp_path / "run")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
    for arguments in (("--resume", "run", "--steps", "8"), ("--out", "new", *_options(LONG))):
        names = [str(tmp_path / word) if word in ("run", "new") else word for word in arguments]
        with _process("train", *names, before=limit) as process:
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "Traceback" not in errors
        assert errors.count("could not be written") == 1
        assert errors.strip().splitlines()[-1].endswith(".")
    after = contents(tmp_path / "run")
    assert {name: after[name] for name in before if name.endswith(".h5")} == {
        name: each for name, each in before.items() if name.endswith(".h5")
    }
    assert contents(tmp_path / "new") == {}
    with _process("train", "--resume", str(tmp_path / "run"), "--steps", "8") as process:
        assert process.wait(timeout=30) == 0
    Session.new(replace(LONG, steps=8), folder=tmp_path / "whole").train()
    equal_runs(tmp_path / "run", tmp_path / "whole")
