"""Decide how data are standardised, fit the map to the training data, and say what was done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .catalogue import NAMES
from .dataset import Dataset
from .fixed import FixedDataset
from .preprocessing import NONE, Preprocessing
from .summary import Summary, summarise
from .views import Preprocessed, in_data_units

#: Most columns that are whitened: the matrices take D^2 numbers and their decomposition D^3 operations.
MOST_WHITENED = 4096
#: Ratio of the variances of two directions below which columns count as linearly dependent.
_SINGULAR = 1e-12


@dataclass(frozen=True, eq=False)
class Prepared:
    """The preparation of the data of a run for the model, with their summary.

    Attributes
    ----------
    preprocessing : Preprocessing
        The map to the model's units.
    summary : Summary or None
        The summary of the training data, in their own units; None for built-in data and pixels.
    told : str
        A sentence on what was done; empty if nothing was.
    """

    preprocessing: Preprocessing = NONE
    summary: Summary | None = None
    told: str = ""

    def view(self, dataset: Dataset) -> Dataset:
        """Return the dataset in the model's units."""
        return Preprocessed(dataset, self.preprocessing) if self.preprocessing else dataset

    def notes(self, dataset: Dataset, sigmoid: bool) -> list[str]:
        """Write warnings about the data; ``sigmoid`` is whether the decoder's output lies in (0, 1)."""
        if self.summary is None:
            return []
        notes = self.summary.notes(dataset.columns, standardised=bool(self.preprocessing) or sigmoid)
        if sigmoid and (self.preprocessing or self.summary.outside_unit_interval()):
            low, high = self.summary.low.min(), self.summary.high.max()
            remedy = "leave out --standardize" if self.preprocessing else "scale the data to [0, 1]"
            what = "Standardised data" if self.preprocessing else f"Data from {low:.4g} to {high:.4g}"
            notes.append(
                f"{what} are outside [0, 1], where the sigmoid of the decoder cannot go: {remedy}, or use "
                "an mlp without --sigmoid-output."
            )
        return notes


#: Data as they are, of which nothing is known.
AS_THEY_ARE = Prepared()


def prepare(dataset: Dataset, choice: str, sigmoid: bool, data_seed: int) -> Prepared:
    """Summarise the training data and fit the map that ``choice`` names.

    Parameters
    ----------
    choice : {"auto", "columns", "whiten", "none"}
        ``auto`` standardises the columns of the user's own tables: data of one axis a sample that are neither
        built in nor pixels. It does nothing if ``sigmoid``.
    sigmoid : bool
        Whether the decoder's output lies in (0, 1).
    data_seed : int
        Seed of the first epoch, for data that are drawn anew in each.

    Raises
    ------
    DataError
        If columns that are to be whitened are linearly dependent or too many.
    """
    dataset = in_data_units(dataset)
    own = dataset.source not in NAMES and dataset.divisor == 1
    kind = choice
    if choice == "auto":
        kind = "columns" if own and not dataset.is_image and not sigmoid else "none"
    if kind == "none" and not own:
        return Prepared(Preprocessing(divisor=dataset.divisor))
    if kind == "whiten" and dataset.dim > MOST_WHITENED:
        raise DataError(
            f"--standardize whiten is for at most {MOST_WHITENED:,} columns, and {dataset.name} has "
            f"{dataset.dim:,}: use --standardize columns."
        )
    rows = (
        dataset.in_order
        if isinstance(dataset, FixedDataset)
        else dataset.stream(data_seed, 0, np.dtype(np.float64))
    )
    summary = summarise(rows, dataset.dim, with_covariance=kind == "whiten")
    return Prepared(_fitted(kind, summary, dataset), summary, _told(kind, choice, summary))


def _fitted(kind: str, summary: Summary, dataset: Dataset) -> Preprocessing:
    """Fit the map; a constant column keeps its scale, as it has none."""
    if kind == "none":
        return Preprocessing(divisor=dataset.divisor)
    sd = np.where(summary.constant, 1.0, summary.sd)
    if kind == "columns":
        return Preprocessing(kind, dataset.divisor, summary.mean, 1 / sd, sd)
    assert summary.covariance is not None
    # The decomposition is of the correlations, so that units of columns do not decide what is singular.
    values, vectors = np.linalg.eigh(summary.covariance / np.outer(sd, sd))
    flat = int((values <= _SINGULAR * values[-1]).sum())
    if flat:
        raise DataError(
            f"--standardize whiten needs linearly independent columns, and {flat} of the {len(values)} "
            f"directions of {dataset.name} have no variance: use --standardize columns."
        )
    root = np.sqrt(values)
    forward, back = (vectors / root) @ vectors.T / sd[:, None], (vectors * root) @ vectors.T * sd
    return Preprocessing(kind, dataset.divisor, summary.mean, forward, back)


def _told(kind: str, choice: str, summary: Summary) -> str:
    if kind == "none":
        return ""
    done = "The columns are standardised" if kind == "columns" else "The columns are whitened"
    return (
        f"{done} ({summary.ranges()}; --standardize {choice}): --noise, --gamma, --sd-init, mse and sm_loss "
        "are in these units, while nats, samples and reconstructions are in the data's own."
    )
