"""Encode data to files of latents, and decode such files, in batches of bounded memory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..data.fixed import FixedDataset
from ..data.parse_errors import reading
from ..data.rows import Rows, Stored
from ..errors import DataError
from ..settings.resolve import dataset_of
from ..types import Array, DType
from .session import Run
from .table_file import Table, check_suffix, column_names, write_table
from .trained import TrainedVAE

#: Rows per batch: enough for the products of the networks, little memory even for pictures.
BATCH = 1000

Progress = Callable[[int, int], None]


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

    table = Table(vae.seeds, len(rows), names, np.dtype(vae.theta.dtype))
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
    z = _read(latents, vae.model.d_z, len(vae.seeds))
    names = run.dataset.columns or column_names("x", vae.model.d_x)

    def decoded(model: TrainedVAE, batch: slice) -> Array:
        own = z[vae.seeds.index(model.seeds[0]) if len(z) > 1 else 0]
        means: Array = model.decode(np.asarray(own[batch, : vae.model.d_z]))[0]
        return means

    table = Table(vae.seeds, z.shape[1], tuple(names), np.dtype(vae.theta.dtype))
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
    return _in_order(dataset, dtype)


def _in_order(dataset: FixedDataset, dtype: DType) -> Rows:
    """Return the rows of a file as stored, followed by those of an array of test rows if it has one."""
    train, test = dataset.train_index, dataset.test_index
    if train is not None and test is not None and dataset.train_rows is dataset.test_rows:
        return Stored(dataset.train_rows, dtype, dataset.divisor, np.sort(np.concatenate([train, test])))
    both = [
        Stored(rows, dtype, dataset.divisor, index)
        for rows, index in ((dataset.train_rows, train), (dataset.test_rows, test))
    ]
    return _Joined(*both)


class _Joined:
    """Two tables of rows, one after the other."""

    def __init__(self, first: Rows, second: Rows) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, rows: slice) -> Array:
        n = len(self.first)
        start, stop, _ = rows.indices(len(self))
        if stop <= n:
            return self.first[start:stop]
        second = self.second[max(start - n, 0) : stop - n]
        return second if start >= n else np.concatenate([self.first[start:n], second])


def _read(path: Path, d_z: int, models: int) -> Array:
    """Read latents ``(1 or R, N, Z)``, or with 2Z columns, of which the first Z are the means."""
    with reading(path, "a file of latents", "write it with 'vsmnp encode'"):
        if path.suffix == ".npy":
            z: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        elif path.suffix == ".h5":
            import h5py

            with h5py.File(path) as file:
                z = np.asarray(file["x"])
        elif path.suffix == ".csv":
            z = _from_csv(path)
        else:
            raise DataError(f"--latents {path} must end in .npy, .csv or .h5.")
    z = z[None] if z.ndim == 2 else z
    fits = z.ndim == 3 and z.shape[2] in (d_z, 2 * d_z) and len(z) in (1, models)
    if not fits or z.dtype.kind not in "fiu":
        raise DataError(
            f"--latents {path} has the shape {z.shape}: the run needs (N, {d_z}) or ({models}, N, {d_z}), or "
            f"{2 * d_z} columns as written by 'vsmnp encode'."
        )
    if not z.shape[1]:
        raise DataError(f"--latents {path} has no row: encode some data first.")
    return z


def _from_csv(path: Path) -> Array:
    """Read a table with a header; the rows of several seeds are the models."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        header, *lines = csv.reader(file)
    seeds = [line[header.index("seed")] for line in lines] if "seed" in header else [""] * len(lines)
    kept = [i for i, name in enumerate(header) if name != "seed"]
    values: Array = np.array([[float(line[i]) for i in kept] for line in lines]).reshape(
        len(lines), len(kept)
    )
    return values.reshape(max(1, len(dict.fromkeys(seeds))), -1, len(kept))
