"""Hold out a validation part of the training data; the test set has no part in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import ConfigError
from ..kernels import load
from ..rng import Key, Stream
from ..types import Array, DType
from .dataset import Dataset, fingerprint
from .fixed import FixedDataset
from .synthetic.synthetic import Synthetic
from .views import DatasetView

#: The epoch of synthetic points that no training reaches.
_EPOCH = 2**32 - 1


def training_part(dataset: Dataset, share: float, data_seed: int) -> Dataset:
    """Return the data without a share of the training samples, chosen by the seed of the data.

    Synthetic data are drawn anew in each epoch, so nothing is taken from them.

    Raises
    ------
    ConfigError
        If one of the parts would be empty, or the data are of a foreign class.
    """
    if isinstance(dataset, FixedDataset) and dataset.whole is not None:
        dataset = dataset.whole
    if share == 0 or isinstance(dataset, Synthetic):
        return dataset
    if not isinstance(dataset, FixedDataset):
        raise ConfigError(f"--validation needs data that vsmnp has read, not a {type(dataset).__name__}.")
    count = round(share * dataset.n_train)
    if not 0 < count < dataset.n_train:
        raise ConfigError(
            f"--validation {share:g} of the {dataset.n_train} training samples of {dataset.name} leaves "
            "nothing to validate or to train on: choose another share."
        )
    key = Key((data_seed,), Stream.VALIDATION)
    order = key.permutation(load("reference"), dataset.n_train)[0]
    held, left = np.sort(order[:count]), np.sort(order[count:])
    rows = np.arange(dataset.n_train) if dataset.train_index is None else dataset.train_index
    read = dataset.read_labels

    def read_labels() -> tuple[Array, Array]:
        """Read the classes of the samples that are left, and of the test samples."""
        assert read is not None
        training, test = read()
        return training[left], test

    return replace(
        dataset, train_index=rows[left], held_out=rows[held], whole=dataset,
        digest=fingerprint(dataset, data_seed), read_labels=None if read is None else read_labels,
    )  # fmt: skip


def validation_part(dataset: Dataset, share: float, data_seed: int, dtype: DType) -> Array:
    """Return the samples that :func:`training_part` held out, ``(n, D)``.

    Of synthetic data they are points of an epoch that no training reaches.
    """
    while isinstance(dataset, DatasetView):
        dataset = dataset.base
    if isinstance(dataset, FixedDataset):
        return replace(dataset, train_index=dataset.held_out).epoch(data_seed, 0, dtype)
    return dataset.epoch(data_seed, _EPOCH, dtype)[: max(1, round(share * dataset.n_train))]
