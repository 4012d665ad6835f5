"""Test how ``vsmnp train`` names a run that it resumes, and what may change."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.runs.session import load_run

TINY = ("--kernels", "reference", "--steps", "2", "--batch-size", "10", "--hidden", "4", "--samples", "2")


def vsmnp(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", ["", "checkpoint.h5"])
def test_a_run_is_named_by_its_folder_or_its_checkpoint(tmp_path: Path, name: str) -> None:
    vsmnp("train", *TINY, "--out", tmp_path / "run", "--quiet")
    vsmnp("train", "--resume", tmp_path / "run" / name, "--steps", 3, "--quiet")
    assert load_run(tmp_path / "run").step == 3


def test_a_resumed_run_may_have_other_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads are set before the linear algebra is loaded, which is when they count."""
    seen: list[int] = []
    monkeypatch.setattr("vsmnp.cli.commands.train.prepare_process", seen.append)
    vsmnp("train", *TINY, "--out", tmp_path / "run", "--quiet")
    vsmnp("train", "--resume", tmp_path / "run", "--threads", 2, "--steps", 3, "--quiet")
    assert seen == [1, 2]
    run = load_run(tmp_path / "run")
    assert (run.step, run.settings.threads) == (3, 2)
