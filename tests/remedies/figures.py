"""Situations of pictures: their files, and what can be drawn of a run."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp.evaluation.evaluate import evaluate
from vsmnp.figures.backend import import_matplotlib
from vsmnp.figures.comparison import comparison
from vsmnp.figures.mosaic import mosaic
from vsmnp.figures.samples import samples
from vsmnp.runs.session import load_run

from .follow import Case, Step, commands, remedy
from .follow import vsmnp as command
from .options import TRAIN

COMPARE = ("compare", "run", "--draws", "50", "--iwae-samples", "0", "-q")

commands(__name__, {
    "a picture of another suffix": Case(
        ("plot", "run", "curves", "--out", "x.gif"), "must end in .png, .pdf or .svg",
        ("plot", "run", "curves", "--out", "x.svg"),
    ),
    "a picture in no folder": Case(
        ("plot", "run", "curves", "--out", "no/x.png"), "choose another place with --out",
        ("plot", "run", "curves", "--out", "x.svg"),
    ),
    "a table of runs in no folder": Case(
        (*COMPARE, "--csv", "no/x.csv"), "choose another place with --csv", (*COMPARE, "--csv", "x.csv"),
    ),
})  # fmt: skip


@remedy("free some space, or choose another place with --csv")
def a_table_of_runs_on_a_full_disk(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    replace = os.replace

    def full(source: str, target: Path) -> None:
        if Path(target).suffix == ".csv":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with pytest.MonkeyPatch.context() as disk:
        disk.setattr(os, "replace", full)
        yield command(*COMPARE, "--csv", "x.csv")
    yield command(*COMPARE, "--csv", "x.csv")
    yield command(*COMPARE, "--csv", "y.csv")


@remedy("draw samples, curves, latent or posterior-sds instead")
def a_density_of_three_columns(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    command(*TRAIN, "--dataset", "t.csv", "--out", "table", "-q")()
    yield command("plot", "table", "density")
    for name in ("samples", "curves", "latent", "posterior-sds"):
        yield command("plot", "table", name, "--out", f"{name}.svg")


@remedy("pip install matplotlib")
def no_matplotlib(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as absent:
        absent.setitem(sys.modules, "matplotlib", None)
        yield import_matplotlib
    yield import_matplotlib


@remedy("needs at least one of them")
def a_picture_of_no_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: samples(load_run("run"), n=0)
    yield lambda: samples(load_run("run"), n=1)


@remedy("they can be drawn as (height, width), or with one or three channels before or after")
def samples_that_are_no_pictures(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    x = np.random.default_rng(0).random((3, 48))
    yield lambda: mosaic(x, (2, 4, 6))
    for shape in ((6, 8), (1, 6, 8), (6, 8, 1), (3, 4, 4), (4, 4, 3)):
        yield lambda shape=shape: mosaic(x, shape)


def compared(*evaluations: Any) -> Step:
    """Return the step that compares one run by these evaluations."""
    return lambda: comparison([load_run("run")], list(evaluations))


@remedy("needs one evaluation a run")
def a_comparison_of_other_evaluations(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    found = evaluate("run", prior_draws=50, iwae_samples=0)
    yield compared(found, found)
    yield compared(found)


@remedy("name at least one run with a metric that is a number")
def a_comparison_of_no_number(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    found = evaluate("run", prior_draws=50, iwae_samples=0)
    yield compared({name: [None] for name in found})
    yield compared(found)
