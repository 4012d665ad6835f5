"""Situations of checkpoints that are damaged, foreign or of another version, and of data that are others."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import vsmnp
from vsmnp.data import hdf5_ends
from vsmnp.runs import checkpoint
from vsmnp.runs.session import load_run
from vsmnp.runs.survey import _summary

from .follow import Case, Step, commands, remedy
from .follow import vsmnp as command
from .options import TRAIN

#: A change of the arrays and the attributes of a checkpoint.
Change = Callable[[dict[str, Any], dict[str, Any]], object]

commands(__name__, {
    "a folder without a run": Case(
        ("sample", "nowhere", "-n", "1"), "name the folder of a run", ("sample", "run", "-n", "1"),
    ),
    "a file in place of a run": Case(
        ("sample", "t.csv", "-n", "1"), "name the folder of a run", ("sample", "run", "-n", "1"),
    ),
})  # fmt: skip


def sampled(run: str = "run") -> Step:
    """Return the step that reads the checkpoint of a run."""
    return command("sample", run, "-n", "1")


def anew() -> Step:
    """Return the step that starts a new run by the settings of the one in ``run``."""
    return command("train", "--config", "run/config.toml", "--out", "anew")


def edited(change: Change) -> None:
    """Write the checkpoint of the run with a change, as another version would have written it."""
    path = Path("run/checkpoint.h5")
    arrays, attributes = checkpoint.load(path)
    change(arrays, attributes)
    checkpoint.save(path, arrays, attributes)


def foreign(change: Change) -> Iterator[Step]:
    """Yield the step that reads a changed checkpoint, and then the one that starts a new run."""
    edited(change)
    yield sampled()
    yield anew()


@remedy("which no version writes: start a new run")
def a_step_that_is_no_number(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from foreign(lambda arrays, attributes: arrays.update(step=np.array(np.nan)))


# --- the file -------------------------------------------------------------------------------------


@remedy("restore it from a copy or start a new run")
def a_damaged_checkpoint(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    path = Path("run/checkpoint.h5")
    shutil.copy(path, "copy.h5")
    path.write_bytes(path.read_bytes()[:-1])
    Path("run/checkpoint.previous.h5").unlink()
    yield sampled()
    yield anew()
    shutil.copy("copy.h5", path)
    yield sampled()


@remedy("name the checkpoint.h5 of a run")
def another_file_of_that_name(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    Path("other").mkdir()
    Path("other/checkpoint.h5").write_bytes(b"text")
    yield sampled("other/checkpoint.h5")
    yield sampled("run/checkpoint.h5")


@remedy("change its permissions or restore it from a copy")
def a_checkpoint_that_may_not_be_read(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.MonkeyPatch.context() as closed:
        closed.setattr(checkpoint, "open_regular", forbidden)
        yield sampled()
    yield sampled()


def without_attributes() -> None:
    """Replace the checkpoint by one whose seal is right, and which holds none of the attributes."""
    image = io.BytesIO()
    with h5py.File(image, "w", userblock_size=512) as file:
        file["x"] = np.zeros(3)
    payload = image.getvalue()[512:]
    header = checkpoint._header(hashlib.sha256(payload).hexdigest())
    Path("run/checkpoint.h5").write_bytes(header + payload)


@remedy("attribute: 'vsmnp')\"): start a new run")
def a_checkpoint_without_attributes(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    without_attributes()
    yield sampled()
    yield anew()


@remedy("attribute: 'vsmnp')\"): start a new run")
def a_glance_at_a_checkpoint_without_attributes(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    without_attributes()
    yield lambda: _summary(Path("run"))
    yield anew()
    yield lambda: _summary(Path("anew"))


# --- the content ----------------------------------------------------------------------------------


@remedy("start a new run")
def settings_of_another_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from foreign(lambda arrays, about: about["settings"].update(unheard=1))


@remedy("start a new run")
def a_history_of_another_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from foreign(lambda arrays, about: about.pop("columns"))


@remedy("Start a new run")
def parameters_of_another_shape(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from foreign(lambda arrays, about: arrays.pop("encoder/t"))


@remedy("start a new run")
def a_step_below_zero(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield from foreign(lambda arrays, about: arrays.update(step=np.array(-1)))


@remedy("holds no 'active': start a new run")
def a_state_of_another_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    edited(lambda arrays, about: arrays.pop("active"))
    yield lambda: _summary(Path("run"))
    yield anew()
    yield lambda: _summary(Path("anew"))


def with_best() -> None:
    """Replace the run by one with a validation part and evaluations."""
    shutil.rmtree("run")
    command(*TRAIN, "--validation", "0.2", "--evaluate-every", "0.05", "--out", "run")()


@remedy("start a new run")
def evaluations_of_another_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with_best()
    yield from foreign(lambda arrays, about: arrays.pop("evaluations/sd_edges"))


@remedy("start a new run")
def a_best_state_of_another_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with_best()
    yield from foreign(lambda arrays, about: arrays.pop("validation/waited"))


BEST = ("evaluate", "run", "--best", "--draws", "50", "--iwae-samples", "0")


@remedy("train one with --validation 0.1")
def a_run_without_a_best_state(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield command(*BEST)
    with_best()
    yield command(*BEST)


@remedy("ended before its first evaluation: raise --steps, or lower --evaluate-every")
def a_run_without_an_evaluation(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    shutil.rmtree("run")
    command(*TRAIN, "--validation", "0.1", "--out", "run")()
    yield command(*BEST)
    shutil.copytree("run", "copy")
    command("train", "--resume", "run", "--steps", "20")()
    yield command(*BEST)
    shutil.rmtree("run")
    shutil.move("copy", "run")
    command("train", "--resume", "run", "--evaluate-every", "0.1")()
    yield command(*BEST)


@remedy("had diverged at every evaluation: start a new run")
def a_run_that_was_never_finite(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with_best()
    edited(lambda arrays, about: arrays.update({"validation/best_step": np.zeros(1, np.int64)}))
    yield command(*BEST)
    yield anew()
    yield command("evaluate", "anew", *BEST[2:])


# --- the data -------------------------------------------------------------------------------------


def of_table(*options: str) -> None:
    """Replace the run by one on a table, which is read as its own units."""
    shutil.rmtree("run")
    command(*TRAIN, "--dataset", "t.csv", "--out", "run", *options)()


@remedy("does not fit its data: start a new run")
def a_standardisation_of_other_columns(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    of_table()
    yield from foreign(lambda arrays, about: arrays.update({
        name: values[:2] for name, values in arrays.items() if "forward" in name or "mean" in name
    }))  # fmt: skip


EVALUATE = ("evaluate", "run", "--draws", "50", "--iwae-samples", "0")


@remedy("name their new place by --dataset (of train --resume, evaluate and plot), or by load_run(folder, da")
def data_that_have_moved(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    of_table()
    Path("t.csv").rename("u.csv")
    yield command(*EVALUATE)
    yield command(*EVALUATE, "--dataset", "u.csv")
    yield command("plot", "run", "curves", "--dataset", "u.csv", "--out", "x.png")
    yield command("train", "--resume", "run", "--dataset", "u.csv", "--steps", "3")
    yield lambda: load_run("run", dataset="u.csv").test_set


@remedy("check the name")
def a_new_place_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    of_table()
    Path("t.csv").rename("u.csv")
    yield command(*EVALUATE, "--dataset", "uu.csv")
    yield command(*EVALUATE, "--dataset", "u.csv")


@remedy("put the old file back or start a new run")
def data_that_have_changed(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    of_table()
    old = Path("t.csv").read_text()
    Path("t.csv").write_text(old.replace("0.25", "0.75"))
    yield command(*EVALUATE)
    yield anew()
    Path("t.csv").write_text(old)
    yield command(*EVALUATE)


@remedy("name a copy of the same data or start a new run")
def other_data_in_their_place(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    of_table()
    shutil.copy("t.csv", "same.csv")
    Path("other.csv").write_text(Path("t.csv").read_text().replace("0.25", "0.75"))
    yield command(*EVALUATE, "--dataset", "other.csv")
    yield command(*EVALUATE, "--dataset", "same.csv")
    yield command(*TRAIN, "--dataset", "other.csv", "--out", "new")


@remedy("give the same data")
def other_data_from_python(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    x = np.random.default_rng(0).normal(size=(20, 2))
    vsmnp.train(x, out="own", steps=1, hidden=(3,), standardize="none", kernels="reference")
    yield lambda: load_run("own", dataset=x + 1)
    yield lambda: load_run("own", dataset=x)


@remedy("copy it to a local disk, or try again later")
def a_checkpoint_of_an_earlier_version_on_a_slow_machine(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    shutil.copytree(Path(__file__).parents[1] / "golden" / "checkpoints" / "perceptron", "old")
    with pytest.MonkeyPatch.context() as slow:
        slow.setattr(hdf5_ends, "LONGEST", 1.0)
        slow.setattr(checkpoint, "_READER", "import time; time.sleep(60)")
        yield lambda: checkpoint.load(Path("old/checkpoint.h5"))
    yield lambda: checkpoint.load(Path("old/checkpoint.h5"))
    shutil.copytree("old", "local")
    yield lambda: checkpoint.load(Path("local/checkpoint.h5"))
