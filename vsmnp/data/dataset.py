"""What a dataset is: training data by the epoch, a test set, and the floors that are known about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..types import Array, DType, Shape
from .rows import Rows, pieces


@dataclass(frozen=True)
class Bounds:
    r"""The best losses that any model can reach on a dataset, where they are known.

    Parameters
    ----------
    nll : float or None
        Floor of the mean negative log-likelihood: the entropy :math:`-E \log\pi(x)`, in nats per sample.
    sm_loss : float or None
        Floor of the score-matching loss :math:`E[|\nabla\log p|^2/2 + \Delta\log p]`, reached at
        :math:`p = \pi`, where it is :math:`-E|\nabla\log\pi|^2/2`.
    """

    nll: float | None = None
    sm_loss: float | None = None


class Dataset(Protocol):
    """Training and test data as pure functions of a seed, so that a run resumes bit for bit."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def source(self) -> str:
        """What ``load_data`` finds it by from any folder: a built-in name or an absolute path."""

    @property
    def shape(self) -> Shape:
        """The shape of one sample: ``(2,)``, ``(28, 28)``."""

    @property
    def dim(self) -> int:
        """D, the product of ``shape``: samples are handed out flat."""

    @property
    def is_image(self) -> bool:
        """Whether a sample has at least two axes, with values that were read as pixels in [0, 1]."""

    @property
    def image(self) -> Shape | None:
        """``(C, H, W)`` if a flat sample is a picture with its channels, 1 or 3, outermost; else None."""

    @property
    def n_train(self) -> int:
        """Training samples in an epoch."""

    @property
    def n_test(self) -> int:
        """Test samples."""

    @property
    def bounds(self) -> Bounds:
        """The losses no model can beat."""

    @property
    def digest(self) -> str:
        """SHA-256 of all stored samples where it is known beforehand, else empty."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that whoever trains on the data should read: what was left out, for instance."""

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Rows:
        """The rows of :meth:`epoch`, which may be read as they are asked for."""

    def epoch(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        """The training data of an epoch, ``(n_train, D)``, in order: cut it in consecutive minibatches."""

    def test(self, data_seed: int, dtype: DType) -> Array:
        """The test set, ``(n_test, D)``."""

    def epoch_labels(self, data_seed: int, epoch: int) -> Array | None:
        """The classes of the rows of :meth:`epoch`, ``(n_train,)`` integers; None where nobody knows them."""

    def test_labels(self) -> Array | None:
        """The classes of the rows of :meth:`test`, ``(n_test,)`` integers; None where nobody knows them."""

    def log_density(self, x: Array) -> Array | None:
        """``log pi(x)`` in nats, ``(N,)`` in float64 for ``x (N, D)``; None where no formula is known."""

    def score(self, x: Array) -> Array | None:
        """``grad_x log pi(x)``, ``(N, D)`` in float64 for ``x (N, D)``; None where no formula is known."""

    def describe(self) -> str:
        """A paragraph for the reader of ``vsmnp data``."""


def fingerprint(dataset: Dataset, data_seed: int) -> str:
    """SHA-256 that changes when the data do: the known one, else of the test set and the first epoch."""
    if dataset.digest:
        return dataset.digest
    digest = hashlib.sha256(np.ascontiguousarray(dataset.test(data_seed, np.float32)).data)
    first = dataset.stream(data_seed, 0, np.float32)
    for rows in pieces(dataset.n_train, dataset.dim):
        digest.update(np.ascontiguousarray(first[rows]).data)
    return digest.hexdigest()


def paragraph(name: str, sizes: str, about: str, bounds: Bounds) -> str:
    """The text of ``describe``: the name and sizes, what the data are, and their floors."""
    text = f"{name}: {sizes}\n{' '.join(about.split())}"
    if bounds.nll is not None:
        text += f"\nBest negative log-likelihood: {bounds.nll:.4f} nats (the entropy)."
    if bounds.sm_loss is not None:
        text += f"\nBest score-matching loss: {bounds.sm_loss:.2f}."
    return text
