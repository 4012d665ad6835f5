"""Read all pictures of a folder in parallel and in order, and collect those that cannot be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...types import Array
from .decode import Broken, Picture, PictureOptions, read_picture

#: Version of the conversion to pixels; a new version invalidates caches.
_FORMAT = 2
#: Number of pictures in flight at a time.
_AT_ONCE = 512
#: Pictures that a thread reads per task: each task costs all threads the interpreter's lock.
_IN_A_ROW = 16
#: Number of unreadable pictures that are named; the others are counted.
_NAMED = 5
#: The changes of pictures, each with the sentence that counts the pictures so changed.
_CHANGES = {
    "on_white": "{:,} picture(s) have transparent parts, which were laid on white.",
    "frames": "{:,} picture(s) have several frames, of which the first was read.",
}


@dataclass(frozen=True)
class PictureFile:
    """A file as listed by its folder: name, size, and time of the last change."""

    name: str
    size: int
    changed: int


@dataclass(frozen=True)
class Listing:
    """The training and test pictures of a folder, and the options to read them."""

    folder: Path
    train: Sequence[PictureFile]
    test: Sequence[PictureFile]
    options: PictureOptions

    @property
    def key(self) -> str:
        """SHA-256 of everything that determines the pixels, except the pixels themselves."""
        files = [[(each.name, each.size, each.changed) for each in part] for part in (self.train, self.test)]
        what = [_FORMAT, str(self.folder), files, asdict(self.options)]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()


class Reader:
    """The readable pictures in the order of a listing, read in parallel; the others are collected."""

    def __init__(self, listing: Listing, pool: ThreadPoolExecutor, bar: Any) -> None:
        self.listing, self._pool, self._bar = listing, pool, bar
        self.broken: list[tuple[str, str]] = []
        self._changed: dict[str, int] = dict.fromkeys(_CHANGES, 0)
        self._first = self._last = ""
        self.train, self.test = self._pictures(listing.train), self._pictures(listing.test)

    def _pictures(self, files: Sequence[PictureFile]) -> Iterator[Array]:
        for start in range(0, len(files), _AT_ONCE):
            some = files[start : start + _AT_ONCE]
            rows = [some[i : i + _IN_A_ROW] for i in range(0, len(some), _IN_A_ROW)]
            read = chain.from_iterable(self._pool.map(self._read, rows))
            for each, picture in zip(some, read, strict=True):
                self._bar.update()
                if isinstance(picture, Broken):
                    self.broken.append((each.name, picture.reason))
                    continue
                for change in _CHANGES:
                    self._changed[change] += getattr(picture, change)
                self._first, self._last = self._first or each.name, each.name
                yield picture.pixels

    def _read(self, files: Sequence[PictureFile]) -> list[Picture | Broken]:
        listing = self.listing
        return [read_picture(listing.folder / each.name, listing.options) for each in files]

    def fitting(self, picture: Array, first: Array) -> Array:
        """Return the picture if it has the shape of the first, else raise a DataError."""
        if picture.shape == first.shape:
            return picture
        (channels, height, width), (c, h, w) = picture.shape, first.shape
        if channels != c:
            raise DataError(
                f"{self._last} in {self.listing.folder} has {channels} channel(s) but {self._first} has {c}: "
                "say --channels 1 or --channels 3 to make them agree."
            )
        raise DataError(
            f"{self._last} in {self.listing.folder} is {width} x {height} pixels but {self._first} is "
            f"{w} x {h}: say --image-size, and --crop if you like, to make them agree."
        )

    def nothing(self) -> DataError:
        """Build the error for a part without any readable picture."""
        name, reason = self.broken[0]
        return DataError(
            f"None of the training or none of the test pictures in {self.listing.folder} can be read, "
            f"{name} for one ({reason}): look at the files."
        )

    def notes(self) -> list[str]:
        """Write the sentences about pictures that were left out or changed."""
        changed = [text.format(self._changed[name]) for name, text in _CHANGES.items() if self._changed[name]]
        if not self.broken:
            return changed
        named = ", ".join(f"{name} ({reason})" for name, reason in self.broken[:_NAMED])
        more = f" and {len(self.broken) - _NAMED} more" if len(self.broken) > _NAMED else ""
        left_out = f"{len(self.broken)} picture(s) could not be read and were left out: {named}{more}."
        return [left_out, *changed]
