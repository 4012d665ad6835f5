"""Write samples to a .npy or .csv file for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..storage import write_whole
from ..types import Array


def write_samples(
    draws: Array, seeds: tuple[int, ...], path: Path | None, columns: Sequence[str] = ()
) -> str | None:
    """Write draws ``(R, n, D)`` to a .npy or .csv file, or return the CSV text when there is no path.

    The columns of the text have the names ``columns``, or ``x0``, ``x1``, ... if there are none.

    Raises
    ------
    ConfigError
        If the suffix is neither .npy nor .csv.
    StorageError
        If the file cannot be written.
    """
    if path is not None and path.suffix not in (".npy", ".csv"):
        raise ConfigError(f"--out {path} must end in .npy or .csv.")
    if path is not None and path.suffix == ".npy":
        image = io.BytesIO()
        np.save(image, draws, allow_pickle=False)
        write_whole(path, image.getvalue())
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seed", *(columns or (f"x{i}" for i in range(draws.shape[2])))])
    for seed, rows in zip(seeds, draws, strict=True):
        writer.writerows([seed, *map(float, row)] for row in rows)
    if path is None:
        return text.getvalue()
    write_whole(path, text.getvalue().encode())
    return None
