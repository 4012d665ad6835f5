"""A fixed set of samples: images, or the user's arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..kernels import load
from ..rng import Key, Stream
from ..types import Array, DType, Shape
from ..types.shown import Shown
from .dataset import Bounds, dataset_facts, paragraph
from .rows import Joined, Rows, Stored

#: Permitted numbers of channels of a picture.
CHANNELS = (1, 3)


@dataclass(frozen=True, eq=False, repr=False)
class FixedDataset(Shown):
    """A fixed set of training and test samples; an epoch is a permutation of the training samples.

    Parameters
    ----------
    name : str
        Name of the dataset for the user.
    shape : tuple of int
        The shape of one sample.
    train_rows, test_rows : array
        ``(N, ...)``, as stored, in memory or mapped from a file: images stay ``uint8`` until they are
        read.
    about : str
        A paragraph on what the data are.
    divisor : float
        Divisor of stored values: 255 for ``uint8`` pixels.
    path : str
        The user's file, absolute; empty for built-in data.
    train_index, test_index : array, optional
        Rows of the two arrays that are samples; by default all.
    digest : str
        SHA-256 of the stored samples, if it is known.
    notes : tuple of str
        Sentences for the user who trains on the data.
    read_labels : callable, optional
        Reads the classes of the training and of the test samples, each ``(N,)`` integers, on request;
        raises a DataError where they cannot be read.
    columns : tuple of str
        Names of the D values of a sample; empty if they have none.
    held_out : array, optional
        Rows of ``train_rows`` that are the validation part; see :mod:`vsmnp.data.held_out`.
    whole : FixedDataset, optional
        The data before that part was taken from them.
    """

    name: str
    shape: Shape
    train_rows: Array
    test_rows: Array
    about: str
    divisor: float = 1.0
    path: str = ""
    train_index: Array | None = None
    test_index: Array | None = None
    digest: str = ""
    notes: tuple[str, ...] = ()
    read_labels: Callable[[], tuple[Array, Array]] | None = None
    columns: tuple[str, ...] = ()
    held_out: Array | None = None
    whole: FixedDataset | None = None

    def facts(self) -> dict[str, str]:
        return dataset_facts(self)

    @property
    def source(self) -> str:
        return self.path or self.name

    @property
    def dim(self) -> int:
        return int(np.prod(self.shape))

    @property
    def is_image(self) -> bool:
        return len(self.shape) >= 2

    @property
    def image(self) -> Shape | None:
        """``(C, H, W)`` of grey pictures ``(H, W)``, and of pictures with 1 or 3 channels first."""
        if len(self.shape) == 2:
            return (1, *self.shape)
        return self.shape if len(self.shape) == 3 and self.shape[0] in CHANNELS else None

    @property
    def n_train(self) -> int:
        return len(self.train_rows if self.train_index is None else self.train_index)

    @property
    def n_test(self) -> int:
        return len(self.test_rows if self.test_index is None else self.test_index)

    @property
    def bounds(self) -> Bounds:
        """Return bounds without values: those of a fixed set are unknown."""
        return Bounds()

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Stored:
        order = self._order(data_seed, epoch)
        index = order if self.train_index is None else self.train_index[order]
        return Stored(self.train_rows, dtype, self.divisor, index)

    @property
    def in_order(self) -> Stored:
        """The training samples in the order of the file, in float64."""
        index = None if self.train_index is None else np.sort(self.train_index)
        return Stored(self.train_rows, np.dtype(np.float64), self.divisor, index)

    def all_rows(self, dtype: DType) -> Rows:
        """Return the samples of the file in its order, with those of an array of test samples behind them."""
        train, test = self.train_index, self.test_index
        if train is not None and test is not None and self.train_rows is self.test_rows:
            return Stored(self.train_rows, dtype, self.divisor, np.sort(np.concatenate([train, test])))
        return Joined(
            Stored(self.train_rows, dtype, self.divisor, train),
            Stored(self.test_rows, dtype, self.divisor, test),
        )

    def epoch(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        return self.stream(data_seed, epoch, dtype)[:]

    def test(self, data_seed: int, dtype: DType) -> Array:
        return Stored(self.test_rows, dtype, self.divisor, self.test_index)[:]

    def epoch_labels(self, data_seed: int, epoch: int) -> Array | None:
        """Return the classes in the order of this epoch, ``(n_train,)``; raises as ``read_labels`` does."""
        return None if self.read_labels is None else self.read_labels()[0][self._order(data_seed, epoch)]

    def test_labels(self) -> Array | None:
        """Return the classes of the test samples, ``(n_test,)``; raises as ``read_labels`` does."""
        return None if self.read_labels is None else self.read_labels()[1]

    def log_density(self, x: Array) -> None:
        """Return None: the density is unknown."""

    def score(self, x: Array) -> None:
        """Return None: the score is unknown."""

    def describe(self) -> str:
        return paragraph(self.name, sizes(self.shape, self.n_train, self.n_test), self.about, self.bounds)

    def _order(self, data_seed: int, epoch: int) -> Array:
        """Draw the permutation of the training samples in this epoch, ``(n_train,)``."""
        key = Key((data_seed,), Stream.SHUFFLE, epoch)
        return key.permutation(load("reference"), self.n_train)[0]  # type: ignore[no-any-return]


def sizes(shape: Shape, n_train: int, n_test: int) -> str:
    """Format the sizes: ``28 x 28 values a sample, 60,000 to train and 10,000 to test on``."""
    axes = " x ".join(str(n) for n in shape)
    return f"{axes} values a sample, {n_train:,} to train and {n_test:,} to test on."


def channels_first(values: Array) -> Array:
    """Transpose pictures ``(N, H, W, C)`` to ``(N, C, H, W)``; return other arrays unchanged."""
    last = values.ndim == 4 and values.shape[3] in CHANNELS and values.shape[1] not in CHANNELS
    return np.moveaxis(values, 3, 1) if last else values


def framed(pictures: Array, size: int, name: str) -> Array:
    """Put zeros on all sides of pictures ``(N, ..., H, W)`` up to the given side; 0: return them unchanged.

    Raises
    ------
    DataError
        If the pictures are larger than the side.
    """
    height, width = pictures.shape[-2:]
    if not size:
        return pictures
    if size < max(height, width):
        raise DataError(
            f"--image-size {size} is too small for {name}: its pictures are {height} x {width}, and "
            f"zeros are put around them, so say {max(height, width)} or more."
        )
    around = [((size - side) // 2, (size - side + 1) // 2) for side in (height, width)]
    return np.pad(pictures, [(0, 0)] * (pictures.ndim - 2) + around)
