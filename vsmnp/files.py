"""The one door to the file system for everything the product writes.

A file is either the old one or the new one, whole: bytes go to a temporary file in the same folder,
are flushed to the disk, and take the final name in one rename.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from .errors import StorageError


def make_folder(path: Path) -> Path:
    """Create a folder and its parents.

    Raises
    ------
    StorageError
        If it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {path} cannot be created ({error.strerror}): choose another with --out."
        ) from error
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, atomically and durably.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written; ``path`` is then untouched.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        cure = (
            "free some space, or choose another place with --out"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "choose another place with --out"
        )
        raise StorageError(f"{path} could not be written ({error.strerror}): {cure}.") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed writers of ``path`` left beside it."""
    for left in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(OSError):
            left.unlink()


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by UTF-8 text; raises as :func:`write_whole` does."""
    write_whole(path, text.encode())
