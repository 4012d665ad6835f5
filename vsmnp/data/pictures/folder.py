"""A folder of pictures as a dataset: list the files, and hold out a test set."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ...errors import DataError
from ..arrays.load import hold_out
from ..fixed import FixedDataset
from ..rows import fits
from .cache import Decoded, decoded
from .decode import SUFFIXES, PictureOptions
from .reader import Listing, PictureFile


def load_folder(folder: Path, options: PictureOptions, memory_budget: float) -> FixedDataset:
    """Load a dataset from the pictures in a folder and its sub-folders, decoded once into the user's cache.

    If there are sub-folders ``train`` and ``test``, they are the two sets, and other pictures are left
    out; else the last tenth of a fixed permutation of the files is held out.

    Raises
    ------
    DataError
        If there are fewer than two pictures, they cannot be read, or they differ in size or channels.
    StorageError
        If the cache cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    files = list_pictures(folder)
    train, test = (
        [each for each in files if each.name.startswith(f"{part}{os.sep}")] for part in ("train", "test")
    )
    if not (train and test):
        if len(files) < 2:
            raise DataError(
                f"The folder {folder} holds {len(files) or 'no'} picture(s), files that end in "
                f"{', '.join(SUFFIXES)}: it takes at least 2."
            )
        train, test = ([files[i] for i in sorted(index)] for index in hold_out(len(files)))
    found = decoded(Listing(folder, train, test, options), folder.name or "root", memory_budget)
    about = f"Pictures from {folder}, decoded into {found.path}."
    return of_pictures(found, folder.name or str(folder), about, str(folder), memory_budget)


def list_pictures(folder: Path, deep: bool = True) -> list[PictureFile]:
    """List every picture in a folder (and its sub-folders, if ``deep``) by relative name, sorted.

    Raises
    ------
    DataError
        If a folder cannot be read.
    """
    found, left = [], [folder]
    try:
        while left:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    if entry.name.startswith("."):  # hidden files are skipped
                        continue
                    if deep and entry.is_dir(follow_symlinks=False):
                        left.append(Path(entry.path))
                    elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                        facts = entry.stat()
                        name = os.path.relpath(entry.path, folder)
                        found.append(PictureFile(name, facts.st_size, facts.st_mtime_ns))
    except OSError as error:
        where = error.filename or folder
        raise DataError(
            f"The folder {where} cannot be read ({error.strerror}): change its permissions."
        ) from error
    return sorted(found, key=lambda each: each.name)


def of_pictures(found: Decoded, name: str, about: str, path: str, memory_budget: float) -> FixedDataset:
    """Build the dataset of decoded pictures: grey ones have shape ``(H, W)``, coloured ones ``(3, H, W)``."""
    shape = found.image[1:] if found.image[0] == 1 else found.image
    n_bytes = (len(found.train) + len(found.test)) * int(np.prod(found.image))
    if not fits(n_bytes, memory_budget):
        about += (
            f" Their {n_bytes / 2**30:.2g} GiB exceed --memory-budget {memory_budget:g}: read from the disk."
        )
    return FixedDataset(
        name, shape, found.train, found.test, about, 255.0, path,
        digest=found.digest, notes=(found.note,) if found.note else (),
    )  # fmt: skip
