"""Locks on folders of runs: the kernel keeps each for its process and drops it when the process ends.

The lock file exists while the lock is held, and a killed holder leaves one that means nothing. What stands in
it is for the sentence that another process gets; whether the folder is free is for the kernel to decide.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import shlex
import sys
import time
import weakref
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LockedError, StorageError

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: The file in the folder; hidden, so that it is no content of a run.
LOCK = ".lock"
#: What file systems say that have no locks.
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
#: Seconds in which a holder has written who it is, or a lock file that is just removed has gone.
_PATIENCE = 0.5
#: Characters of a command, or of a name, that a sentence has room for.
_LONGEST = 200

_log = logging.getLogger(__name__)


class FolderLock:
    """The right to write in a folder, until it is released, is garbage or the process ends.

    Attributes
    ----------
    folder : Path
        The folder.
    firm : bool
        Whether others are kept out; false on a file system without locks.
    """

    def __init__(self, folder: Path, lock: BaseFileLock | None) -> None:
        self.folder = folder
        self.firm = lock is not None
        self._lock = lock
        path = folder.absolute() / LOCK
        self._release = weakref.finalize(self, _release, lock, path, _identity(path), os.getpid())

    @property
    def held(self) -> bool:
        """Whether it is still held, and by this process: a forked child inherits no lock."""
        return self._release.alive and (self._lock is None or self._lock.is_locked)

    def release(self) -> None:
        """Let others have the folder; nothing happens if it was done before."""
        self._release()


def lock_folder(folder: Path) -> FolderLock:
    """Lock a folder that exists, or say who has.

    On a file system without locks a warning is logged, and nobody is kept out.

    Raises
    ------
    LockedError
        If another process holds the lock, or another session of this one.
    StorageError
        If the lock file cannot be written.
    """
    from filelock import FileLock, Timeout

    path, end = folder.absolute() / LOCK, time.monotonic() + _PATIENCE
    while True:
        if not folder.is_dir():  # which the library would create
            raise StorageError(f"There is no folder {folder}: choose another with --out.")
        lock = FileLock(
            path,
            thread_local=False,
            fallback_to_soft=False,
            preserve_lock_file=True,
            on_acquired=partial(_sign, path),
        )
        try:
            lock.acquire(blocking=False)
            return FolderLock(folder, lock)
        except _ReplacedError:
            continue
        except Timeout as error:
            holder = _holder(path)
            if not holder and time.monotonic() < end:
                time.sleep(0.005)
                continue
            raise LockedError(
                f"The run in {folder} is in use by {holder or 'another process'}: wait until that has ended, "
                "or choose another folder with --out."
            ) from error
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                _warn(folder.absolute().parent)
                return FolderLock(folder, None)
            raise StorageError(
                f"The folder {folder} cannot be locked ({error.strerror or error}): change its permissions "
                "or choose another with --out."
            ) from error


class _ReplacedError(Exception):
    """The lock file was removed by its last holder after it was opened here."""


def _sign(path: Path, descriptor: int) -> None:
    """Make sure that the locked file is the one in the folder, and write to it who holds it."""
    try:
        with path.open("rb") as file:  # opened afresh: a network file system then asks its server
            if not os.path.sameopenfile(file.fileno(), descriptor):
                raise _ReplacedError
    except FileNotFoundError as error:
        raise _ReplacedError from error
    name, *arguments = sys.argv or [""]
    about = {
        "pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join([Path(name).name, *arguments])[:_LONGEST],
    }  # fmt: skip
    with suppress(OSError):  # a full disk: the lock holds without a name
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(about).encode())


def _holder(path: Path) -> str:
    """Who says in a lock file to hold it; empty if nobody does so yet."""
    try:
        about: Any = json.loads(path.read_bytes()[:4096])
        pid = int(about["pid"])
        host, since, command = (str(about[key])[:_LONGEST] for key in ("host", "since", "command"))
    except (OSError, ValueError, TypeError, KeyError):
        return ""
    if pid == os.getpid() and host == platform.node():
        return f"another session of this process (since {since})"
    told = f"process {pid} on {host} ('{command}', since {since})"
    return "".join(c for c in told if c.isprintable())


def _release(lock: BaseFileLock | None, path: Path, identity: tuple[int, int] | None, pid: int) -> None:
    """Remove the lock file while it is locked, unless the folder was moved meanwhile, and unlock it."""
    if lock is None or os.getpid() != pid or not lock.is_locked:
        return
    with suppress(OSError):
        if identity is not None and _identity(path) == identity:
            path.unlink()
    with suppress(OSError):
        lock.release(force=True)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from every other; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@cache
def _warn(place: Path) -> None:
    """Say once of a place that it has no locks."""
    _log.warning("The file system of %s has no locks: do not train one run from two processes there.", place)
