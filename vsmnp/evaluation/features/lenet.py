"""Features of the classifier of the data: the last hidden layer of a tanh LeNet-5."""

from __future__ import annotations

from dataclasses import dataclass

from ...types import Array, Kernels, Shape
from ..classifier import Classifier


@dataclass(frozen=True, eq=False)
class LenetFeatures:
    """An extractor of 84 features in (-1, 1) per image.

    Parameters
    ----------
    k : Kernels
        Kernel set that computes them.
    classifier : Classifier
        Classifier that provides the network.
    """

    k: Kernels
    classifier: Classifier

    @property
    def name(self) -> str:
        """Name of the extractor: ``lenet-`` and the name of its training data."""
        return f"lenet-{self.classifier.dataset}"

    @property
    def sha256(self) -> str:
        """SHA-256 of the classifier's weights."""
        return self.classifier.sha256

    def __call__(self, x: Array, image: Shape | None) -> Array:
        return self.classifier.features(self.k, x, image)
