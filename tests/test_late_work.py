"""Test that nothing after the numbers takes them away: pictures, backends, and streams that take no text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.cli.console import ProgressLine, say

TINY = (
    "--kernels", "reference", "--hidden", "4", "--batch-size", "20", "--steps", "2", "--samples", "2",
)  # fmt: skip


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """A table of a few points."""
    path = tmp_path / "points.csv"
    np.savetxt(path, np.random.default_rng(0).normal(size=(40, 2)), delimiter=",")
    return path


@pytest.fixture
def vsmnp(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """The command in a process of its own, with a stdout and an environment of the test's choice."""

    def run(
        *arguments: object, stdout: int | None = subprocess.PIPE, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-c", "from vsmnp.cli import main; main()", *map(str, arguments)],
            stdout=stdout, stderr=subprocess.PIPE, cwd=tmp_path, check=False,
            env={**os.environ, **environment},
        )  # fmt: skip

    return run


@pytest.mark.parametrize("shape", [(8, 8, 4), (2, 3, 4, 5), (2, 2, 2, 2, 2)])
def test_samples_that_are_no_pictures_are_trained_and_evaluated(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((40, *shape), np.float32))
    arguments = ["train", "--dataset", str(tmp_path / "x.npy"), *TINY, "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "neg_elbo" in done.stdout
    assert "the run has no samples.png" in done.stderr
    assert "cannot be drawn" in done.stderr.splitlines()[0], "it is said before the training"
    assert (tmp_path / "run" / "curves.png").exists()
    again = CliRunner().invoke(main, [*arguments[:-1], str(tmp_path / "again"), "--json", "-q"])
    assert json.loads(again.stdout)["neg_elbo"] is not None


def test_a_picture_that_fails_in_any_way_is_a_note(
    points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("Image size of 700000x10 pixels is too large")

    monkeypatch.setattr("vsmnp.figures.samples", fails)
    done = CliRunner().invoke(
        main, ["train", "--dataset", str(points), *TINY, "--out", str(tmp_path / "run")]
    )
    assert done.exit_code == 0, done.output
    assert "neg_elbo" in done.stdout
    assert "the run has no samples.png. ValueError: Image size" in done.stderr
    assert (tmp_path / "run" / "curves.png").exists()


@pytest.mark.parametrize("backend", ["nonsense", "module://no_such_module.backend_inline", ""])
def test_the_backend_of_the_environment_has_no_effect(
    vsmnp: Callable[..., subprocess.CompletedProcess[bytes]], points: Path, tmp_path: Path, backend: str
) -> None:
    done = vsmnp("train", "--dataset", points, *TINY, "--out", "run", "-q", MPLBACKEND=backend)
    assert (done.returncode, done.stderr) == (0, b"")
    assert {"samples.png", "curves.png"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_the_backend_of_the_process_is_left_alone(tmp_path: Path) -> None:
    """Matplotlib is imported by a picture; the backend that the environment names is that of the process."""
    code = (
        "import os; from vsmnp.figures.canvas import drawing\n"
        f"with drawing({str(tmp_path / 'a.png')!r}, '', 1, 1): pass\n"
        "import matplotlib; print(matplotlib.rcParams['backend'], os.environ['MPLBACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": "svg"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["svg", "svg"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [("info",), ("--help",), ("train", "--help"), ("train",)])
def test_a_full_disk_behind_stdout_is_one_sentence(
    vsmnp: Callable[..., subprocess.CompletedProcess[bytes]],
    points: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
) -> None:
    if arguments == ("train",):
        arguments = ("train", "--dataset", str(points), *TINY, "--out", "run", "-q")
    with open("/dev/full", "wb") as full:
        done = vsmnp(*arguments, stdout=full.fileno())
    assert done.returncode == 1
    (sentence,) = done.stderr.decode().splitlines()
    assert "could not be written (No space left on device)" in sentence
    if "-q" in arguments:
        assert (tmp_path / "run" / "samples.png").exists()


def test_a_closed_pipe_ends_without_a_message_and_keeps_the_run(
    vsmnp: Callable[..., subprocess.CompletedProcess[bytes]], points: Path, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = vsmnp("train", "--dataset", points, *TINY, "--out", "run", "-q", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
    assert (tmp_path / "run" / "samples.png").exists()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_characters_that_the_terminal_lacks_are_escaped(
    vsmnp: Callable[..., subprocess.CompletedProcess[bytes]], points: Path, tmp_path: Path, encoding: str
) -> None:
    run = tmp_path / "Läufe 模型"
    done = vsmnp("train", "--dataset", points, *TINY, "--out", run, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr.decode(encoding)
    assert b"neg_elbo" in done.stdout
    if encoding != "ascii":  # click itself takes this for a wrong setting, and writes UTF-8
        assert rb"\u6a21\u578b" in done.stdout
    assert b"Traceback" not in done.stderr


def test_progress_that_nobody_can_read_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        flush = isatty = lambda self: False

    monkeypatch.setattr(sys, "stderr", Closed())
    monkeypatch.setattr(ProgressLine, "_EVERY", -1.0)
    say("a note")
    with ProgressLine("Training", 3) as progress:
        progress.at(1)
        progress.pause("evaluating")
