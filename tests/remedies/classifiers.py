"""Situations of classifiers whose features are compared, and of ``vsmnp.evaluate`` and its data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from test_classifier import data, halves

from vsmnp.cli import main
from vsmnp.data.fixed import FixedDataset
from vsmnp.evaluation.evaluate import evaluate
from vsmnp.kernels import load
from vsmnp.runs import checkpoint
from vsmnp.runs.session import load_run

from .evaluation import FEW, NET, fid, pictures, runtime
from .follow import Step, remedy, unnoted, warned
from .follow import vsmnp as command

CLASSIFIER = ("classifier", "mnist", "--epochs", "1", "-q", "--out")


def labelled(patch: pytest.MonkeyPatch, dataset: FixedDataset | None = None) -> None:
    """Read a small set with labels in the place of MNIST, and train without compiling anything."""
    patch.setattr("vsmnp.settings.resolve.dataset_of", lambda settings: dataset or data())
    patch.setattr("vsmnp.kernels.load", lambda name: load("reference"))


def of_labels(first: int, last: int) -> FixedDataset:
    """Return a set whose labels lie between these."""
    pixels, _ = halves(30, 0)
    labels = np.linspace(first, last, 30).astype(np.int64)
    return FixedDataset(
        "own", (6, 6), pixels, pixels, "", divisor=255.0, read_labels=lambda: (labels, labels)
    )


# --- classifiers ----------------------------------------------------------------------------------


@remedy("ends in .lenet, not as --out x.h5")
def a_classifier_of_another_suffix(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    labelled(patch)
    yield command(*CLASSIFIER, "x.h5")
    yield command(*CLASSIFIER, "x.lenet")


@remedy("use mnist or fashion")
def a_classifier_without_labels(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield command("classifier", "i32.npy", "--out", "x.lenet")
    labelled(patch)
    for name in ("mnist", "fashion"):
        yield command("classifier", name, "--epochs", "1", "-q", "--out", "x.lenet")


@remedy("count at least two classes from 0, 1000 at most")
def labels_that_are_no_classes(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    with pytest.MonkeyPatch.context() as others:
        labelled(others, of_labels(0, 0))
        yield command(*CLASSIFIER, "x.lenet")
    labelled(patch, of_labels(0, 2))
    yield command(*CLASSIFIER, "x.lenet")


@remedy("train one with 'vsmnp classifier'")
def a_classifier_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    yield fid("--features", "x.lenet")
    with pytest.MonkeyPatch.context() as small:
        labelled(small)
        yield command(*CLASSIFIER, "x.lenet")
    yield fid("--features", "x.lenet")


@remedy("train one with 'vsmnp classifier'")
def a_classifier_of_another_version(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    checkpoint.save(Path("x.lenet"), {}, {"classifier": "lenet6"})
    yield fid("--features", "x.lenet")
    with pytest.MonkeyPatch.context() as small:
        labelled(small)
        yield command(*CLASSIFIER, "x.lenet")
    yield fid("--features", "x.lenet")


@remedy(
    "take features from lenet-fashion or lenet-mnist, a FILE.lenet of 'vsmnp classifier', or a network FI"
)
def data_without_a_classifier(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures()
    yield fid()
    for name in ("lenet-fashion", "lenet-mnist"):
        yield fid("--features", name)
    with pytest.MonkeyPatch.context() as small:
        labelled(small)
        yield command(*CLASSIFIER, "x.lenet")
    yield fid("--features", "x.lenet")
    runtime(patch)
    yield fid(*NET)


@remedy("use another extractor, such as --features FILE.onnx")
def pictures_above_the_size_of_a_classifier(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    pictures(side=40)
    yield fid("--features", "lenet-mnist")
    own = runtime(patch, "n", 1, 40, 40)
    own.run = lambda self, names, feed: [feed["images"][:, 0, 0, :3]]
    yield fid(*NET)


# --- evaluations ----------------------------------------------------------------------------------


def figures(run: Any = "run", test: Any = None, **options: Any) -> Step:
    """Return the step that evaluates a run in Python, by few draws unless another number is given."""
    return lambda: evaluate(run, test, **{"prior_draws": 50, "iwae_samples": 0, **options})


@remedy("evaluate needs a run of vsmnp.train, or its folder")
def an_evaluation_of_a_model(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield figures(load_run("run").vae)
    yield figures(load_run("run"))
    yield figures("run")


@remedy("give the number of draws by its name, prior_draws=60")
def a_number_in_place_of_data(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield figures("run", 60)
    yield figures("run", prior_draws=60)


@remedy("give samples of the shape (2,)")
def test_data_of_another_shape(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield figures("run", np.zeros((5, 3)))
    yield figures("run", np.zeros((5, 2)))


@remedy("leave those samples out")
def test_data_with_gaps(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    x = np.array([[1.0, 2.0], [np.nan, 3.0]])
    yield figures("run", x)
    yield figures("run", x[np.isfinite(x).all(1)])


@remedy("copy the run to another folder and evaluate the copy")
def an_evaluation_that_cannot_be_kept(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    shutil.copytree("run", "copy")
    Path("run/evaluation.json").mkdir()
    yield warned(figures())
    yield warned(figures("copy"))
    yield unnoted("is not kept", "evaluate", "copy", *FEW[:-1])


@remedy("Use iwae instead, or more --draws")
def a_likelihood_of_few_draws(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield unnoted("effective draws", "evaluate", "run", *FEW[:-1])
    yield unnoted("effective draws", "evaluate", "run", "--draws", "20000", "--iwae-samples", "0")

    def has_iwae() -> None:
        done = CliRunner().invoke(main, ["evaluate", "run", "--draws", "50", "--iwae-samples", "4"])
        assert "iwae" in done.stdout

    yield has_iwae
