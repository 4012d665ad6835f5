"""Wait for folders that a process which was lost still locks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..errors import LockedError
from ..runs.lock import FolderLock, holder, lock_folder
from ..types.progress import Stop
from .engines.engine import check_stop

Opened = TypeVar("Opened")
#: Seconds to wait for the lock of a folder, and between two attempts.
_PATIENCE, _EVERY = 60.0, 0.2

_log = logging.getLogger(__name__)


def when_free(
    opened: Callable[[], Opened], stop: Stop, may_wait: Callable[[], bool] = lambda: True
) -> Opened:
    """Return ``opened()``, which locks a folder; wait while it is locked and ``may_wait`` returns true.

    Raises
    ------
    LockedError
        If the folder is not free after a minute, or need not be waited for.
    Interrupted
        If ``stop`` returned true meanwhile.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return opened()
        except LockedError:
            if time.monotonic() > end or not may_wait():
                raise
        check_stop(stop)
        time.sleep(_EVERY)


def lock_sweep(folder: Path, stop: Stop) -> FolderLock:
    """Lock the folder of a sweep; wait until the workers of a driver that was killed have saved and ended.

    Raises
    ------
    LockedError
        If another driver trains a sweep in the folder, or the workers have not ended after a minute.
    StorageError
        If the folder cannot be locked.
    Interrupted
        If ``stop`` returned true meanwhile.
    """

    def has_no_driver() -> bool:
        """Return whether the process that locked the folder has ended: its workers keep the lock."""
        if holder(folder):
            return False
        _log.info("Waiting until the processes of an earlier command have saved their runs.")
        return True

    return when_free(lambda: lock_folder(folder), stop, has_no_driver)
