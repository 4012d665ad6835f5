"""Locks on the folders of runs, held by the operating system and released when the process ends.

The lock file exists while the lock is held; one left by a killed process has no effect. Its content only
names the holder in the error message of another process; the operating system decides whether the lock is
free.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import shlex
import stat
import sys
import time
import weakref
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LockedError, StorageError
from ..storage import ELSEWHERE, read_json

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: Name of the lock file in the folder; hidden, so that the folder of a run counts as empty.
LOCK = ".lock"
#: Error codes of file systems without locks.
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
#: Seconds to wait until a holder has written its name, or until a removed lock file is gone.
_PATIENCE = 0.5
#: Longest command or name, in characters, in a message.
_LONGEST = 200

_log = logging.getLogger(__name__)


class FolderLock:
    """The right to write in a folder until it is released, garbage collected, or the process ends.

    Attributes
    ----------
    folder : Path
        The locked folder.
    firm : bool
        Whether other processes are excluded; false on a file system without locks.
    descriptor : int or None
        Descriptor of the locked file; a process that inherits it excludes others until it has ended.
    """

    def __init__(
        self, folder: Path, lock: BaseFileLock | None, descriptor: int | None = None, name: str = LOCK
    ) -> None:
        self.folder = folder
        self.firm = lock is not None
        self.descriptor = descriptor
        self._lock = lock
        path = folder.absolute() / name
        self._release = weakref.finalize(self, _release, lock, path, _identity(path), os.getpid())

    @property
    def held(self) -> bool:
        """Whether the lock is held by this process; a forked child does not inherit it."""
        return self._release.alive and (self._lock is None or self._lock.is_locked)

    def release(self) -> None:
        """Release the lock; a second call has no effect."""
        self._release()


def lock_folder(
    folder: Path,
    remedy: str = "wait until that has ended, or choose another folder with --out",
    elsewhere: str = ELSEWHERE,
    name: str = LOCK,
    patience: float = 0.0,
) -> FolderLock:
    """Lock an existing folder, or raise an error that names the holder of its lock.

    On a file system without locks a warning is logged, and other processes are not excluded. ``remedy`` ends
    the message about a lock that is held, ``elsewhere`` that about a folder that cannot be locked. ``name``
    is that of the lock file, and ``patience`` the seconds to wait while the lock is held.

    Raises
    ------
    LockedError
        If another process, or another session of this process, holds the lock.
    StorageError
        If the lock file cannot be written, or is a link.
    """
    from filelock import FileLock, Timeout

    path, begun = folder.absolute() / name, time.monotonic()
    while True:
        descriptors: list[int] = []
        lock = FileLock(
            path,
            thread_local=False,
            fallback_to_soft=False,
            preserve_lock_file=True,
            on_acquired=partial(_sign, path, descriptors),
        )
        try:
            if not folder.is_dir():  # the library would create it
                raise StorageError(f"There is no folder {folder}: {elsewhere}.")
            _check_own(path)
            lock.acquire(blocking=False)
            return FolderLock(folder, lock, descriptors[-1], name)
        except _ReplacedError:
            continue
        except Timeout as error:
            holder = _holder(path)
            if time.monotonic() - begun < (patience if holder else max(patience, _PATIENCE)):
                time.sleep(0.005)
                continue
            raise LockedError(
                f"The run in {folder} is in use by {holder or 'another process'}: {remedy}."
            ) from error
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                _warn(folder.absolute().parent)
                return FolderLock(folder, None)
            raise StorageError(
                f"The folder {folder} cannot be locked ({error.strerror or error}): change its permissions "
                f"or {elsewhere}."
            ) from error


def _check_own(path: Path, descriptor: int | None = None) -> None:
    """Check that the lock file, if it exists, is no link by which the holder's name overwrites another file.

    Raises
    ------
    StorageError
        If it is a link, has several names, or is no file.
    """
    try:
        found = os.lstat(path) if descriptor is None else os.fstat(descriptor)
    except OSError:  # there is none yet
        return
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise StorageError(f"{path} is no file of its own: remove it.")


def holder(folder: Path) -> str:
    """Describe the process that has locked a folder, as far as its lock file tells; empty if none has."""
    return _holder(folder.absolute() / LOCK)


class _ReplacedError(Exception):
    """The lock file was removed by its last holder after it was opened here."""


def _sign(path: Path, descriptors: list[int], descriptor: int) -> None:
    """Check that the locked file is the one in the folder, and write the holder's description to it.

    The descriptor of the file is added to ``descriptors``.
    """
    descriptors.append(descriptor)
    try:
        with path.open("rb") as file:  # reopened, so that a network file system asks its server
            if not os.path.sameopenfile(file.fileno(), descriptor):
                raise _ReplacedError
    except FileNotFoundError as error:
        raise _ReplacedError from error
    _check_own(path, descriptor)
    name, *arguments = sys.argv or [""]
    about = {
        "pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join([Path(name).name, *arguments])[:_LONGEST],
    }  # fmt: skip
    with suppress(OSError):  # on a full disk the lock is held without a description
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(about).encode())


def _holder(path: Path) -> str:
    """Read the holder's description from a lock file; empty if there is none yet or it has been killed."""
    try:
        about: Any = read_json(path, 4096)
        pid = int(about["pid"])
        host, since, command = (str(about[key])[:_LONGEST] for key in ("host", "since", "command"))
    except (OSError, ValueError, TypeError, KeyError, OverflowError):  # the last of 1e999
        return ""
    if host == platform.node():
        if pid == os.getpid():
            return f"another session of this process (since {since})"
        if not _runs(pid):
            return ""
    told = f"process {pid} on {host} ('{command}', since {since})"
    return "".join(c for c in told if c.isprintable())


def _runs(pid: int) -> bool:
    """Return whether a process of this machine runs; true where that cannot be told."""
    if os.name != "posix":  # elsewhere signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _release(lock: BaseFileLock | None, path: Path, identity: tuple[int, int] | None, pid: int) -> None:
    """Remove the lock file while it is locked, unless the folder was moved, and release the lock."""
    if lock is None or os.getpid() != pid or not lock.is_locked:
        return
    with suppress(OSError):
        if identity is not None and _identity(path) == identity:
            path.unlink()
    with suppress(OSError):
        lock.release(force=True)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode number of a file, or None if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@cache
def _warn(place: Path) -> None:
    """Warn once per folder that its file system has no locks."""
    _log.warning("The file system of %s has no locks: do not train one run from two processes there.", place)
