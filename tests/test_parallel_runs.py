"""Test runs that several ranks train: their files, their end by signals and failures, their resumption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from ranks import COMMANDS, environment, mpiexec, run_command, run_ranks, sentences_in

from vsmnp.types import Array

#: A training of 40 steps with rows, evaluations and checkpoints on the way.
SMALL = (
    "train", "--dataset", "points.npy", "--kernels", "reference", "--hidden", "4", "--batch-size", "16",
    "--log-every", "5", "--parts", "2",
)  # fmt: skip
FILES = ("metrics.csv", "evaluation.csv", "validation.csv")
#: Words of a Python program that are evaluated in one rank before a command begins.
_ONLY = """
import os
if os.environ["PMI_RANK"] == "{rank}":
    {words}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a file of points."""
    np.save(tmp_path / "points.npy", np.random.default_rng(0).standard_normal((60, 2)))
    return tmp_path


def only(rank: int, words: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command on two ranks, one of which executes a statement before."""
    text = _ONLY.format(rank=rank, words=words) + COMMANDS
    return run_ranks(2, "-c", text, json.dumps(list(arguments)), folder=folder)


def parameters(run: Path) -> dict[str, Array]:
    """Read all arrays of numbers of a checkpoint by their names."""
    found: dict[str, Array] = {}
    with h5py.File(run / "checkpoint.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None)
    return found


def assert_same(one: Path, other: Path) -> None:
    """Check that two runs have the same arrays, and the same rows in their files."""
    first, second = parameters(one), parameters(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], name)
    for name in FILES:
        assert (one / name).exists() == (other / name).exists()
        if (one / name).exists():
            assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_run_of_two_ranks_is_that_of_one_and_resumes_on_another_number(folder: Path) -> None:
    """Early stopping included, which rank 0 alone decides; and rank 0 alone prints and writes."""
    ends = ("--validation", "0.2", "--patience", "1", "--lr", "1", "--evaluate-every", "4", "--steps", "400")
    whole = run_command(1, *SMALL, *ends, "--out", "one", folder=folder)
    assert whole.returncode == 0, whole.stderr
    done = run_command(2, *SMALL, *ends, "--out", "two", folder=folder)
    assert done.returncode == 0, done.stderr
    assert_same(folder / "one", folder / "two")
    assert done.stdout.replace("two", "one") == whole.stdout
    steps = int(parameters(folder / "one")["step"])
    assert steps < 30
    assert len(sentences_in(done.stderr, ["2 ranks train this run", "--resume two"])) == 1
    assert sorted(p.name for p in (folder / "one").iterdir()) == sorted(
        p.name for p in (folder / "two").iterdir()
    )

    for count, name in ((2, "one"), (1, "two")):
        done = run_command(
            count, "train", "--resume", name, "--patience", "0", "--steps", "30", "-q", folder=folder
        )
        assert done.returncode == 0, done.stderr
    assert_same(folder / "one", folder / "two")
    assert int(parameters(folder / "one")["step"]) == 30


def test_a_dry_run_takes_part_in_every_rank(folder: Path) -> None:
    done = run_command(2, *SMALL, "--steps", "5", "--dry-run", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"]["parts"] == 2
    assert [path.name for path in folder.iterdir()] == ["points.npy"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_ranks_at_one_step(folder: Path, number: signal.Signals) -> None:
    with started(folder) as process:
        wait_for(folder / "run" / "metrics.csv", process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert len(sentences_in(stderr, ["Stopped after step", "vsmnp train --resume run"])) == 1
    assert_goes_on(folder)


def test_a_killed_rank_ends_the_job_and_the_run_goes_on_with_one_rank(folder: Path) -> None:
    with started(folder, 'open(os.environ["PMI_RANK"], "w").write(str(os.getpid()))') as process:
        wait_for(folder / "run" / "metrics.csv", process)
        os.kill(int((folder / "1").read_text()), signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode, stderr
    assert len(sentences_in(stderr, ["If one is lost", "vsmnp train --resume run"])) == 1
    assert "Traceback" not in stderr
    assert_goes_on(folder)


def started(folder: Path, words: str = "pass") -> subprocess.Popen[str]:
    """Start a long training on two ranks."""
    arguments = json.dumps([*SMALL, "--steps", "1000000", "--out", "run"])
    return subprocess.Popen(
        mpiexec(2, sys.executable, "-c", f"import os\n{words}\n{COMMANDS}", arguments), cwd=folder,
        env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a training has begun: its files exist before, and rows are in them some steps later."""
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(0.5)


def assert_goes_on(folder: Path) -> None:
    """Check that the checkpoint of the run is whole and that one process goes on from it."""
    step = int(parameters(folder / "run")["step"])
    done = run_command(1, "train", "--resume", "run", "--steps", str(step + 5), "--quiet", folder=folder)
    assert done.returncode == 0, done.stderr
    assert int(parameters(folder / "run")["step"]) == step + 5


@pytest.mark.parametrize("rank", [0, 1])
def test_a_failure_in_one_rank_is_told_once_and_ends_all(folder: Path, rank: int) -> None:
    words = (
        "import vsmnp.training.trainer as t; from vsmnp.errors import DataError; step = t.Trainer.step\n"
        "    def fails(self, state):\n"
        '        if state.step == 7: raise DataError("The disk is gone.")\n'
        "        return step(self, state)\n"
        "    t.Trainer.step = fails"
    )
    done = only(rank, words, *SMALL, "--steps", "40", "--out", "run", "-q", folder=folder)
    assert done.returncode == 1, done.stderr
    assert len(sentences_in(done.stderr, ["The disk is gone"])) == 1
    assert "Traceback" not in done.stderr
    assert int(parameters(folder / "run")["step"]) == 5


def test_an_unforeseen_failure_shows_its_traceback_once(folder: Path) -> None:
    words = "import vsmnp.training.trainer as t; t.Trainer.step = lambda self, state: 1 / 0"
    done = only(1, words, *SMALL, "--steps", "40", "--out", "run", "-q", folder=folder)
    assert done.returncode == 1, done.stderr
    assert len(sentences_in(done.stderr, ["Error:", "ZeroDivisionError: division by zero (in rank 1)"])) == 1
    assert done.stderr.count("Traceback") == 1


def test_a_divergence_is_told_once(folder: Path) -> None:
    done = run_command(2, *SMALL, "--steps", "20", "--lr", "1e30", "--out", "run", "-q", folder=folder)
    assert done.returncode == 1, done.stderr
    assert len(sentences_in(done.stderr, ["stopped being finite at step"])) == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("import numpy as np; np.save('other.npy', np.ones((60, 2)) * np.arange(2))\n"
         "    sys = __import__('sys'); sys.argv[1] = sys.argv[1].replace('points', 'other')",
         "Rank 1 has other data than rank 0"),
        ("sys = __import__('sys'); sys.argv[1] = sys.argv[1].replace('16', '32')",
         "Rank 1 was started with --batch-size 32 and rank 0 with 16"),
        ("import vsmnp.training.ranks; vsmnp.training.ranks.VERSION = '0.0.1'", "Rank 1 has vsmnp 0.0.1"),
        ("sys = __import__('sys'); sys.argv[1] = sys.argv[1].replace('points', 'none')",
         "none.npy does not exist: check its name (in rank 1)"),
        ("import vsmnp.training.trainer as t; first = t.Trainer.initial_state\n"
         "    def changed(self):\n"
         "        state = first(self); state.phi[0, 0] += 1; return state\n"
         "    t.Trainer.initial_state = changed", "rank 1 has other parameters than rank 0"),
    ],
    ids=["data", "options", "version", "file", "parameters"],
)  # fmt: skip
def test_ranks_that_differ_are_refused_before_anything_is_written(
    folder: Path, words: str, sentence: str
) -> None:
    done = only(1, words, *SMALL, "--steps", "5", "--out", "run", "-q", folder=folder)
    assert done.returncode in (1, 2), done.stderr
    assert len(sentences_in(done.stderr, [sentence])) == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("count", "options", "sentence"),
    [
        (
            3,
            (),
            "3 ranks cannot share the parts of a minibatch, whose number is a power of two: start 2 or 4.",
        ),
        (4, (), "4 ranks cannot share the 2 part(s) of a minibatch evenly: start 1 or 2;"),
        (2, ("--batch-size", "7"), "--batch-size 7 is not a multiple of --parts 2: use 6 or 8."),
        (2, ("--no-such",), "No such option"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_in_one_sentence(
    folder: Path, count: int, options: tuple[str, ...], sentence: str
) -> None:
    done = run_command(count, *SMALL, "--steps", "5", *options, "-q", folder=folder)
    assert done.returncode == 2, done.stderr
    assert len(sentences_in(done.stderr, [sentence])) == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_another_rank_has_other_bits_only_where_the_parts_differ(folder: Path) -> None:
    """The parts are the ranks unless they are chosen, and are stored."""
    for count, name in ((1, "one"), (2, "two")):
        options = tuple(word for word in SMALL if word not in ("--parts", "2"))
        done = run_command(count, *options, "--steps", "5", "--out", name, "-q", folder=folder)
        assert done.returncode == 0, done.stderr
        assert f"parts = {count}\n" in (folder / name / "config.toml").read_text()
    one, two = parameters(folder / "one"), parameters(folder / "two")
    assert any(not np.array_equal(one[name], two[name]) for name in one)
