"""Write files atomically and durably: vsmnp writes every file here.

A file has either its old or its new content, never a part: bytes go to a temporary file in the same folder,
are flushed to the disk, and take the final name in one rename.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import StorageError
from .folders import sync_folder, sync_handle

#: Error codes of a full disk or an exceeded quota.
_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Age in seconds at which a temporary file counts as abandoned, if no lock shows it.
ABANDONED = 86_400.0
#: End of the names of temporary files; other hidden files beside a file belong to other programs.
_TEMPORARY = ".vsmnp-part"
#: The remedy for a place that cannot be written, if --out names it, and for the folder of a resumed run.
ELSEWHERE = "choose another place with --out"
COPY = "copy the run to another folder and resume the copy"


def _target(path: Path, follow_link: bool) -> Path:
    """Return the file to replace: the target of a link or the link, but not a folder, a pipe or a device."""
    target = Path(os.path.realpath(path)) if follow_link else Path(os.path.realpath(path.parent)) / path.name
    if target.is_symlink():
        return target
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is no file but a pipe or a device")
    return target


def _refused(path: Path, error: OSError, remedy: str) -> StorageError:
    """Build the StorageError for a file that could not be written."""
    full = "free some space, or " if error.errno in _FULL and not remedy.startswith("free") else ""
    return StorageError(f"{path} could not be written ({error.strerror or error}): {full}{remedy}.")


def check_place(path: Path, remedy: str = ELSEWHERE, follow_link: bool = False) -> None:
    """Check before the work whether a file can be written, with the same error as after it.

    Raises
    ------
    StorageError
        If ``path`` is a folder, a pipe or a device, or its folder cannot be written. ``remedy`` ends the
        message.
    """
    try:
        with tempfile.TemporaryFile(dir=_target(path, follow_link).parent):
            pass
    except OSError as error:
        raise _refused(path, error, remedy) from error


def check_space(path: Path, n_bytes: int, remedy: str = ELSEWHERE) -> None:
    """Check before the work whether the disk of ``path`` has room for this many bytes.

    Raises
    ------
    StorageError
        If it has not; ``remedy`` ends the message.
    """
    try:
        free = shutil.disk_usage(_target(path, follow_link=True).parent).free
    except OSError as error:
        raise _refused(path, error, remedy) from error
    if n_bytes > free:
        raise StorageError(
            f"{path} takes at least {n_bytes / 2**30:.3g} GiB, and its disk has {free / 2**30:.3g} GiB free: "
            f"{remedy}."
        )


def _temporary(target: Path) -> Path:
    """Create a file beside ``target`` that no other program names, by O_EXCL and O_NOFOLLOW."""
    handle, name = tempfile.mkstemp(_TEMPORARY, f".{target.name}.", target.parent)
    os.close(handle)
    return Path(name)


def _flush(path: Path) -> None:
    """Write the content of a file to the disk, where its file system can; Windows needs one open to write."""
    with open(path, "r+b") as file:
        sync_handle(file.fileno())


def _second_name(target: Path) -> Path | None:
    """Give a file a second, temporary name, or copy it where there are no hard links; None if it is gone."""
    if target.is_symlink() or not target.is_file():
        return None
    copy = _temporary(target)
    try:
        os.unlink(copy)
        os.link(target, copy)
    except OSError:
        try:
            shutil.copyfile(target, copy)
            _flush(copy)
        except OSError:  # the new file matters, and this one is lost
            with contextlib.suppress(OSError):
                os.unlink(copy)
            return None
    return copy


@contextlib.contextmanager
def replacing(
    path: Path, remedy: str = ELSEWHERE, follow_link: bool = False, former: Path | None = None
) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that durably replaces it if the block succeeds.

    A symbolic link of that name is replaced by the file, and its target is left alone; ``follow_link``
    replaces the target instead, for a file that the user has named. ``former`` is a name in the same folder
    that the replaced file takes afterwards: at every instant one of both names has a whole file.

    Raises
    ------
    StorageError
        If the disk is full, the folder cannot be written or ``path`` is not a file; it is then unchanged, as
        it is when the block fails. ``remedy`` ends the message.
    """
    temporaries: list[Path] = []
    try:
        target = _target(path, follow_link)
        temporary = _temporary(target)
        temporaries.append(temporary)
        yield temporary
        _flush(temporary)
        os.chmod(temporary, 0o644)
        replaced = None if former is None else _second_name(target)
        if replaced is not None:
            temporaries.append(replaced)
        os.replace(temporary, target)
        temporaries.remove(temporary)
        if former is not None and replaced is not None:
            os.replace(replaced, former)
            temporaries.remove(replaced)
        sync_folder(target.parent)
    except OSError as error:
        raise _refused(path, error, remedy) from error
    finally:
        for left in temporaries:
            with contextlib.suppress(OSError):
                os.unlink(left)


def write_whole(
    path: Path, content: bytes, remedy: str = ELSEWHERE, follow_link: bool = False, former: Path | None = None
) -> None:
    """Replace ``path`` by ``content``, atomically and durably; links and ``former`` as in :func:`replacing`.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written; ``path`` is then unchanged. ``remedy`` ends the
        message.
    """
    with replacing(path, remedy, follow_link, former) as temporary:
        temporary.write_bytes(content)


def remove_leftovers(path: Path, age: float = ABANDONED) -> None:
    """Remove temporary files of :func:`replacing` beside ``path`` that stopped processes did not remove.

    Only files older than ``age`` seconds are removed: younger ones may be in use. Use zero only while
    holding the lock that every writer of ``path`` needs.
    """
    with contextlib.suppress(OSError):  # a folder that cannot be listed keeps them
        for left in path.parent.glob(f".{glob.escape(path.name)}.*{_TEMPORARY}"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime >= age:
                    left.unlink()


def write_text(path: Path, text: str, remedy: str = ELSEWHERE, follow_link: bool = False) -> None:
    """Replace ``path`` by UTF-8 text; raises as :func:`write_whole` does."""
    write_whole(path, text.encode(), remedy, follow_link)
