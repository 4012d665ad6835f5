"""The data of a stored run: known from its checkpoint, read at their first use, checked by their SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import NAMES, Dataset
from ..data.arrays.given import FROM_PYTHON, Given
from ..data.dataset import fingerprint
from ..data.held_out import training_part
from ..data.preprocessing import Preprocessing
from ..data.standardize import Prepared
from ..data.summary import Summary
from ..data.views import FACTS, StoredDataset, facts_of
from ..errors import CheckpointError, ConfigError, DataError, ForeignError
from ..settings.resolve import dataset_of
from ..settings.settings import Settings
from ..storage import may_exist
from ..types import Array

#: Names of the attributes of a checkpoint: the SHA-256 of the data, and their facts.
DIGEST, ABOUT = "data", "dataset"


def to_attributes(dataset: Dataset, digest: str) -> dict[str, Any]:
    """Return the attributes of a checkpoint that state the data."""
    return {DIGEST: digest, ABOUT: facts_of(dataset)}


def n_train_in(attributes: Mapping[str, Any]) -> int:
    """Return the number of training data that a checkpoint states; 0 if its version stated none.

    The attributes must have been checked by :func:`.contents.require_contents`.
    """
    return int(attributes.get(ABOUT, {}).get("n_train", 0))


def prepared_to_arrays(prepared: Prepared) -> dict[str, Array]:
    """Return the arrays of a checkpoint that state the preprocessing and the summary of the data."""
    summary = {} if prepared.summary is None else prepared.summary.to_arrays()
    return {**prepared.preprocessing.to_arrays(), **summary}


def prepared_from_arrays(
    settings: Settings, dataset: Dataset, arrays: Mapping[str, Any], path: Path
) -> Prepared:
    """Rebuild what :func:`prepared_to_arrays` stored in the checkpoint ``path``.

    Raises
    ------
    CheckpointError
        If an array is missing or does not fit the data.
    """
    found = Preprocessing.from_arrays(settings.standardize, dataset.divisor, arrays)
    dim = dataset.dim
    if found and (
        found.mean.shape != (dim,) or {found.forward.shape, found.back.shape} - {(dim,), (dim, dim)}
    ):
        raise ForeignError(f"The standardisation in {path} does not fit its data: start a new run.")
    return Prepared(found, Summary.from_arrays(arrays))


@dataclass(frozen=True)
class StoredData:
    """The place of a run's data, and what its checkpoint says of them.

    Parameters
    ----------
    settings : Settings
        The settings of the run, with the place of the data.
    attributes : mapping
        The attributes of the checkpoint.
    folder : Path
        The folder of the run.
    moved : bool
        Whether the user named another place than that of the checkpoint.
    given : Dataset or array_like, optional
        The data, where they are given in Python.
    """

    settings: Settings
    attributes: Mapping[str, Any]
    folder: Path
    moved: bool
    given: Given | Dataset = None

    def dataset(self, at_once: bool) -> Dataset:
        """Return the dataset; it is read and checked now if ``at_once``, or if the checkpoint has no facts.

        Raises
        ------
        CheckpointError, ConfigError
            If the data are not those that the run was trained on.
        DataError
            If they are read now and cannot be.
        """
        facts = self.attributes.get(ABOUT)
        if not isinstance(facts, Mapping) or set(FACTS) - set(facts):
            return self.read()
        found = StoredDataset(facts, str(self.attributes.get(DIGEST)), self.read)
        if at_once or self.moved or self.given is not None:
            return found.base
        return found

    def read(self) -> Dataset:
        """Read the data and check that they are those that the run was trained on; see :meth:`dataset`."""
        settings, folder = self.settings, self.folder
        at_place = self.given is None and settings.dataset not in (*NAMES, FROM_PYTHON)
        if at_place and not may_exist(Path(settings.dataset)):
            if self.moved:
                raise DataError(f"The data --dataset {settings.dataset} do not exist: check the name.")
            raise DataError(
                f"The data of the run in {folder} are no longer at {settings.dataset}, and they are needed "
                "here: name their new place by --dataset (of train --resume, evaluate and plot), or by "
                "load_run(folder, dataset=...) in Python."
            )
        dataset = dataset_of(settings, self.given)
        if fingerprint(dataset, settings.data_seed) != self.attributes.get(DIGEST):
            if self.given is not None:
                raise CheckpointError(
                    f"The data given have another SHA-256 than those that the run in {folder} was trained "
                    "on: give the same data."
                )
            if self.moved:
                raise ConfigError(
                    f"--dataset {settings.dataset} differs from the data of the run in {folder}, as the "
                    "SHA-256 says: name a copy of the same data or start a new run."
                )
            raise CheckpointError(
                f"The data '{settings.dataset}' are no longer those that the run in {folder} was trained on: "
                "put the old file back or start a new run."
            )
        return training_part(dataset, settings.validation, settings.data_seed)
