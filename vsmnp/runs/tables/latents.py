"""Encode data to a file of latents, and decode such a file, in batches of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...data.fixed import FixedDataset
from ...data.rows import Rows
from ...errors import DataError
from ...settings.resolve import dataset_of
from ...types import Array
from ...types.progress import Progress
from ..run import Run
from ..trained import TrainedVAE
from .latent_file import read_latents
from .table_file import TableForm, check_suffix, column_names, write_table

#: Rows per batch: enough for the products of the networks, little memory even for pictures.
BATCH = 1000


def write_latents(run: Run, dataset: str | None, path: Path, progress: Progress) -> tuple[int, int]:
    """Write the means and standard deviations of q(z|x) for all rows of a dataset, in their order.

    Columns are ``mean0, ..., sd0, ...``. The data are read by the settings of the run, unless ``dataset`` is
    None; then they are the test set of the run.

    Returns
    -------
    tuple of int
        R, the number of models, and the number of rows.

    Raises
    ------
    ConfigError, DataError, StorageError
        If the suffix of ``path``, the data, or their dimension is wrong, or the file cannot be written.
    """
    check_suffix(path)
    rows: Rows = run.test_set if dataset is None else _rows(run, dataset)
    vae = run.vae
    d_z = vae.model.d_z
    names = (*column_names("mean", d_z), *column_names("sd", d_z))

    def encoded(model: TrainedVAE, batch: slice) -> Array:
        return np.concatenate([part[0] for part in model.encode(rows[batch])], axis=-1)

    table = TableForm(vae.seeds, len(rows), names, np.dtype(vae.theta.dtype))
    write_table(path, table, _blocks(vae, len(rows), encoded, progress))
    return len(vae.seeds), len(rows)


def write_decoded(run: Run, latents: Path, path: Path, progress: Progress) -> tuple[int, int]:
    """Write ``g(z)`` for the rows of a file of latents, of :func:`write_latents` or with Z columns.

    Every model decodes its own rows if the file has rows of R models, else the same rows.

    Returns
    -------
    tuple of int
        R, the number of models, and the number of rows.

    Raises
    ------
    ConfigError, DataError, StorageError
        If a suffix, the file or its shape is wrong, or the file cannot be written.
    """
    check_suffix(path)
    vae = run.vae
    z = read_latents(latents, vae.model.d_z, len(vae.seeds))
    names = run.dataset.columns or column_names("x", vae.model.d_x)

    def decoded(model: TrainedVAE, batch: slice) -> Array:
        own = z[vae.seeds.index(model.seeds[0]) if len(z) > 1 else 0]
        means: Array = model.decode(np.asarray(own[batch, : vae.model.d_z]))[0]
        return means

    table = TableForm(vae.seeds, z.shape[1], tuple(names), np.dtype(vae.theta.dtype))
    write_table(path, table, _blocks(vae, z.shape[1], decoded, progress))
    return len(vae.seeds), z.shape[1]


def _blocks(
    vae: TrainedVAE, n: int, compute: Callable[[TrainedVAE, slice], Array], progress: Progress
) -> Iterator[Array]:
    """Yield the results for batches of n rows, model after model."""
    models = len(vae.seeds)
    for r in range(models):
        model = vae.some(slice(r, r + 1))
        for first in range(0, n, BATCH):
            yield compute(model, slice(first, min(first + BATCH, n)))
            progress(r * n + min(first + BATCH, n), models * n)


def _rows(run: Run, name: str) -> Rows:
    """Return all rows of a dataset in their stored order; of synthetic data those of the test set."""
    dataset = dataset_of(replace(run.settings, dataset=name))
    if dataset.dim != run.vae.model.d_x:
        raise DataError(
            f"--dataset {name} has {dataset.dim} values a sample, and the run {run.folder} was trained on "
            f"{run.vae.model.d_x}: name data of the same columns."
        )
    dtype = np.dtype(run.settings.dtype)
    if not isinstance(dataset, FixedDataset):
        return dataset.test(run.settings.data_seed, dtype)
    return dataset.all_rows(dtype)
