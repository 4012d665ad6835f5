"""Test how ``vsmnp train`` names a run that it resumes, and what may change."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.cli.process import prepare_process
from vsmnp.errors import VsmnpError
from vsmnp.runs.session import load_run
from vsmnp.settings.resolve import resolved, with_allowed_changes, with_data
from vsmnp.settings.settings import Settings
from vsmnp.settings.thread_variables import LINEAR_ALGEBRA, NUMBA

TINY = ("--kernels", "reference", "--steps", "2", "--batch-size", "10", "--hidden", "4", "--samples", "2")


@pytest.fixture(autouse=True)
def short_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate with few draws at the end of a training."""
    monkeypatch.setattr("vsmnp.cli.results.PRIOR_DRAWS", 50)
    monkeypatch.setattr("vsmnp.cli.results.IWAE_SAMPLES", 0)


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
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr("vsmnp.cli.commands.train.prepare_process", lambda *given: seen.append(given))
    vsmnp("train", *TINY, "--parts", 2, "--out", tmp_path / "run", "--quiet")
    vsmnp("train", "--resume", tmp_path / "run", "--threads", 2, "--steps", 3, "--quiet")
    assert seen == [(1, 2), (2, 2)]
    run = load_run(tmp_path / "run")
    assert (run.step, run.settings.threads) == (3, 2)


@pytest.mark.parametrize(
    ("threads", "parts", "of_each"), [(1, 1, 1), (4, 1, 4), (4, 0, 4), (4, 2, 2), (4, 8, 1), (3, 2, 1)]
)
def test_parts_at_the_same_time_share_the_threads_of_the_linear_algebra(
    threads: int, parts: int, of_each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*LINEAR_ALGEBRA, NUMBA):
        monkeypatch.setenv(name, "0")
    prepare_process(threads, parts)
    assert {os.environ[name] for name in LINEAR_ALGEBRA} == {str(of_each)}
    assert os.environ[NUMBA] == str(threads)


@pytest.mark.parametrize(
    ("chosen", "change", "said"),
    [
        (("--bilevel-steps", 1, "--bilevel-lr", 0.1), ("--bilevel-steps", 0),
         "--bilevel-steps 0 differs from the 1"),
        (("--inference", "fisher", "--fisher-weight", "covariance"), ("--inference", "kl"),
         "--inference kl differs from the fisher"),
    ],
)  # fmt: skip
def test_a_change_that_does_not_fit_to_the_run_is_named_as_the_change(
    tmp_path: Path, chosen: tuple[object, ...], change: tuple[object, ...], said: str
) -> None:
    """And not as an option of the run that was not given, with a remedy that is refused in turn."""
    vsmnp("train", *TINY, *chosen, "--out", tmp_path / "run", "--quiet")
    words = ["train", "--resume", str(tmp_path / "run"), *map(str, change)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code != 0
    assert said in done.output


def test_what_is_left_to_the_data_is_what_the_run_decided(tmp_path: Path) -> None:
    """These are the defaults, which a command or a configuration may state."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8))
    chosen = ("--kernels", "reference", "--dataset", tmp_path / "x.npy", "--arch", "dcgan", "--width", "0.1")
    vsmnp("train", *chosen, "--steps", 1, "--samples", 1, "--out", tmp_path / "run", "--quiet")
    run = load_run(tmp_path / "run").settings
    assert (run.batch_size, run.image_size, run.standardize) == (27, 32, "none")
    left = ("--batch-size", 0, "--image-size", 0, "--standardize", "auto")
    vsmnp("train", "--resume", tmp_path / "run", *left, "--steps", 2, "--quiet")
    assert replace(load_run(tmp_path / "run").settings, steps=1) == run
    done = CliRunner().invoke(main, ["train", "--resume", str(tmp_path / "run"), "--batch-size", "5"])
    assert "--batch-size 5 differs from the 27 of the run" in done.output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden": [4], "steps": -1}, "--steps must be at least 0"),
        ({"parts": 0, "batch_size": 0, "kernels": "auto", "threads": 0}, "--threads must be at least 1"),
        ({"bilevel_steps": 2, "threads": 0}, "--threads must be at least 1"),
        ({"dataset": ""}, "dataset"),
    ],
)
def test_what_a_run_has_already_is_no_change(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    """And what is wrong beside it is named."""
    settings = resolved(Settings(kernels="reference", hidden=(4,), parts=2, batch_size=10, steps=2))
    with pytest.raises(VsmnpError, match=said):
        with_data(with_allowed_changes(settings, changes, tmp_path))
