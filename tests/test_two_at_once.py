"""Test two trainings at once: both are kept, and the second one's error names the first."""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result
from pairs import (
    CHOSEN,
    RATES,
    TINY,
    Job,
    Outcome,
    by_default_name,
    by_one_name,
    by_resuming,
    pair,
    to_the_end,
)
from small_data import smaller_sets

from vsmnp import storage
from vsmnp.cli import main
from vsmnp.errors import LockedError, StorageError, VsmnpError
from vsmnp.parallel.single import ALONE
from vsmnp.runs import checkpoint
from vsmnp.runs import lock as locks
from vsmnp.runs.folder import PREVIOUS, claim, hold
from vsmnp.runs.lock import LOCK, lock_folder
from vsmnp.runs.session import Session, load_run
from vsmnp.settings import toml
from vsmnp.sweeps.cell_session import open_cell
from vsmnp.sweeps.cells import Cell
from vsmnp.training.loop import Watch

FILES = ["checkpoint.h5", PREVIOUS, "config.toml", "metrics.csv"]
#: A function that runs a job in both processes.
AtOnce: TypeAlias = Callable[[Job, Path], list[Outcome]]
#: Seconds in which two threads meet, if both can reach the same line.
MEETING = 0.5


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """Make the data sets of all names smaller."""
    with smaller_sets(400, 40):
        yield


@pytest.fixture(scope="module")
def at_once() -> Iterator[AtOnce]:
    """Start two processes that do the same at the same instant."""
    with pair() as both:
        yield both


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train half of a run's steps; no test changes its folder."""
    folder = tmp_path_factory.mktemp("half") / "run"
    Session.new(replace(TINY, steps=4), folder=folder).train()
    with Session.resumed(folder, {"steps": 8}) as session:
        session.save(session.state)
    return folder


@pytest.fixture(scope="module")
def whole(half: Path) -> bytes:
    """Return the checkpoint of that run, trained to its end by one process."""
    folder = half.parent / "whole"
    shutil.copytree(half, folder)
    Session.resumed(folder).train()
    return (folder / "checkpoint.h5").read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- pairs of processes ---------------------------------------------------------------------------


def two_names(outcomes: list[Outcome], place: Path) -> None:
    """Check that both have a separate folder, each with the run of the process that reported it."""
    assert sorted(outcome.folder for outcome in outcomes) == [
        "runs/mixture-kl-m1-seeds5-6",
        "runs/mixture-kl-m1-seeds5-6-run2",
    ]
    for outcome, rate in zip(outcomes, RATES, strict=True):
        assert toml.load(place / outcome.folder / "config.toml")["lr"] == rate
        assert {*os.listdir(place / outcome.folder), PREVIOUS} == set(FILES)  # kept from the second save on


def one_of_two(outcomes: list[Outcome], folder: Path) -> int:
    """Check that one has the folder, the other a sentence that names the first; return the first."""
    (winner,) = [which for which, outcome in enumerate(outcomes) if outcome.folder]
    loser = outcomes[1 - winner]
    assert loser.error == "LockedError"
    assert loser.sentence.startswith(f"The run in {folder} is in use by process ")
    assert {*os.listdir(folder), PREVIOUS} == set(FILES)  # a new run has no checkpoint before the last
    return winner


def pairs_of(kind: str, times: int, at_once: AtOnce, place: Path, half: Path, whole: bytes) -> None:
    """Run a number of pairs of a kind, each in a new folder."""
    for number in range(times):
        here = place / str(number)
        here.mkdir()
        if kind == "default name":
            two_names(at_once(by_default_name, here), here)
        elif kind == "one name":
            if number % 2:
                (here / "run").mkdir()
            winner = one_of_two(at_once(by_one_name, here), here / "run")
            assert toml.load(here / "run" / "config.toml")["lr"] == RATES[winner]
        else:
            shutil.copytree(half, here / "run")
            if kind == "resume":
                one_of_two(at_once(by_resuming, here), here / "run")
                assert contents(here / "run") == contents(half)
            else:
                outcomes = at_once(to_the_end, here)
                assert [each for each in outcomes if each.folder], outcomes
                assert {each.error for each in outcomes} <= {"", "LockedError"}, outcomes
                assert (here / "run" / "checkpoint.h5").read_bytes() == whole
        shutil.rmtree(here)


KINDS = ["default name", "one name", "resume", "train to the end"]


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_processes_none_is_lost(
    kind: str, at_once: AtOnce, tmp_path: Path, half: Path, whole: bytes
) -> None:
    pairs_of(kind, 8, at_once, tmp_path, half, whole)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_of_a_thousand_pairs_none_is_lost(
    kind: str, at_once: AtOnce, tmp_path: Path, half: Path, whole: bytes
) -> None:
    """A quarter of them of each kind."""
    pairs_of(kind, 250, at_once, tmp_path, half, whole)
    print(f"250 pairs: {kind}")


# --- two threads, with the interval between check and use held open -------------------------------


def hold_open(patch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    """Make two threads that can be at this line at once wait there for each other, the first time."""
    meeting, met, real = threading.Barrier(2), threading.local(), getattr(owner, name)

    def waits(*arguments: Any, **options: Any) -> Any:
        if not getattr(met, "yes", False):
            met.yes = True
            with suppress(threading.BrokenBarrierError):  # the other thread cannot reach this line
                meeting.wait(MEETING)
        return real(*arguments, **options)

    patch.setattr(owner, name, waits)


def in_two_threads(begin: Callable[[int], Session]) -> list[Session | VsmnpError]:
    """Start two sessions at once in two threads, and return each one's session or error."""
    results: list[Session | VsmnpError] = [StorageError("it did not end")] * 2

    def run(which: int) -> None:
        try:
            results[which] = begin(which)
        except VsmnpError as error:
            results[which] = error

    threads = [threading.Thread(target=run, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


WINDOWS = [
    pytest.param(owner, name, id=name)
    for owner, name in ((Path, "mkdir"), (Path, "iterdir"), (checkpoint, "save"), (os, "fsync"))
]


@pytest.mark.parametrize(("owner", "name"), WINDOWS)
def test_two_threads_get_two_default_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    from vsmnp.cli.commands import train

    chosen = [{**CHOSEN, "lr": rate} for rate in RATES]
    with pytest.MonkeyPatch.context() as patch:
        hold_open(patch, owner, name)
        sessions = in_two_threads(lambda which: train._started(chosen[which], None, None, None, False, ALONE))
    two_names([Outcome(str(each.train().folder)) for each in sessions if isinstance(each, Session)], tmp_path)


@pytest.mark.parametrize(("owner", "name"), WINDOWS)
@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_of_two_threads_with_one_folder_one_has_it(
    tmp_path: Path, owner: Any, name: str, exists: bool
) -> None:
    folder = tmp_path / "run"
    if exists:
        folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        hold_open(patch, owner, name)
        results = in_two_threads(lambda which: Session.new(replace(TINY, lr=RATES[which]), folder=folder))
    (winner,) = [which for which, each in enumerate(results) if isinstance(each, Session)]
    loser, session = results[1 - winner], results[winner]
    assert isinstance(loser, LockedError)
    assert "is in use by another session of this process" in str(loser)
    assert isinstance(session, Session)
    session.train()
    assert toml.load(folder / "config.toml")["lr"] == RATES[winner]
    assert sorted(os.listdir(folder)) == FILES


@pytest.mark.parametrize("name", ["glance", "seal"])
def test_of_two_threads_that_resume_a_run_one_does(
    tmp_path: Path, half: Path, whole: bytes, name: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    with pytest.MonkeyPatch.context() as patch:
        hold_open(patch, checkpoint, name)
        results = in_two_threads(lambda which: Session.resumed(folder))
    (session,) = [each for each in results if isinstance(each, Session)]
    assert sum(isinstance(each, LockedError) for each in results) == 1
    session.train()
    assert (folder / "checkpoint.h5").read_bytes() == whole


def test_nobody_removes_the_temporary_file_of_another(
    tmp_path: Path, half: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one has written a file and before it renames it, the other begins and ends."""
    folder, real, refused = tmp_path / "run", os.fsync, []
    shutil.copytree(half, folder)

    def visited(descriptor: int) -> None:
        if temporaries := sorted(folder.glob(".c*")):
            for begin in (Session.resumed, claim, hold):
                with pytest.raises(LockedError) as refusal:
                    begin(folder)
                refused.append(refusal.value)
            assert load_run(folder).step in (4, 6, 8)
            assert sorted(folder.glob(".c*")) == temporaries
        real(descriptor)

    monkeypatch.setattr(os, "fsync", visited)
    Session.resumed(folder).train()
    assert len(refused) >= 3
    assert (folder / "checkpoint.h5").read_bytes() == whole


def test_a_temporary_file_without_a_lock_is_removed_when_it_is_old(tmp_path: Path) -> None:
    path = tmp_path / "cache.h5"
    young, old = (tmp_path / f".cache.h5.{name}.vsmnp-part" for name in ("young", "old"))
    for left in (young, old):
        left.write_bytes(b"half")
    long_ago = time.time() - storage.ABANDONED - 60
    os.utime(old, (long_ago, long_ago))
    storage.remove_leftovers(path)
    assert [left.exists() for left in (young, old)] == [True, False]


def test_hidden_files_of_other_programs_stay(tmp_path: Path, half: Path) -> None:
    """An editor's swap file looks like a temporary file of vsmnp, and a refused command changes nothing."""
    names = (".checkpoint.h5.Ab12Cd", ".config.toml.swp", ".metrics.csv.bak")
    full, empty, resumed = tmp_path / "full", tmp_path / "empty", tmp_path / "resumed"
    shutil.copytree(half, resumed)
    for folder in (full, empty, resumed):
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text("another's")
    (full / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="is not empty"):
        claim(full)
    claim(empty).release()
    hold(resumed).release()
    for folder in (full, empty, resumed):
        assert {name for name in os.listdir(folder) if name in names} == set(names)


def test_a_folder_that_cannot_be_listed_is_one_sentence_and_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def iterdir(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", iterdir)
        with pytest.raises(StorageError, match=r"cannot be listed \(Permission denied\): change its"):
            claim(tmp_path)
    claim(tmp_path).release()


# --- a run that is being trained ------------------------------------------------------------------


def vsmnp(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, [str(each) for each in arguments], prog_name="vsmnp")


#: Trains a run without end in a separate process, and prints a line when it has begun.
_HOLDER = """
import sys
from pathlib import Path
from vsmnp.data.synthetic.synthetic import Synthetic
from vsmnp.training.loop import Watch
from vsmnp.runs.session import Session

Synthetic.n_train, Synthetic.n_test = 400, 40
session = Session.resumed(Path(sys.argv[2]), {"steps": 10**9})
session.train(Watch(on_step=lambda step: print(step, flush=True) if step < 9 else None))
"""


@pytest.fixture
def holder(tmp_path: Path, half: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that trains the run in ``tmp_path / "run"``."""
    shutil.copytree(half, tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, "--resume", str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_the_second_process_reports_the_first_in_one_sentence(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    wait = "wait until that has ended"
    cures = {"--resume": wait, "--out": f"{wait}, or choose another folder with --out"}
    for arguments in (("--resume", folder), ("--out", folder)):
        result = vsmnp("train", *arguments, "--quiet")
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.stdout == ""
        (line,) = result.stderr.strip().splitlines()
        assert line.startswith(
            f"Error: The run in {folder} is in use by process {holder.pid} on {platform.node()} ('-c "
        )
        assert f"--resume {folder}', since 2" in line
        assert line.endswith(f"): {cures[arguments[0]]}.")
    assert holder.poll() is None


def test_a_cell_of_a_grid_that_is_trained_elsewhere_is_refused(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(LockedError, match=f"in use by process {holder.pid} on"):
        open_cell(Cell("run", TINY, {}), tmp_path)
    assert holder.poll() is None


def test_a_run_can_be_read_while_it_is_trained(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for arguments in (
        ("evaluate", folder, "--draws", 10, "--iwae-samples", 0, "--json"),
        ("info", folder, "--json"),
        ("compare", folder, folder, "--iwae-samples", 0, "--json", "--out", tmp_path / "comparison.png"),
        ("sample", folder, "--out", tmp_path / "samples.npy"),
        ("plot", folder, "curves", "--out", tmp_path / "curves.png"),
        ("train", "--resume", folder, "--dry-run"),
    ):
        result = vsmnp(*arguments)
        assert result.exit_code == 0, result.stderr
    assert holder.poll() is None


def test_a_killed_holder_leaves_no_lock(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    """Its lock file still exists and names it, which has no effect."""
    folder = tmp_path / "run"
    holder.send_signal(signal.SIGKILL)
    assert holder.wait() == -signal.SIGKILL
    assert json.loads((folder / LOCK).read_bytes())["pid"] == holder.pid
    Session.resumed(folder, {"steps": 8}).train()
    assert sorted(os.listdir(folder)) == FILES


def test_a_child_does_not_keep_the_lock_of_a_killed_parent(tmp_path: Path, half: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    script = (
        "import os, sys, time; from pathlib import Path; from vsmnp.runs.folder import hold\n"
        "lock = hold(Path(sys.argv[1]))\n"
        "if child := os.fork(): print(child, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        with pytest.raises(LockedError):
            hold(folder)
        parent.kill()
        parent.wait()
        os.kill(child, 0)
        hold(folder).release()
    finally:
        os.kill(child, signal.SIGKILL)
        parent.communicate()


# --- a session that ends --------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [None, RuntimeError("a slip"), KeyboardInterrupt()], ids=repr)
def test_a_session_that_ended_holds_nothing(
    tmp_path: Path, half: Path, failure: BaseException | None
) -> None:
    """At once, even if a reference to it still exists."""
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    session = Session.resumed(folder)

    def fail(step: int) -> None:
        if failure is not None:
            raise failure

    with suppress(RuntimeError, KeyboardInterrupt):
        session.train(Watch(on_step=fail))
    assert (session.state.step < 8) == (failure is not None)
    assert session.place.lock is not None
    assert not session.place.lock.held
    Session.resumed(folder).train()
    assert sorted(os.listdir(folder)) == FILES


def test_within_with_a_session_keeps_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Session.new(TINY, folder=folder) as session:
        session.train()
        with pytest.raises(LockedError):
            Session.resumed(folder)
    Session.resumed(folder).close()


def test_a_run_that_cannot_begin_holds_nothing(tmp_path: Path, half: Path) -> None:
    """Whichever step of the beginning fails, and even if a reference to the error still exists."""
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    kept = []
    for changes in ({"lr": 1.0}, {"steps": 1}):
        with pytest.raises(VsmnpError) as refusal:
            Session.resumed(folder, changes)
        kept.append(refusal)
    with pytest.raises(VsmnpError) as refusal:
        open_cell(Cell("run", replace(TINY, lr=1.0), {}), tmp_path)
    kept.append(refusal)
    with pytest.raises(StorageError) as refusal:
        claim(folder)
    kept.append(refusal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", lambda *arguments: (_ for _ in ()).throw(StorageError("full")))
        with pytest.raises(StorageError) as refusal:
            Session.new(TINY, folder=tmp_path / "new")
    kept.append(refusal)
    hold(folder).release()
    hold(tmp_path / "new").release()
    assert sorted(os.listdir(folder)) == FILES
    assert os.listdir(tmp_path / "new") == []


def test_a_session_left_behind_does_not_write_over_a_newer_one(
    tmp_path: Path, half: Path, whole: bytes
) -> None:
    """An ended session may go on, as long as no other process did."""
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    old = Session.resumed(folder)
    old.close()
    with pytest.raises(LockedError), Session.resumed(folder):
        old.train()
    Session.resumed(folder).train()
    with pytest.raises(StorageError, match=r"has trained the run in .* meanwhile.*--resume"):
        old.train()
    with pytest.raises(StorageError, match="meanwhile"):
        old.save(old.state)
    assert (folder / "checkpoint.h5").read_bytes() == whole
    assert sorted(os.listdir(folder)) == FILES


def test_resuming_nothing_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "typo"):
        with pytest.raises(VsmnpError, match="There is no run in"):
            Session.resumed(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


# --- the lock itself ------------------------------------------------------------------------------


def test_what_stands_in_a_lock_file_decides_nothing(tmp_path: Path) -> None:
    for content in (
        b"",
        b"{",
        b"\xff\0",
        b'{"pid": 1, "host": "here", "since": "now", "command": "init"}',
        b'{"pid": 1e999, "host": "here", "since": "now", "command": "init"}',
        b"[]",
    ):
        (tmp_path / LOCK).write_bytes(content)
        lock = lock_folder(tmp_path)
        with pytest.raises(LockedError, match="another session of this process"):
            lock_folder(tmp_path)
        (tmp_path / LOCK).write_bytes(content)
        with pytest.raises(LockedError, match=r"in use by (another process|process 1 on here)"):
            lock_folder(tmp_path)
        lock.release()
        assert os.listdir(tmp_path) == []


def test_a_sentence_shows_nothing_that_a_terminal_would_obey(tmp_path: Path) -> None:
    lock = lock_folder(tmp_path)
    about = {"pid": 1, "host": "a\nb", "since": "\x1b[2J", "command": "c\x07" + "d" * 900}
    (tmp_path / LOCK).write_text(json.dumps(about))
    with pytest.raises(LockedError, match="process 1 on ab") as refusal:
        lock_folder(tmp_path)
    lock.release()
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 1000


def test_a_sentence_names_no_holder_that_has_ended(tmp_path: Path) -> None:
    """The name of a killed holder stays in the file until the next one has written its own."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock = lock_folder(tmp_path)
    for pid, named in ((ended.pid, "another process"), (os.getppid(), f"process {os.getppid()} on")):
        about = {"pid": pid, "host": platform.node(), "since": "now", "command": "vsmnp train"}
        (tmp_path / LOCK).write_text(json.dumps(about))
        with pytest.raises(LockedError, match=f"is in use by {named}"):
            lock_folder(tmp_path)
    lock.release()


@pytest.mark.parametrize("taken", [False, True])
def test_a_lock_file_that_was_removed_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """It is opened, then removed by its holder (a server may keep it under another name), then locked."""
    import fcntl

    first, real = lock_folder(tmp_path), fcntl.flock
    late: list[int] = []
    others: list[locks.FolderLock] = []

    def flock(descriptor: int, operation: int) -> None:
        if not late:
            late.append(descriptor)
            os.link(tmp_path / LOCK, tmp_path / ".nfs0001")
            first.release()
            if taken:
                others.append(lock_folder(tmp_path))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    if taken:
        with pytest.raises(LockedError):
            lock_folder(tmp_path)
    else:
        others.append(lock_folder(tmp_path))
    assert late
    assert (tmp_path / LOCK).exists()
    with pytest.raises(LockedError):
        lock_folder(tmp_path)
    others[0].release()
    assert os.listdir(tmp_path) == [".nfs0001"]


def test_many_threads_hold_a_folder_one_after_another(tmp_path: Path) -> None:
    inside, most, rounds = [0], [0], 50

    def work() -> None:
        done = 0
        while done < rounds:
            try:
                lock = lock_folder(tmp_path)
            except LockedError:
                continue
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0)
            inside[0] -= 1
            done += 1
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert os.listdir(tmp_path) == []


def test_a_folder_that_was_moved_takes_its_lock_with_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    first = lock_folder(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    (tmp_path / "run").mkdir()
    second = lock_folder(tmp_path / "run")
    first.release()
    with pytest.raises(LockedError):
        lock_folder(tmp_path / "run")
    second.release()
    lock_folder(tmp_path / "moved").release()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_a_file_system_without_locks_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """The run is trained; the temporary file of a process that may still run stays."""
    import fcntl

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    locks._warn.cache_clear()
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".checkpoint.h5.another.vsmnp-part").write_bytes(b"half")
    with caplog.at_level(logging.WARNING, "vsmnp"):
        Session.new(TINY, folder=folder).train()
        Session.resumed(folder).train()
    assert [record.getMessage() for record in caplog.records] == [
        f"The file system of {tmp_path} has no locks: do not train one run from two processes there."
    ]
    assert (folder / ".checkpoint.h5.another.vsmnp-part").exists()
    assert load_run(folder).step == TINY.steps


def test_a_folder_that_cannot_be_locked_is_one_sentence(tmp_path: Path, half: Path) -> None:
    """A folder in the place of the file stops every user, the superuser too."""
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    (folder / LOCK).mkdir()
    result = vsmnp("train", "--resume", folder, "--quiet")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {folder / LOCK} is no file of its own: remove it.\n"
