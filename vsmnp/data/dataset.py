"""The protocol of a dataset: training data by epoch, a test set, and known bounds on losses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..types import Array, DType, Shape
from ..types.shown import shortened
from .rows import Rows, pieces


@dataclass(frozen=True)
class Bounds:
    r"""The best losses that any model can reach on a dataset, where they are known.

    Parameters
    ----------
    nll : float or None
        Lower bound of the mean negative log-likelihood: the entropy :math:`-E \log\pi(x)`, in nats.
    sm_loss : float or None
        Lower bound of the score-matching loss :math:`E[|\nabla\log p|^2/2 + \Delta\log p]`, reached at
        :math:`p = \pi`, where it is :math:`-E|\nabla\log\pi|^2/2`.
    """

    nll: float | None = None
    sm_loss: float | None = None


class Dataset(Protocol):
    """Training and test data as pure functions of a seed, so that a run resumes bit for bit."""

    @property
    def name(self) -> str:
        """Name of the dataset for the user."""

    @property
    def source(self) -> str:
        """Argument with which ``load_data`` finds it from any folder: a built-in name or an absolute path."""

    @property
    def shape(self) -> Shape:
        """The shape of one sample, such as ``(2,)`` or ``(28, 28)``."""

    @property
    def dim(self) -> int:
        """D, the product of ``shape``; samples are returned flat."""

    @property
    def is_image(self) -> bool:
        """Whether a sample has at least two axes; its values are then pixels in [0, 1]."""

    @property
    def image(self) -> Shape | None:
        """``(C, H, W)`` if a flat sample is a picture with its 1 or 3 channels outermost; else None."""

    @property
    def n_train(self) -> int:
        """Number of training samples per epoch."""

    @property
    def n_test(self) -> int:
        """Number of test samples."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the D values of a sample; empty if they have none."""

    @property
    def bounds(self) -> Bounds:
        """Lower bounds of the losses, where known."""

    @property
    def digest(self) -> str:
        """SHA-256 of all stored samples if it is known in advance, else empty."""

    @property
    def divisor(self) -> float:
        """Divisor of unsigned bytes: 255 if the data are stored as pixels, else 1."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user who trains on the data, for example on samples that were left out."""

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Rows:
        """Return the rows of :meth:`epoch`, which may be read lazily."""

    def epoch(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        """Return the training data of an epoch, ``(n_train, D)``, in the order of its minibatches."""

    def test(self, data_seed: int, dtype: DType) -> Array:
        """Return the test set, ``(n_test, D)``."""

    def epoch_labels(self, data_seed: int, epoch: int) -> Array | None:
        """Return the classes of the rows of :meth:`epoch`, ``(n_train,)`` integers; None if unknown."""

    def test_labels(self) -> Array | None:
        """Return the classes of the rows of :meth:`test`, ``(n_test,)`` integers; None if unknown."""

    def log_density(self, x: Array) -> Array | None:
        """Compute ``log pi(x)`` in nats, ``(N,)`` in float64 for ``x (N, D)``; None without a formula."""

    def score(self, x: Array) -> Array | None:
        """Compute ``grad_x log pi(x)``, ``(N, D)`` in float64 for ``x (N, D)``; None without a formula."""

    def describe(self) -> str:
        """Write the paragraph that ``vsmnp data`` shows."""


def is_dataset(given: object) -> bool:
    """Return whether something given in Python is a dataset, and not an array or a name."""
    return all(hasattr(given, name) for name in ("stream", "epoch", "source"))


def fingerprint(dataset: Dataset, data_seed: int) -> str:
    """Compute a SHA-256 of the data: the known digest, else that of the test set and the first epoch."""
    if dataset.digest:
        return dataset.digest
    digest = hashlib.sha256(np.ascontiguousarray(dataset.test(data_seed, np.float32)).data)
    first = dataset.stream(data_seed, 0, np.float32)
    for rows in pieces(dataset.n_train, dataset.dim):
        digest.update(np.ascontiguousarray(first[rows]).data)
    return digest.hexdigest()


def dataset_facts(dataset: Dataset) -> dict[str, str]:
    """Return what is shown of a dataset: its name, its shape, its sizes and the names of its columns."""
    columns = {"columns": shortened(list(dataset.columns))} if dataset.columns else {}
    sizes = {"training samples": f"{dataset.n_train:,}", "test samples": f"{dataset.n_test:,}"}
    return {"name": dataset.name, "shape": " x ".join(map(str, dataset.shape)), **sizes, **columns}


def paragraph(name: str, sizes: str, about: str, bounds: Bounds) -> str:
    """Write the text of ``describe``: name and sizes, what the data are, and their bounds."""
    text = f"{name}: {sizes}\n{' '.join(about.split())}"
    if bounds.nll is not None:
        text += f"\nBest negative log-likelihood: {bounds.nll:.4f} nats (the entropy)."
    if bounds.sm_loss is not None:
        text += f"\nBest score-matching loss: {bounds.sm_loss:.2f}."
    return text
