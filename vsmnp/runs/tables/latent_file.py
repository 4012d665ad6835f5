"""Read files of latents: those of ``vsmnp encode``, or any with one column for each latent."""

from __future__ import annotations

import csv
from array import array
from pathlib import Path

import numpy as np

from ...data.hdf5_ends import require_end
from ...data.hdf5_reach import file_behind
from ...data.mapped import guarded, mapped
from ...data.parse_errors import reading
from ...errors import DataError
from ...types import Array


def read_latents(path: Path, d_z: int, models: int) -> Array:
    """Read latents ``(1 or R, N, Z)``, or with 2Z columns, of which the first Z are the means.

    The values of .npy files, and of .h5 files in one piece, are mapped and not read.

    Raises
    ------
    DataError
        If the file cannot be read, or its shape is not that of latents of the run.
    """
    with reading(path, "a file of latents", "write it with 'vsmnp encode'"):
        if path.suffix == ".npy":
            z: Array = guarded(np.load(path, mmap_mode="r", allow_pickle=False), path)
        elif path.suffix == ".h5":
            import h5py

            require_end(path)
            with h5py.File(path) as file:
                if behind := file_behind(file, "x"):
                    raise DataError(
                        f"The latents of {path} lie in {behind}, and no file is read that is not named: "
                        "write it with 'vsmnp encode'."
                    )
                x = file["x"]
                offset = x.id.get_offset()  # None unless its values lie in one piece, which is then mapped
                z = x[...] if offset is None else mapped(str(path), x.dtype, offset, x.shape)
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
    """Read a table with a header, as numbers of 8 bytes; the rows of several seeds are the models."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        kept = [i for i, name in enumerate(header) if name != "seed"]
        at = header.index("seed") if "seed" in header else None
        values, seeds = array("d"), set()
        for row in rows:
            values.extend(float(row[i]) for i in kept)
            seeds.add("" if at is None else row[at])
    return np.frombuffer(values).reshape(max(1, len(seeds)), -1, len(kept))
