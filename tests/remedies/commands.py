"""Situations of the command line: misspelt names, variables of the environment, memory, and output."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_no_home import vsmnp as of_nobody

from vsmnp.errors import VsmnpError
from vsmnp.runs.lock import _warn

from .follow import Case, Step, commands, remedy, unnoted
from .follow import vsmnp as command
from .options import DRY, TRAIN, more

commands(__name__, {
    "a command that does not exist": Case(
        ("trian", "--dry-run"), "(did you mean 'train'?)", DRY,
    ),
    "a preset and a file of settings": Case(
        (*DRY, "--preset", "paper-2d", "--config", "run/config.toml"), "Give --preset or --config",
        (*DRY, "--config", "run/config.toml"),
    ),
    "a list that is none": Case(more("--hidden", "3x3"), "write it as 30,30 or 0-9", more("--hidden", "3,3")),
    "a range that falls": Case(more("--seeds", "9-0"), "write it as 0-9", more("--seeds", "0-9")),
    "a folder of runs that does not exist": Case(
        ("list", "experiments"), "name one that contains runs", ("list", "."),
    ),
    "a metric that does not exist": Case(
        ("list", ".", "--sort", "neg_elbow"), "(did you mean 'neg_elbo'?): choose one of",
        ("list", ".", "--sort", "neg_elbo"),
    ),
})  # fmt: skip


@remedy("see to its disk and its permissions")
def a_folder_on_a_failing_disk(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def failing(path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(os, "scandir", failing)
        yield command("list", ".")
    yield command("list", ".")


@remedy("lower --samples or --hidden or --batch-size")
def a_system_that_gives_no_memory(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    """Give the process less memory than the machine would have."""
    patch.setattr("vsmnp.training.trainer.require_memory", lambda *arguments: None)
    yield command(*more("--hidden", "1000000,1000000"))
    yield command(*more("--hidden", "4"))


# --- variables ------------------------------------------------------------------------------------


@remedy("It was set by the environment: VSMNP_TRAIN_SAMPLES")
def a_setting_of_the_environment(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setenv("VSMNP_TRAIN_SAMPLES", "0")
    yield command(*DRY)
    patch.setenv("VSMNP_TRAIN_SAMPLES", "2")
    yield command(*DRY)


@remedy("It is the value of the environment variable VSMNP_TRAIN_LATENT")
def a_word_for_a_number_of_the_environment(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setenv("VSMNP_TRAIN_LATENT", "two")
    yield command(*DRY)
    patch.setenv("VSMNP_TRAIN_LATENT", "2")
    yield command(*DRY)


# --- the machine ----------------------------------------------------------------------------------


@remedy("use fewer data")
def data_beyond_the_memory(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    encode = ("encode", "run", "--dataset", "mixture", "--out", "z.npy")
    with pytest.MonkeyPatch.context() as large:
        large.setattr("vsmnp.runs.tables.latents.dataset_of", lambda settings: bytearray(2**62))
        yield command(*encode)
    yield command(*encode)


def printed(to: str) -> Step:
    """Return the step that prints the names of data to a file, in a process of its own."""

    def run() -> None:
        code = "from vsmnp.cli import main; main()"
        with open(to, "wb") as file:
            done = subprocess.run(
                [sys.executable, "-c", code, "data"],
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        if done.returncode:
            raise VsmnpError(done.stderr)

    return run


@remedy("free some space or send it elsewhere")
def a_full_disk_behind_the_output(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield printed("/dev/full")
    yield printed("names.txt")


@remedy("as there is no home folder: set NUMBA_CACHE_DIR")
def machine_code_without_a_home(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def info(**variables: str) -> Step:
        def run() -> None:
            done = of_nobody(Path(), "info", **variables)
            if done.returncode or "not kept" in done.stdout:
                raise VsmnpError(done.stdout)

        return run

    yield info()
    yield info(NUMBA_CACHE_DIR=str(Path("code").resolve()))


# --- notes ----------------------------------------------------------------------------------------


@remedy("has no effect (did you mean 'VSMNP_TRAIN_SAMPLES'?)")
def a_variable_that_sets_nothing(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    patch.setenv("VSMNP_TRAIN_SAMPLE", "2")
    yield unnoted("has no effect", *DRY)
    patch.delenv("VSMNP_TRAIN_SAMPLE")
    patch.setenv("VSMNP_TRAIN_SAMPLES", "2")
    yield unnoted("has no effect", *DRY)


@remedy("compare values within one of them only")
def runs_on_different_data(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    command(*TRAIN, "--dataset", "ring", "--out", "ring", "-q")()
    shutil.copytree("run", "again")
    few = ("--draws", "50", "--iwae-samples", "0")
    yield unnoted("different data", "compare", "run", "ring", *few)
    yield unnoted("different data", "compare", "run", "again", *few)


@remedy("evaluate that by vsmnp evaluate best --best")
def a_run_with_a_best_state(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield unnoted("was best", *TRAIN, "--steps", "20", "--validation", "0.1", "--out", "best")
    yield command("evaluate", "best", "--best", "--draws", "50", "--iwae-samples", "0")


@remedy("do not train one run from two processes there")
def a_file_system_without_locks(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    patch.setattr(fcntl, "flock", flock)
    _warn.cache_clear()
    yield unnoted("has no locks", "train", "--resume", "run", "--steps", "4")
    yield command("train", "--resume", "run", "--steps", "6")
