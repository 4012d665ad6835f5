"""Test that two checkpoints of a run are kept, and that damage of the last loses its last moments alone."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from small_data import smaller_sets

from vsmnp.cli import main
from vsmnp.errors import CheckpointError, Interrupted, StorageError
from vsmnp.evaluation.evaluate import evaluate
from vsmnp.evaluation.kept import kept
from vsmnp.runs import checkpoint
from vsmnp.runs import session as runs
from vsmnp.runs.newest import is_newest
from vsmnp.runs.session import Session, load_run
from vsmnp.runs.survey import survey
from vsmnp.settings.settings import Settings
from vsmnp.training.loop import Watch

TINY = Settings(kernels="reference", steps=8, log_every=3, batch_size=10, hidden=(3,), samples=2)
LAST, PREVIOUS = "checkpoint.h5", "checkpoint.previous.h5"


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """Make the data sets of all names smaller."""
    with smaller_sets(400, 40):
        yield


def step_in(path: Path) -> int:
    return int(checkpoint.load(path)[0]["step"])


def stop_after(session: Session, step: int) -> None:
    """Train until this step is done, then stop as Ctrl-C does."""
    with pytest.raises(Interrupted):
        session.train(Watch(stop=lambda: session.state.step == step))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that was saved after its fourth and its fifth step, which no test may change."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    stop_after(Session.new(TINY, folder=folder), 4)
    stop_after(Session.resumed(folder), 5)
    assert [step_in(folder / name) for name in (LAST, PREVIOUS)] == [5, 4]
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run without any interruption."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    Session.new(TINY, folder=folder).train()
    return folder


def _bit(content: bytes) -> bytes:
    return content[:700] + bytes([content[700] ^ 1]) + content[701:]


def _bit_of_the_head(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


DAMAGES: list[Callable[[bytes], bytes]] = [_bit, _bit_of_the_head, _cut, lambda content: b""]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    stopped: Path, whole: Path, tmp_path: Path, damage: Callable[[bytes], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """With a sentence that names the step; the run then ends with the same bits."""
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    (folder / LAST).write_bytes(damage((folder / LAST).read_bytes()))
    assert load_run(folder).step == 4
    assert "damaged or gone: the run is read as it was at step 4" in caplog.text
    session = Session.resumed(folder)
    assert session.state.step == 4
    stop_after(session, 6)
    assert [step_in(folder / name) for name in (LAST, PREVIOUS)] == [6, 4], "the good one is kept"
    Session.resumed(folder).train()
    assert (folder / LAST).read_bytes() == (whole / LAST).read_bytes()


def test_every_command_reads_the_one_before(
    stopped: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for command in ("list", "info"):
        folder = tmp_path / command / "run"
        shutil.copytree(stopped, folder)
        (folder / LAST).write_bytes(_bit((folder / LAST).read_bytes()))
        result = CliRunner().invoke(main, [command, str(folder)])
        assert result.exit_code == 0, result.output
        assert "step 4" in caplog.text
        caplog.clear()
    result = CliRunner().invoke(main, ["train", "--resume", str(folder), "--quiet"])
    assert result.exit_code == 0, result.output


def test_the_warning_is_given_once_for_each_state(
    stopped: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever names of arrays are read, it states the step."""
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    (folder / LAST).write_bytes(_bit((folder / LAST).read_bytes()))
    assert is_newest(folder, checkpoint.seal(folder / PREVIOUS))
    load_run(folder)
    list(survey(folder))
    assert caplog.text.count("the run is read as it was") == caplog.text.count("at step 4,") == 1
    session = Session.resumed(folder)
    stop_after(session, 6)
    session.close()
    (folder / LAST).unlink()
    (folder / PREVIOUS).write_bytes((folder / PREVIOUS).read_bytes())
    load_run(folder)
    assert caplog.text.count("the run is read as it was") == 1, "it is the same state"
    Session.resumed(folder).train()
    (folder / LAST).unlink()
    shutil.copy(stopped / LAST, folder / PREVIOUS)
    load_run(folder)
    assert caplog.text.count("at step 5,") == 1


def test_an_evaluation_of_the_one_before_is_kept_as_that_of_the_run(stopped: Path, tmp_path: Path) -> None:
    """Not that of a run that another session has trained since: the folder then has a later state."""
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    later = load_run(folder)
    (folder / LAST).write_bytes(_bit_of_the_head((folder / LAST).read_bytes()))
    run = load_run(folder)
    figures = evaluate(run, prior_draws=20, iwae_samples=0)
    found = kept(folder)
    assert found is not None
    assert found.state == run.seal == next(survey(folder)).state == checkpoint.seal(folder / PREVIOUS)
    assert found.figures == figures
    evaluate(later, prior_draws=20, iwae_samples=0)
    assert kept(folder) == found, "that of a state that is gone is not kept"
    shutil.copy(stopped / LAST, folder / LAST)
    evaluate(run, prior_draws=30, iwae_samples=0)
    assert kept(folder) == found, "nor is that of an earlier state"


def test_a_session_of_the_one_before_goes_on_after_it_was_closed(
    stopped: Path, whole: Path, tmp_path: Path
) -> None:
    """Unless another session has trained the run since."""
    for damage in DAMAGES:
        folder = tmp_path / damage.__name__
        shutil.copytree(stopped, folder)
        (folder / LAST).write_bytes(damage((folder / LAST).read_bytes()))
        session, other = (Session.resumed(folder, dry=True) for _ in range(2))
        session.train()
        assert (folder / LAST).read_bytes() == (whole / LAST).read_bytes()
        with pytest.raises(StorageError, match="Another session has trained the run"):
            other.train()


@pytest.mark.parametrize("name", [LAST, PREVIOUS])
@pytest.mark.parametrize("step", [np.zeros(0), np.zeros(2, int), np.float64("nan")], ids=["no", "two", "NaN"])
def test_a_step_that_is_no_number_is_one_sentence(
    stopped: Path, tmp_path: Path, name: str, step: object
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    arrays, attributes = checkpoint.load(folder / name)
    checkpoint.save(folder / name, {**arrays, "step": np.asarray(step)}, attributes)
    if name == PREVIOUS:
        (folder / LAST).unlink()
    with pytest.raises(CheckpointError, match=r"'step' in .* is .*, which no version writes") as told:
        load_run(folder)
    assert next(survey(folder)).problem == str(told.value)


@pytest.mark.parametrize("attributes", [[], {"steps": "x"}, {"steps": [1]}], ids=["list", "text", "steps"])
def test_a_list_of_runs_says_what_to_load_one_says(
    stopped: Path, tmp_path: Path, attributes: dict[str, object] | list[object]
) -> None:
    """The attributes of a checkpoint are checked before its settings are read from them."""
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    arrays, known = checkpoint.load(folder / LAST)
    known["settings"]["steps"] = 0
    wrong: Any = attributes if isinstance(attributes, list) else {**known, **attributes}
    checkpoint.save(folder / LAST, arrays, wrong)
    with pytest.raises(CheckpointError, match="which no version writes") as told:
        load_run(folder)
    assert next(survey(folder)).problem == str(told.value)


def test_two_damaged_checkpoints_are_one_sentence(stopped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    for name in (LAST, PREVIOUS):
        (folder / name).write_bytes(_bit((folder / name).read_bytes()))
    with pytest.raises(CheckpointError, match=r"checkpoint\.h5 is damaged or truncated"):
        load_run(folder)


def test_writing_the_same_checkpoint_again_keeps_the_one_before(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    before = {name: (folder / name).read_bytes() for name in (LAST, PREVIOUS)}
    Session.resumed(folder).train()
    assert {name: (folder / name).read_bytes() for name in (LAST, PREVIOUS)} == before


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("instant", range(12))
def test_at_every_instant_a_whole_checkpoint_is_there(
    stopped: Path, tmp_path: Path, instant: int, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends before its n-th link or rename; hard links may be missing, as on a USB stick."""
    folder, count = tmp_path / "run", [0]
    shutil.copytree(stopped, folder)

    def ending(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object, **options: object) -> object:
            count[0] += 1
            if count[0] > instant:
                raise KeyboardInterrupt
            if name == "link" and not links:
                raise OSError(errno.EPERM, "Operation not permitted")
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    session = Session.resumed(folder)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "SAVE_EVERY", 0.0)
        ending("link")
        ending("replace")
        with pytest.raises((KeyboardInterrupt, Interrupted)):
            session.train(Watch(stop=lambda: session.state.step == 7))
    monkeypatch.undo()
    session.close()
    steps = [step_in(folder / name) for name in (LAST, PREVIOUS)]
    assert 5 <= steps[0] <= 7
    assert steps[1] < steps[0]
