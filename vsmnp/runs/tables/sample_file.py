"""Write draws of the models of a run to a file for other programs, or as CSV to a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ...types import Array
from ...types.progress import Progress
from ..run import Run
from .table_file import TableForm, column_names, write_csv, write_table

_CURE = "lower --number, or choose another place with --out"


def write_samples(run: Run, n: int, seed: int, noise: bool, place: Path | TextIO, progress: Progress) -> None:
    """Write the draws of ``vae.sample(n, seed, noise)`` to a .npy, .csv or .h5 file, or as CSV to a stream.

    They are drawn and written in blocks, model after model. The columns have the names of the data's, or
    ``x0``, ``x1``, ... if there are none.

    Raises
    ------
    ConfigError
        If there is no writer of files of this suffix, or n or the seed is out of range.
    StorageError
        If the file cannot be written.
    """
    vae = run.vae
    names = run.dataset.columns or column_names("x", vae.model.d_x)
    table = TableForm(vae.seeds, n, tuple(names), vae.sample(1, seed, noise).dtype)

    def blocks() -> Iterator[Array]:
        models = len(vae.seeds)
        for r in range(models):
            done = r * n
            for draws in vae.some(slice(r, r + 1)).sample_blocks(n, seed, noise):
                yield draws[0]
                done += draws.shape[1]
                progress(done, models * n)

    if isinstance(place, Path):
        write_table(place, table, blocks(), _CURE)
    else:
        write_csv(place, table, blocks())
