"""Create folders, and write their entries and files to the disk where the file system can."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..errors import StorageError

#: Error codes of file systems that cannot open or flush a folder.
_UNSYNCED = (
    errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EISDIR,
)  # fmt: skip


def make_folder(path: Path, remedy: str = "choose another with --out") -> Path:
    """Create a folder and its parents if they do not exist; ``remedy`` ends the error message.

    Raises
    ------
    StorageError
        If it cannot be created.
    """
    try:
        missing = [each for each in (path, *path.parents) if not each.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for each in missing:
            sync_folder(each.parent)
    except OSError as error:
        raise StorageError(f"The folder {path} cannot be created ({error.strerror}): {remedy}.") from error
    return path


def make_new_folder(path: Path) -> bool:
    """Create a folder in an existing one; return whether this call created it.

    Raises
    ------
    StorageError
        If it cannot be created.
    """
    try:
        path.mkdir()
        sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise StorageError(
            f"The folder {path} cannot be created ({error.strerror}): choose another with --out."
        ) from error
    return True


def sync_folder(folder: Path) -> None:
    """Write the entries of a folder to the disk, where its file system can.

    Network and shared drives refuse it, and Windows cannot open a folder: what was written is whole, but the
    system decides when it is on the disk.

    Raises
    ------
    OSError
        If the disk fails.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in _UNSYNCED:
            return
        raise
    try:
        sync_handle(handle)
    finally:
        os.close(handle)


def sync_handle(handle: int) -> None:
    """Write a file or the entries of a folder to the disk, where the file system can."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise
