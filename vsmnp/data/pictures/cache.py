"""A cache of decoded pictures: an HDF5 file in the user's cache, named after a hash of its inputs.

The file is written under a temporary name and renamed when it is complete, and the SHA-256 of its pixels is
checked before they are used: an invalid cache is written again.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import StorageError
from ...storage import make_folder, remove_leftovers, replacing, user_cache
from ...types import Array, Shape
from ..mapped import mapped
from ..rows import fits
from .reader import Listing, Reader

#: Remedy for a cache that cannot be written.
_CURE = "free some space there, or set XDG_CACHE_HOME to a folder on another disk"


@dataclass(frozen=True, eq=False)
class Decoded:
    """The decoded pictures of a listing.

    Attributes
    ----------
    train, test : Array
        ``(N, C H W)`` in uint8, in memory or mapped.
    image : tuple of int
        ``(C, H, W)``.
    digest : str
        SHA-256 of the pixels.
    notes : tuple of str
        Sentences on pictures that were left out or changed.
    path : Path
        Path of the cache.
    """

    train: Array
    test: Array
    image: Shape
    digest: str
    notes: tuple[str, ...]
    path: Path


def decoded(listing: Listing, name: str, memory_budget: float) -> Decoded:
    """Return the pictures of a listing from the cache, which is written if it is missing or invalid.

    Raises
    ------
    DataError
        If a picture does not match the others or the options, or no picture of a part can be read.
    StorageError
        If the cache cannot be written.
    """
    key = listing.key
    path = user_cache() / "pictures" / f"{name}-{key[:16]}.h5"
    found = _open(path, key, memory_budget)
    if found is None:
        make_folder(path.parent, _CURE)
        remove_leftovers(path)
        _make(path, listing, key)
        found = _open(path, key, memory_budget)
    if found is None:
        raise StorageError(f"The cache {path} was written but cannot be read back: {_CURE}.")
    return found


def _open(path: Path, key: str, memory_budget: float) -> Decoded | None:
    """Open a complete cache of this key; return None if there is none."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            facts = json.loads(file.attrs["vsmnp"])
            shape = (file["pixels"].shape[0], int(np.prod(facts["image"])))
            offset = file["pixels"].id.get_offset()
        if facts["key"] != key:
            return None
        pixels = mapped(str(path), np.uint8, offset, shape)
        if not fits(pixels.nbytes, memory_budget):
            return _decoded(pixels, facts, path) if _digest(pixels) == facts["sha256"] else None
        held = np.array(pixels[:])
        return _decoded(held, facts, path) if _digest(held) == facts["sha256"] else None
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError):
        return None


def _decoded(pixels: Array, facts: dict[str, Any], path: Path) -> Decoded:
    split, end = facts["n_train"], facts["n_train"] + facts["n_test"]
    notes = tuple(map(str, facts["notes"]))
    return Decoded(pixels[:split], pixels[split:end], tuple(facts["image"]), facts["sha256"], notes, path)


def _digest(pixels: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def _make(path: Path, listing: Listing, key: str) -> None:
    """Decode all pictures into a new cache; on failure no file is left."""
    import h5py
    from tqdm import tqdm

    n_files = len(listing.train) + len(listing.test)
    with (
        ThreadPoolExecutor(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
        ) as pool,
        tqdm(desc=f"Reading {listing.folder.name}", total=n_files, unit=" pictures", disable=None) as bar,
    ):
        reader = Reader(listing, pool, bar)
        first = next(reader.train, None)
        if first is None:
            raise reader.nothing()
        with replacing(path, _CURE) as temporary:
            try:
                with h5py.File(temporary, "w") as file:
                    shape, where = (n_files, first.size), _in_one_piece()
                    offset = file.create_dataset("pixels", shape, np.uint8, dcpl=where).id.get_offset()
            except RuntimeError as error:  # HDF5's error if the system refuses so large a file
                raise OSError(str(error)) from error
            _reserve(temporary, offset + n_files * first.size)
            pixels = np.memmap(temporary, np.uint8, "r+", offset, (n_files, first.size))
            counts: list[int] = []
            for part in (chain((first,), reader.train), reader.test):
                start = sum(counts)
                counts.append(0)
                for picture in part:
                    pixels[start + counts[-1]] = reader.fitting(picture, first).ravel()
                    counts[-1] += 1
            if not counts[1]:
                raise reader.nothing()
            pixels.flush()
            facts = {
                "key": key, "image": first.shape, "n_train": counts[0], "n_test": counts[1],
                "notes": reader.notes(), "sha256": _digest(pixels),
            }  # fmt: skip
            del pixels
            with h5py.File(temporary, "r+") as file:
                file.attrs["vsmnp"] = json.dumps(facts)


def _in_one_piece() -> Any:
    """Return HDF5 properties of a contiguous table that is allocated before data are written."""
    import h5py

    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return properties


def _reserve(path: Path, size: int) -> None:
    """Allocate the disk space of the whole file: a mapped file on a full disk would kill the process."""
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        file.seek(0)
        for start in range(0, size, 2**20):
            file.write(bytes(min(2**20, size - start)))
