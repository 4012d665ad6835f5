"""Views of a dataset: in the model's units, and known from a checkpoint before its data are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np

from ..types import Array, DType, Shape
from .dataset import Bounds, Dataset
from .preprocessing import Preprocessing
from .rows import Rows, Stored

T = TypeVar("T")


class _Fact(Generic[T]):
    """A property of a view that is known without its data, converted from a value of a checkpoint."""

    def __init__(self, convert: Callable[[Any], T]) -> None:
        self._convert = convert

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, view: DatasetView, owner: type) -> T:
        return self._convert(view.fact(self._name))


def _optional_shape(value: Any) -> Shape | None:
    return None if value is None else tuple(value)


class DatasetView(ABC):
    """A dataset whose properties and samples are those of another one, :attr:`base`, unless overridden."""

    @property
    @abstractmethod
    def base(self) -> Dataset:
        """The dataset behind the view."""

    def fact(self, name: str) -> Any:
        """Return what is known of the dataset under a name of :data:`FACTS`."""
        return getattr(self.base, name)

    name = _Fact(str)
    source = _Fact(str)
    shape = _Fact[Shape](tuple)
    dim = _Fact(int)
    is_image = _Fact(bool)
    image = _Fact(_optional_shape)
    n_train = _Fact(int)
    n_test = _Fact(int)
    columns = _Fact[tuple[str, ...]](tuple)
    notes = _Fact[tuple[str, ...]](tuple)
    divisor = _Fact(float)

    @property
    def bounds(self) -> Bounds:
        return self.base.bounds

    @property
    def digest(self) -> str:
        return self.base.digest

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Rows:
        return self.base.stream(data_seed, epoch, dtype)

    def epoch(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        return self.base.epoch(data_seed, epoch, dtype)

    def test(self, data_seed: int, dtype: DType) -> Array:
        return self.base.test(data_seed, dtype)

    def epoch_labels(self, data_seed: int, epoch: int) -> Array | None:
        return self.base.epoch_labels(data_seed, epoch)

    def test_labels(self) -> Array | None:
        return self.base.test_labels()

    def log_density(self, x: Array) -> Array | None:
        return self.base.log_density(x)

    def score(self, x: Array) -> Array | None:
        return self.base.score(x)

    def describe(self) -> str:
        return self.base.describe()


#: What is known of a dataset without its data.
FACTS = tuple(name for name, value in vars(DatasetView).items() if isinstance(value, _Fact))


@dataclass(frozen=True, eq=False)
class Preprocessed(DatasetView):
    """A dataset in the units of the model that is trained on it."""

    data: Dataset
    preprocessing: Preprocessing

    @property
    def base(self) -> Dataset:
        return self.data

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Rows:
        rows = self.data.stream(data_seed, epoch, dtype)
        if isinstance(rows, Stored):
            return replace(rows, preprocessing=self.preprocessing)
        return _Mapped(self.data.stream(data_seed, epoch, np.dtype(np.float64)), self.preprocessing, dtype)

    def epoch(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        return self.stream(data_seed, epoch, dtype)[:]

    def test(self, data_seed: int, dtype: DType) -> Array:
        x = self.data.test(data_seed, np.dtype(np.float64))
        return self.preprocessing.to_model(x).astype(dtype)


@dataclass(frozen=True, eq=False)
class _Mapped:
    """Rows that are mapped to the model's units when they are read."""

    rows: Rows
    preprocessing: Preprocessing
    dtype: DType

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> Array:
        return self.preprocessing.to_model(self.rows[rows]).astype(self.dtype)


@dataclass(eq=False)
class StoredDataset(DatasetView):
    """A dataset of a run: its facts are those of the checkpoint, and its data are read at their first use.

    Parameters
    ----------
    facts : mapping
        A value for each name of :data:`FACTS`, and ``bounds``, which checkpoints of older versions lack.
    stored_digest : str
        SHA-256 of the data.
    load : callable
        Reads the data and checks them; raises a DataError or a CheckpointError.
    """

    facts: Mapping[str, Any]
    stored_digest: str
    load: Callable[[], Dataset] = field(repr=False)
    _loaded: Dataset | None = field(default=None, init=False, repr=False)

    @property
    def base(self) -> Dataset:
        """The dataset, which is read now if it was not yet."""
        if self._loaded is None:
            self._loaded = self.load()
        return self._loaded

    def fact(self, name: str) -> Any:
        return self.facts[name]

    @property
    def bounds(self) -> Bounds:
        stored = self.facts.get("bounds")
        return self.base.bounds if stored is None else Bounds(*stored)

    @property
    def digest(self) -> str:
        return self.stored_digest


def facts_of(dataset: Dataset) -> dict[str, Any]:
    """Return the facts of a dataset for a checkpoint, with tuples as lists."""
    found = {name: getattr(dataset, name) for name in FACTS}
    found["bounds"] = (dataset.bounds.nll, dataset.bounds.sm_loss)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def in_data_units(dataset: Dataset) -> Dataset:
    """Return the dataset of which the given one is a view in the model's units, or itself."""
    return dataset.data if isinstance(dataset, Preprocessed) else dataset
