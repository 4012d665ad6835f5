"""What an extractor of features is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from ...errors import DataError
from ...types import Array, Shape


class Extractor(Protocol):
    """A function from images to features, and how to know it again."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def sha256(self) -> str:
        """Of its weights."""

    def __call__(self, x: Array, image: Shape | None) -> Array:
        """Features ``(N, d)`` of flat images ``x (N, D)``, each ``(C, H, W)``, with pixels in [0, 1].

        Raises
        ------
        DataError
            If the images are not of the kind that it takes.
        """


def sha256_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise DataError(f"The file {path} does not exist: check its name.") from error
    except OSError as error:
        raise DataError(f"The file {path} cannot be read: {error.strerror}.") from error
