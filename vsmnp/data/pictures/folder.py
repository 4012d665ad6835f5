"""A folder of pictures as a dataset: tell training from test pictures, or hold out a test set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError
from ..arrays.load import hold_out
from ..fixed import FixedDataset
from ..rows import fits
from .cache import Decoded, decoded
from .decode import SUFFIXES, PictureOptions
from .listing import list_pictures
from .reader import Listing, PictureFile

#: Names of the sub-folders of a split in lower case, for training and for tests; the first of the latter
#: that exists holds the test pictures.
_TRAIN, _TEST = ("train", "training"), ("test", "testing", "val", "valid", "validation")


def load_folder(folder: Path, options: PictureOptions, memory_budget: float) -> FixedDataset:
    """Load a dataset from the pictures in a folder and its sub-folders, decoded once into the user's cache.

    If there are sub-folders ``train`` and ``test``, or ``train`` and ``val``, in small or capital letters,
    they are the two sets, and other pictures are left out; else the last tenth of a fixed permutation of
    the files is held out.

    Raises
    ------
    DataError
        If there are fewer than two pictures, they cannot be read, or they differ in size or channels.
    StorageError
        If the cache cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    found = list_pictures(folder)
    notes = found.notes()
    if len(found.files) < 2:
        raise DataError(
            f"The folder {folder} holds {len(found.files) or 'no'} picture(s), files that end in "
            f"{', '.join(SUFFIXES)}: it takes at least 2{_converted(found.others)}."
        )
    train, test, split, left_out = _split(folder, found.files)
    notes += left_out
    if not (train and test):
        train, test = ([found.files[i] for i in sorted(index)] for index in hold_out(len(found.files)))
    pictures = decoded(Listing(folder, train, test, options), folder.name or "root", memory_budget)
    about = f"Pictures from {folder}{split}, decoded into {pictures.path}."
    return of_pictures(pictures, folder.name or str(folder), about, str(folder), memory_budget, notes)


def _split(
    folder: Path, files: Sequence[PictureFile]
) -> tuple[list[PictureFile], list[PictureFile], str, tuple[str, ...]]:
    """Return the training and test pictures by the names of their folders, and what is said of it.

    The third is a clause that names the folders, the fourth a sentence on pictures that were left out.

    Both are empty if there is no folder for training, or none for tests.
    """
    with os.scandir(folder) as entries:
        there = {entry.name.lower(): entry.name for entry in entries if entry.is_dir()}
    train, test = (next((there[n] for n in names if n in there), "") for names in (_TRAIN, _TEST))
    if not (train and test):
        return [], [], "", ()
    parts: dict[str, list[PictureFile]] = {train: [], test: []}
    for each in files:
        top, inside, _ = each.name.partition(os.sep)
        parts.setdefault(top if inside else "", []).append(each)
    for name in (train, test):
        if not parts[name]:
            raise DataError(
                f"The folder {folder} has sub-folders {train} and {test}, but {name} holds no picture: put "
                "pictures in it, or remove it to have a tenth of the others held out."
            )
    others = {name: kept for name, kept in parts.items() if name not in (train, test)}
    left_out: tuple[str, ...] = ()
    if others:
        named = ", ".join(f"{len(kept):,} in {name or 'the folder itself'}" for name, kept in others.items())
        n = sum(map(len, others.values()))
        left_out = (f"{n:,} picture(s) beside {train} and {test} were left out: {named}.",)
    return parts[train], parts[test], f", {train} to train and {test} to test on", left_out


def _converted(others: Sequence[str]) -> str:
    """Name the kinds of files that are no pictures, if there are any."""
    kinds = sorted({os.path.splitext(name)[1].lower() for name in others} - {""})
    return f"; convert those that end in {', '.join(kinds[:5])}" if kinds else ""


def of_pictures(
    found: Decoded, name: str, about: str, path: str, memory_budget: float, notes: tuple[str, ...] = ()
) -> FixedDataset:
    """Build the dataset of decoded pictures: grey ones have shape ``(H, W)``, coloured ones ``(3, H, W)``."""
    shape = found.image[1:] if found.image[0] == 1 else found.image
    n_bytes = (len(found.train) + len(found.test)) * int(np.prod(found.image))
    if not fits(n_bytes, memory_budget):
        about += (
            f" Their {n_bytes / 2**30:.2g} GiB exceed --memory-budget {memory_budget:g}: read from the disk."
        )
    return FixedDataset(
        name, shape, found.train, found.test, about, 255.0, path,
        digest=found.digest, notes=(*found.notes, *notes),
    )  # fmt: skip
