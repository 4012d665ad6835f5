"""The one door to the file system for everything the product writes.

A file is either the old one or the new one, whole: bytes go to a temporary file in the same folder,
are flushed to the disk, and take the final name in one rename.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import StorageError

#: Errors of a disk that holds no more.
_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Seconds after which a temporary file is nobody's, where no lock says so.
ABANDONED = 86_400.0
#: What to do about a place that cannot be written, where --out names it.
_ELSEWHERE = "choose another place with --out"


def user_cache() -> Path:
    """The folder for what can be made or fetched again: under ``$XDG_CACHE_HOME`` or its like."""
    from platformdirs import user_cache_path

    return user_cache_path("vsmnp")


def make_folder(path: Path, cure: str = "choose another with --out") -> Path:
    """Create a folder and its parents; ``cure`` is what the sentence of a failure ends with.

    Raises
    ------
    StorageError
        If it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"The folder {path} cannot be created ({error.strerror}): {cure}.") from error
    return path


def make_new_folder(path: Path) -> bool:
    """Create a folder in one that exists; whether it was this call that created it.

    Raises
    ------
    StorageError
        If it cannot be created.
    """
    try:
        path.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise StorageError(
            f"The folder {path} cannot be created ({error.strerror}): choose another with --out."
        ) from error
    return True


def _target(path: Path) -> Path:
    """The file that is replaced: what a link points to, and never a folder, a pipe or a device."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is no file but a pipe or a device")
    return target


def _refused(path: Path, error: OSError, cure: str) -> StorageError:
    """The sentence of a file that could not be written."""
    full = "free some space, or " if error.errno in _FULL and cure == _ELSEWHERE else ""
    return StorageError(f"{path} could not be written ({error.strerror or error}): {full}{cure}.")


def check_place(path: Path, cure: str = _ELSEWHERE) -> None:
    """Say before the work what would be said after it, of a file that is to be written.

    Raises
    ------
    StorageError
        If ``path`` is a folder, a pipe or a device, or nothing can be written beside it. ``cure`` is what the
        sentence ends with.
    """
    try:
        with tempfile.TemporaryFile(dir=_target(path).parent):
            pass
    except OSError as error:
        raise _refused(path, error, cure) from error


@contextlib.contextmanager
def replacing(path: Path, cure: str = _ELSEWHERE) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place, durably, if the block succeeds.

    Raises
    ------
    StorageError
        If the disk is full, the folder cannot be written or ``path`` is no file; it is then untouched, as it
        is when the block fails. ``cure`` is what the sentence ends with.
    """
    temporary = None
    try:
        target = _target(path)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        yield Path(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
        temporary = None
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _refused(path, error, cure) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_whole(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, atomically and durably.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written; ``path`` is then untouched.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def remove_leftovers(path: Path, age: float = ABANDONED) -> None:
    """Remove the temporary files that killed writers of ``path`` left beside it.

    Only those older than ``age`` seconds: younger ones may belong to a writer that is still at work. Zero is
    for the holder of a lock without which nobody writes ``path``.
    """
    for left in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime >= age:
                left.unlink()


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by UTF-8 text; raises as :func:`write_whole` does."""
    write_whole(path, text.encode())
