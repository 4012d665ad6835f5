"""Features of our own classifier of the data: the last hidden layer of a tanh LeNet-5."""

from __future__ import annotations

from dataclasses import dataclass

from ...types import Array, Kernels, Shape
from ..classifier import Classifier


@dataclass(frozen=True, eq=False)
class LenetFeatures:
    """84 values in (-1, 1) an image.

    Parameters
    ----------
    k : Kernels
        What computes them.
    classifier : Classifier
        Its network.
    """

    k: Kernels
    classifier: Classifier

    @property
    def name(self) -> str:
        """``lenet-`` and the data that it was trained on."""
        return f"lenet-{self.classifier.dataset}"

    @property
    def sha256(self) -> str:
        """Of its weights."""
        return self.classifier.sha256

    def __call__(self, x: Array, image: Shape | None) -> Array:
        return self.classifier.features(self.k, x, image)
