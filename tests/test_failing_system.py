"""Test that failing system calls and repeated interrupts are no tracebacks, and that they lose nothing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from small_data import smaller_sets

from vsmnp.cli import main
from vsmnp.data import load_data
from vsmnp.errors import DataError
from vsmnp.runs import checkpoint
from vsmnp.runs.session import Session
from vsmnp.settings.resolve import place_of
from vsmnp.settings.settings import Settings

SMALL = ["--quiet", "--kernels", "reference", "--hidden", "3", "--batch-size", "10", "--samples", "2"]


@pytest.fixture(scope="module", autouse=True)
def fewer_points() -> Iterator[None]:
    """Make the data sets of all names smaller."""
    with smaller_sets(400, 40):
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run, which no test may change."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    Session.new(Settings(kernels="reference", steps=2, batch_size=10, hidden=(3,)), folder=folder).train()
    return folder


@pytest.mark.parametrize("name", ["stat", "lstat", "scandir", "listdir", "open"])
@pytest.mark.parametrize("command", [["list"], ["info"], ["train", "--quiet", "--dry-run", "--resume"]])
def test_a_failing_disk_is_a_sentence(
    run: Path, command: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call of the system on a file of the run fails in its turn, until none is left to fail."""
    real: Callable[..., Any] = getattr(os, name)
    for k in range(100):
        left = [k]

        def failing(path: Any = ".", *arguments: Any, left: list[int] = left, **options: Any) -> Any:
            if str(run.parent) in str(path):
                left[0] -= 1
                if left[0] == -1:
                    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return real(path, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing)
            result = CliRunner().invoke(main, [*command, str(run)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        if result.exit_code:
            assert result.stderr.strip().endswith("."), result.stderr
        if left[0] >= 0:
            assert result.exit_code == 0
            return
    raise AssertionError("there is no end of the calls")


def _pictures(folder: Path, count: int) -> list[str]:
    folder.mkdir(parents=True)
    names = [f"{i:06}.jpg" for i in range(1, count + 1)]
    for i, name in enumerate(names):
        Image.new("RGB", (178, 218), (i, 2 * i, 100)).save(folder / name)
    return names


@pytest.mark.parametrize("name", ["celeba", "pictures", "x.csv", "y"])
def test_a_disk_that_hides_data_once_changes_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each look of the system fails in its turn: the same data under the same name, or a sentence."""
    names = _pictures(tmp_path / "img_align_celeba", 12)
    parts = "".join(f"{each} {2 * (i % 3 == 0)}\n" for i, each in enumerate(names))
    (tmp_path / "list_eval_partition.txt").write_text(parts)
    _pictures(tmp_path / "pictures", 4)
    (tmp_path / "x.csv").write_text("1,2\n3,4\n5,6\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def seen() -> list[Any] | str:
        try:
            data = load_data(name, data_dir=tmp_path)
        except DataError as error:
            return str(error)
        assert np.all(np.isfinite(data.epoch(0, 0, float)))
        return [place_of(name), data.n_train, data.test(0, float).tolist()]

    undisturbed, real = seen(), os.stat
    for k in range(100):
        left = [k]

        def failing(path: Any = ".", *arguments: Any, left: list[int] = left, **options: Any) -> Any:
            if isinstance(path, str | Path) and Path(path).absolute().is_relative_to(tmp_path):
                left[0] -= 1
                if left[0] == -1:
                    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return real(path, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", failing)
            found = seen()
        assert found == undisturbed or (isinstance(found, str) and found.endswith("."))
        if left[0] >= 0:
            return
    raise AssertionError("there is no end of the calls")


@pytest.mark.parametrize("pause", [0.0, 0.003, 0.03, 0.3])
def test_four_interrupts_leave_no_traceback_and_a_whole_run(tmp_path: Path, pause: float) -> None:
    folder = tmp_path / "run"
    program = (
        "from vsmnp.data.synthetic.synthetic import Synthetic; "
        "Synthetic.n_train, Synthetic.n_test = 400, 40; from vsmnp.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "train", *SMALL, "--steps", "1000000", "--out", str(folder)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while not (folder / "metrics.csv").exists():
            assert process.poll() is None
            time.sleep(0.01)
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            time.sleep(pause)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode in (1, 130, -signal.SIGINT)  # the last while Python ends
    assert "Traceback" not in errors
    assert "Exception" not in errors
    checkpoint.load(folder / "checkpoint.h5")
    Session.resumed(folder).close()
