"""The protocol of an extractor of features, and the checksum of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from ...errors import DataError
from ...storage import open_regular
from ...types import Array, Shape


class Extractor(Protocol):
    """A function from images to features, with a name and a checksum of its weights."""

    @property
    def name(self) -> str:
        """Name of the extractor for the user."""

    @property
    def sha256(self) -> str:
        """SHA-256 of its weights."""

    def __call__(self, x: Array, image: Shape | None) -> Array:
        """Compute features ``(N, d)`` of flat images ``x (N, D)``, each ``(C, H, W)``, pixels in [0, 1].

        Raises
        ------
        DataError
            If the extractor does not accept such images.
        """


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise DataError(f"The file {path} does not exist: check its name.") from error
    except OSError as error:
        raise DataError(
            f"The file {path} cannot be read ({error.strerror}): change its permissions."
        ) from error
