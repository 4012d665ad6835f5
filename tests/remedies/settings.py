"""Situations of the settings: values out of range, files of settings, and notes on choices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vsmnp.settings.settings import Settings

from .follow import Case, Step, commands, remedy, unnoted, vsmnp
from .options import DRY, IMAGES, more

commands(__name__, {
    "a seed of data below zero": Case(
        more("--data-seed", "-1"), "must lie between 0 and 2^63 - 1", more("--data-seed", "0"),
    ),
    "a seed named twice": Case(more("--seeds", "1,1"), "name each once", more("--seeds", "1,2")),
    "a width of nothing": Case(more("--hidden", "0,4"), "such as 30,30", more("--hidden", "30,30")),
    "a validation part of everything": Case(
        more("--validation", "1.5"), "is a share below 1, such as 0.1", more("--validation", "0.1"),
    ),
    "patience without a validation part": Case(
        more("--patience", "3"), "add --validation 0.1", more("--patience", "3", "--validation", "0.1"),
    ),
    "a rule of gamma that does not exist": Case(
        more("--gamma", "optimum"), "(did you mean 'optimal'?)", more("--gamma", "optimal"),
    ),
    "a gamma below zero": Case(
        more("--gamma", "-1"), "must be learn, optimal or a positive number", more("--gamma", "0.5"),
    ),
    "no sample": Case(more("--samples", "0"), "must be at least 1", more("--samples", "1")),
    "a step size of zero": Case(more("--lr", "0"), "must be a positive number", more("--lr", "0.001")),
    "a preset that does not exist": Case(
        more("--preset", "paper-2D-larg"), "(did you mean 'paper-2d-large'?)",
        more("--preset", "paper-2d-large", "--dataset", "mixture"),
    ),
    "a file of settings that does not exist": Case(
        (*DRY, "--config", "run/confg.toml"), "check its name and its permissions",
        (*DRY, "--config", "run/config.toml"),
    ),
})  # fmt: skip


def of_python(**values: object) -> Step:
    """Return the step that makes settings in Python."""
    return lambda: Settings.from_mapping(values)


def of_file(*lines: str) -> Step:
    """Write a file of settings, and return the step that starts from it."""
    Path("mine.toml").write_text("\n".join(["dataset = 'mixture'", 'kernels = "reference"', *lines]) + "\n")
    return vsmnp("train", "--config", "mine.toml", "--hidden", "4", "--batch-size", "10", "--dry-run")


@remedy("needs at least one seed between 0 and 2^63 - 1")
def a_seed_below_zero(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_python(seeds=(-1,))
    yield of_python(seeds=(0,))


@remedy("leave it out")
def tf32_of_other_numbers(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_python(device="gpu", dtype="float64", tf32=True)
    yield of_python(device="gpu", dtype="float64")


@remedy("must be one of elbo, m1, m2, m3, fae, not 'm5'")
def an_objective_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_file('objective = "m5"')
    for name in ("elbo", "m1", "m2", "m3", "fae"):
        yield of_file(f'objective = "{name}"', "steps = 1")


@remedy("(did you mean 'steps'?): see 'vsmnp train --help' for all of them")
def a_setting_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_file("stepps = 3")
    yield vsmnp("train", "--help")
    yield of_file("steps = 3")


@remedy("must be an integer, not 'many'")
def a_text_for_a_number(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_file('steps = "many"')
    yield of_file("steps = 3")


@remedy("must lie between -2^63 and 2^63 - 1")
def a_number_that_no_file_holds(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_file(f"data_seed = {2**63}")
    yield of_file(f"data_seed = {2**63 - 1}", "steps = 1")


@remedy("write one 'name = value' a line, as in the config.toml of a run")
def a_file_of_settings_that_is_none(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield of_file("steps: 3")
    yield of_file("steps = 3")
    yield vsmnp("train", "--config", "run/config.toml", "--dry-run")


@remedy("which config.toml needs: rename the file")
def a_name_of_bytes(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    name = os.fsdecode(b"\xff.npy")
    np.save(name, np.eye(20, 3))
    yield vsmnp(*DRY, "--dataset", name)
    Path(name).rename("x.npy")
    yield vsmnp(*DRY, "--dataset", "x.npy")


# --- notes ----------------------------------------------------------------------------------------


def noted(words: str, *options: str) -> Step:
    """Return the step that runs a training that is not started, and is refused where it has that note."""
    return unnoted(words, *DRY, *options)


@remedy("M2 is the same estimator as M1: use --samples 2 or more")
def m2_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield noted("one posterior sample", "--objective", "m2", "--samples", "1")
    yield noted("one posterior sample", "--objective", "m2", "--samples", "2")


@remedy("biased and without a baseline: use --samples 2 or more")
def m3_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield noted("one posterior sample", "--objective", "m3", "--samples", "1")
    yield noted("one posterior sample", "--objective", "m3", "--samples", "2")


@remedy("miss the jumps of a relu network's scores: use --activation tanh, softplus or elu")
def second_derivatives_of_relu(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield noted("relu", "--inference", "fisher-reparam", "--activation", "relu")
    for name in ("tanh", "softplus", "elu"):
        yield noted("relu", "--inference", "fisher-reparam", "--activation", name)


@remedy("as in the paper's code: --batch-norm frozen leaves them out")
def samples_that_a_norm_couples(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    scores = (*IMAGES, "--dataset", "i32.npy", "--objective", "m3", "--batch-norm")
    yield unnoted("couples the samples", *scores, "coupled")
    yield unnoted("couples the samples", *scores, "frozen")
