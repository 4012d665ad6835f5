"""A cache of decoded pictures: a file in the user's cache, named after a hash of its inputs.

The file has a head of one page, the pixels, and what is known of them as JSON. It is written under a
temporary name and renamed when it is complete, so that of two processes that write it each has a whole one.
The SHA-256 of the JSON is in the head and that of the pixels in the JSON, and both are checked before they
are used: an invalid cache is written again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...errors import StorageError
from ...storage import MOST_TEXT, make_folder, open_regular, remove_leftovers, replacing, user_cache
from ...types import Array, Shape
from ..mapped import mapped
from ..rows import fits
from .reader import Listing, Reader

#: Bytes before the pixels: a head, which has the SHA-256, the place and the length of the JSON behind them.
_PAGE = 4096
_HEAD = re.compile(rb"vsmnp pictures 1\nsha256 ([0-9a-f]{64})\nfacts (\d{1,18}) (\d{1,18})\n")
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
    path = user_cache() / "pictures" / f"{name}-{key[:16]}.pixels"
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
    try:
        with open_regular(path) as file:
            found = _HEAD.fullmatch(file.read(_PAGE).rstrip(b"\0"))
            if found is None or int(found[3]) > MOST_TEXT:
                return None
            file.seek(int(found[2]))
            text = file.read(int(found[3]))
            if hashlib.sha256(text).hexdigest().encode() != found[1]:
                return None
            facts = json.loads(text)
            size = int(np.prod(facts["image"]))
            shape = ((int(found[2]) - _PAGE) // size, size)
            if facts["key"] != key:
                return None
            file.seek(_PAGE)
            if fits(shape[0] * size, memory_budget):
                pixels: Array = np.fromfile(file, np.uint8, shape[0] * size).reshape(shape)
                digest = hashlib.sha256(pixels.data).hexdigest()
            else:
                digest = _digest(file, shape[0] * size)
                pixels = mapped(str(path), np.uint8, _PAGE, shape)
        return _decoded(pixels, facts, path) if digest == facts["sha256"] else None
    except (OSError, KeyError, ValueError, TypeError, ArithmeticError, RecursionError):
        return None


def _decoded(pixels: Array, facts: dict[str, Any], path: Path) -> Decoded:
    split, end = facts["n_train"], facts["n_train"] + facts["n_test"]
    notes = tuple(map(str, facts["notes"]))
    return Decoded(pixels[:split], pixels[split:end], tuple(facts["image"]), facts["sha256"], notes, path)


def _digest(file: BinaryIO, size: int) -> str:
    """Compute the SHA-256 of the next bytes of a file, which are not held in memory."""
    digest = hashlib.sha256()
    while size > 0 and (piece := file.read(min(size, 2**22))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def _make(path: Path, listing: Listing, key: str) -> None:
    """Decode all pictures into a new cache; on failure no file is left."""
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
            end = _PAGE + n_files * first.size
            _reserve(temporary, end)
            pixels = np.memmap(temporary, np.uint8, "r+", _PAGE, (n_files, first.size))
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
            del pixels
            with temporary.open("r+b") as file:
                file.seek(_PAGE)
                facts = {
                    "key": key, "image": first.shape, "n_train": counts[0], "n_test": counts[1],
                    "notes": reader.notes(), "sha256": _digest(file, end - _PAGE),
                }  # fmt: skip
                text = json.dumps(facts).encode()
                file.seek(end)
                file.write(text)
                file.seek(0)
                seal = hashlib.sha256(text).hexdigest()
                file.write(f"vsmnp pictures 1\nsha256 {seal}\nfacts {end} {len(text)}\n".encode())


def _reserve(path: Path, size: int) -> None:
    """Allocate the disk space of the whole file: a mapped file on a full disk would kill the process."""
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        file.seek(0)
        for start in range(0, size, 2**20):
            file.write(bytes(min(2**20, size - start)))
