"""Trained classifiers on disk: those that come with vsmnp, and the user's."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CheckpointError, ConfigError, DataError
from ...layers.compose import Chain
from ...model.layout import Layout
from ...runs import checkpoint
from ...storage import make_folder, may_be_file
from ...types import Array, Kernels, Shape
from .lenet import fitted, lenet5

#: Weights that come with vsmnp, for MNIST and Fashion-MNIST, so that distances agree between machines.
SHIPPED = Path(__file__).parent / "weights"
#: Suffix of a classifier's file.
SUFFIX = ".lenet"
#: Number of images that pass through the network at once.
_BATCH = 500


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained LeNet-5, with the data and settings of its training.

    Attributes
    ----------
    dataset : str
        Name of the training data.
    channels, classes : int
        Channels of the images, and number of classes.
    seed : int
        Seed of the initial weights and of the order of the data.
    epochs : int
        Passes over the training data.
    accuracy : float
        Share of the test set that it classifies correctly.
    vector : Array
        Its parameters ``(1, P)``, each a 16-bit float in 32 bits.
    """

    dataset: str
    channels: int
    classes: int
    seed: int
    epochs: int
    accuracy: float
    vector: Array

    @cached_property
    def net(self) -> Chain:
        """The LeNet-5 network as a layer."""
        return lenet5(self.channels, self.classes)

    @cached_property
    def layout(self) -> Layout:
        """Layout of its parameters in the vector."""
        return Layout(self.net.shapes)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the parameters in the order of the layers, as 16-bit little-endian floats."""
        digest = hashlib.sha256()
        for _, values in self.layout.named(self.vector):
            digest.update(np.ascontiguousarray(values.astype("<f2")).tobytes())
        return digest.hexdigest()

    def features(self, k: Kernels, x: Array, image: Shape | None) -> Array:
        """Compute the last hidden layer ``(N, 84)`` of flat images ``x (N, D)``, pixels in [0, 1].

        Raises
        ------
        DataError
            If the network does not accept images of the shape ``image``.
        """
        p = self.layout.views(k.asarray(self.vector))["0"]
        return self._through(k, fitted(x, image, self.channels), self.net.layers[0], p)

    def scores(self, k: Kernels, x: Array, image: Shape | None) -> Array:
        """Compute the scores of the classes, ``(N, classes)``; raises as :meth:`features` does."""
        p = self.layout.views(k.asarray(self.vector))
        return self._through(k, fitted(x, image, self.channels), self.net, p)

    def _through(self, k: Kernels, x: Array, net: Any, p: Mapping[str, Any]) -> Array:
        return np.concatenate([
            k.to_host(net.forward(k, p, k.asarray(x[None, None, i : i + _BATCH], np.float32))[0])[0, 0]
            for i in range(0, len(x), _BATCH)
        ])  # fmt: skip


#: The fields of a classifier that a file stores besides its parameters.
_FACTS = tuple(name for name in Classifier.__dataclass_fields__ if name != "vector")


def check_name(path: Path) -> None:
    """Raise a ConfigError unless ``path`` has the suffix of a classifier's file."""
    if path.suffix != SUFFIX:
        raise ConfigError(f"The file of a classifier ends in {SUFFIX}, not as --out {path}.")


def save(classifier: Classifier, path: Path) -> None:
    """Write a classifier to a file with a checksum, whose name ends in .lenet.

    Raises
    ------
    ConfigError
        If the name has another suffix.
    StorageError
        If the file cannot be written.
    """
    check_name(path)
    make_folder(path.parent)
    arrays = {
        name: values[0].astype(np.float16) for name, values in classifier.layout.named(classifier.vector)
    }
    facts = {name: getattr(classifier, name) for name in _FACTS}
    checkpoint.save(path, arrays, {"classifier": "lenet5", **facts})


def load(path: Path) -> Classifier:
    """Read a classifier that :func:`save` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or not a classifier.
    """
    if not may_be_file(path):
        raise CheckpointError(f"The classifier {path} does not exist: train one with 'vsmnp classifier'.")
    arrays, about = checkpoint.load(path)
    try:
        if about["classifier"] != "lenet5":
            raise ValueError(f"it is a {about['classifier']}")
        layout = Layout(lenet5(about["channels"], about["classes"]).shapes)
        vector = np.zeros((1, layout.size), np.float32)
        for name, values in layout.named(vector):
            if arrays[name].shape != values.shape[1:]:
                raise ValueError(f"'{name}' has the shape {arrays[name].shape}")
            values[0] = arrays[name]
        return Classifier(**{name: about[name] for name in _FACTS}, vector=vector)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} holds no classifier of this version ({error}): train one with 'vsmnp classifier'."
        ) from error


def shipped(name: str) -> Classifier:
    """Load the classifier of mnist or fashion that comes with vsmnp.

    Raises
    ------
    DataError
        If there is no classifier of that name.
    """
    path = SHIPPED / f"{name}{SUFFIX}"
    if not path.exists():
        known = " or ".join(f"lenet-{each.stem}" for each in sorted(SHIPPED.glob(f"*{SUFFIX}")))
        raise DataError(
            f"No classifier of {name} comes with vsmnp: take features from {known}, a FILE{SUFFIX} of 'vsmnp "
            "classifier', or a network FILE.onnx, by --features."
        )
    return load(path)
