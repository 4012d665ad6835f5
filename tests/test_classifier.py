"""Test a classifier as a feature extractor: its loss, its training, its file, and the two included ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import laws
import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.data.fixed import FixedDataset
from vsmnp.errors import CheckpointError, ConfigError, DataError
from vsmnp.evaluation.classifier import Classifier, load, save, shipped, train_classifier
from vsmnp.evaluation.classifier.cross_entropy import cross_entropy
from vsmnp.evaluation.classifier.lenet import FEATURES, fitted, lenet5
from vsmnp.evaluation.classifier.store import SHIPPED
from vsmnp.kernels import ON_HOST
from vsmnp.kernels import load as kernels
from vsmnp.model.layout import Layout
from vsmnp.types import Array

K = kernels("cpu")


def halves(n: int, seed: int) -> tuple[Array, Array]:
    """Draw noisy pictures of 6 x 6 pixels, bright above (0) or below (1)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    pixels = rng.integers(0, 50, (n, 2, 18))
    pixels[np.arange(n), labels] += 200
    return pixels.reshape(n, 36).astype(np.uint8), labels


def data(classes: bool = True) -> FixedDataset:
    """Return the pictures as a data set."""
    (train, train_labels), (test, test_labels) = halves(30, 0), halves(20, 1)
    return FixedDataset(
        "halves", (6, 6), train, test, "", divisor=255.0,
        read_labels=(lambda: (train_labels, test_labels)) if classes else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> Classifier:
    """Train a classifier of the halves."""
    return train_classifier(K, data(), seed=3, epochs=30)


# --- the loss -------------------------------------------------------------------------------------


def test_gradient_of_the_cross_entropy_is_its_derivative() -> None:
    rng = np.random.default_rng(0)
    y, labels = rng.standard_normal((2, 1, 5, 4)), rng.integers(0, 4, 5)
    tangent = rng.standard_normal(y.shape)
    _, gy = cross_entropy(y, labels)
    found = laws.derivative(lambda t: cross_entropy(y + t * tangent, labels)[0])
    np.testing.assert_allclose((gy * tangent).sum((1, 2, 3)), found, rtol=1e-9)


def test_cross_entropy_of_no_knowledge_and_of_certainty() -> None:
    labels = np.array([2, 0])
    np.testing.assert_allclose(cross_entropy(np.zeros((1, 1, 2, 8)), labels)[0], np.log(8))
    sure = np.full((1, 1, 2, 3), -1e4)
    sure[0, 0, [0, 1], labels] = 1e4
    loss, gy = cross_entropy(sure, labels)
    assert loss == 0
    assert not gy.any()


# --- the network ----------------------------------------------------------------------------------


def test_the_network_is_lenet_5() -> None:
    assert Layout(lenet5(1, 10).shapes).count == 61_706
    assert Layout(lenet5(3, 10).shapes).count == 61_706 + 2 * 6 * 25


def test_smaller_pictures_stand_in_the_middle_of_zeros() -> None:
    x = np.arange(1, 13.0).reshape(2, 6)
    framed = fitted(x, (1, 2, 3), 1).reshape(2, 32, 32)
    np.testing.assert_array_equal(framed[1, 15:17, 14:17], [[7, 8, 9], [10, 11, 12]])
    assert framed.sum() == x.sum()


@pytest.mark.parametrize("image", [None, (3, 32, 32), (1, 33, 32)], ids=str)
def test_other_pictures_are_refused(image: tuple[int, ...] | None) -> None:
    with pytest.raises(DataError, match="LeNet-5 takes images of 1 channel"):
        fitted(np.zeros((0, 4)), image, 1)


# --- training -------------------------------------------------------------------------------------


def test_training_separates_the_classes_and_features_are_those_before_the_scores(trained: Classifier) -> None:
    assert trained.accuracy == 1.0
    x, image = data().test(0, np.float32), (1, 6, 6)
    features = trained.features(K, x, image)
    assert features.shape == (20, FEATURES)
    assert (np.abs(features) < 1).all()
    head = trained.layout.views(trained.vector)["1"]
    np.testing.assert_allclose(
        features @ head["w"][0].T + head["b"][0], trained.scores(K, x, image), rtol=1e-4, atol=1e-5
    )


def test_training_is_a_function_of_the_seed() -> None:
    one, again, other = (train_classifier(K, data(), seed, epochs=2).sha256 for seed in (3, 3, 4))
    assert one == again
    assert one != other


def test_progress_counts_steps() -> None:
    seen: list[tuple[int, int]] = []
    train_classifier(K, data(), epochs=2, progress=lambda done, total, loss: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("name", ON_HOST)
def test_features_are_those_of_every_kernel_set(trained: Classifier, name: str) -> None:
    x = data().test(0, np.float32)[:4]
    expected = trained.features(kernels("reference"), x, (1, 6, 6))
    np.testing.assert_allclose(trained.features(kernels(name), x, (1, 6, 6)), expected, atol=1e-5)


def test_data_without_classes_are_refused() -> None:
    with pytest.raises(DataError, match="no labels"):
        train_classifier(K, data(classes=False))
    alike = replace(data(), read_labels=lambda: (np.zeros(30, np.int64), np.zeros(20, np.int64)))
    with pytest.raises(DataError, match="at least two classes"):
        train_classifier(K, alike)


# --- files ----------------------------------------------------------------------------------------


def test_a_file_gives_back_what_was_saved(trained: Classifier, tmp_path: Path) -> None:
    save(trained, tmp_path / "new" / "a.lenet")
    again = load(tmp_path / "new" / "a.lenet")
    np.testing.assert_array_equal(again.vector, trained.vector)
    assert again.sha256 == trained.sha256
    assert replace(again, vector=trained.vector).__dict__.items() >= {
        "dataset": "halves", "accuracy": 1.0, "seed": 3, "epochs": 30, "classes": 2, "channels": 1,
    }.items()  # fmt: skip


def test_bad_files_are_explained(trained: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "a.lenet"
    with pytest.raises(ConfigError, match=r"ends in \.lenet"):
        save(trained, tmp_path / "a.h5")
    with pytest.raises(CheckpointError, match="does not exist"):
        load(path)
    save(trained, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)
    path.write_bytes(b"weights")
    with pytest.raises(CheckpointError, match="not a vsmnp checkpoint"):
        load(path)


@pytest.mark.parametrize(("name", "least"), [("mnist", 0.98), ("fashion", 0.85)])
def test_two_classifiers_come_along(name: str, least: float) -> None:
    found = shipped(name)
    assert (found.dataset, found.classes, found.channels, found.seed) == (name, 10, 1, 0)
    assert least < found.accuracy < 1
    assert (SHIPPED / f"{name}.lenet").stat().st_size < 150_000
    half = found.vector.astype(np.float16)
    np.testing.assert_array_equal(found.vector, half)
    assert np.abs(found.vector).max() > 0.1


def test_there_is_no_other() -> None:
    with pytest.raises(DataError, match="No classifier of celeba comes with vsmnp"):
        shipped("celeba")


def test_the_command_trains_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsmnp.settings.resolve.dataset_of", lambda settings: data())
    path = tmp_path / "a.lenet"
    run = CliRunner().invoke(main, ["classifier", "mnist", "--epochs", "2", "--out", str(path), "--json"])
    assert run.exit_code == 0, run.output
    facts = json.loads(run.stdout)
    assert facts["sha256"] == load(path).sha256
    assert facts["accuracy"] == load(path).accuracy
    refused = CliRunner().invoke(main, ["classifier", "mnist", "--out", "a.h5"])
    assert refused.exit_code == 2
    assert "ends in .lenet" in refused.stderr
