"""Work by an executor whose workers are on other machines, and share a folder with this one."""

from __future__ import annotations

import platform
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from ...errors import ConfigError, VsmnpError
from ...version import VERSION
from .driver_file import DriverFile
from .engine import Pool, Work
from .explained import explained, missing_libraries


@dataclass(frozen=True)
class Failed:
    """An error of the work, as a result: some engines return errors of their own kinds only."""

    error: Exception
    #: Whether the worker cannot do any of the work.
    of_worker: bool = False


def check_worker(version: str, file: DriverFile) -> None:
    """Check in a worker that it has the version of its driver, all libraries, and reads the driver's file.

    Raises
    ------
    ConfigError
        If not.
    """
    if version != VERSION:
        raise ConfigError(
            f"The worker on {platform.node()} has vsmnp {VERSION}, and this process has {version}: install "
            "the same version for both."
        )
    if missing := missing_libraries():
        raise ConfigError(
            f"The worker on {platform.node()} lacks {', '.join(missing)}: install vsmnp there with its "
            "libraries."
        )
    if not file.is_seen():
        raise ConfigError(
            f"The worker on {platform.node()} does not find the folder {file.path.parent} of this process: "
            "name a folder by --out that all machines share."
        )


def work_remotely(work: Work[Any, Any], item: Any, version: str, file: DriverFile) -> Any:
    """Finish an item in a worker; return its result, or a :class:`Failed`."""
    try:
        check_worker(version, file)
    except ConfigError as error:
        return Failed(error, of_worker=True)
    try:
        return explained(work, item, lambda parts: None, file.is_withdrawn)
    except (VsmnpError, MemoryError, OverflowError) as error:
        return Failed(error)


class ExecutorPool(Pool):
    """The pool of an executor of ``concurrent.futures``."""

    def __init__(self, executor: Executor, file: DriverFile, capacity: int) -> None:
        self.executor, self.file = executor, file
        self._capacity = capacity
        self._of_workers: list[BaseException] = []

    @property
    def capacity(self) -> int:
        return self._capacity

    def submit(self, work: Work[Any, Any], index: int, item: Any) -> Future[Any]:
        inner = self.executor.submit(work_remotely, work, item, VERSION, self.file)
        outer: Future[Any] = Future()

        def pass_on(done: Future[Any]) -> None:
            """Set the outer future: an error of the work, which came as a result, is its exception."""
            if done.cancelled():
                outer.cancel()
                outer.set_running_or_notify_cancel()
            elif (error := done.exception()) is not None:
                shown = self.translated(error)
                self._of_workers += [shown] * (shown is not error)
                outer.set_exception(shown)
            elif isinstance(result := done.result(), Failed):
                self._of_workers += [result.error] * result.of_worker
                outer.set_exception(result.error)
            else:
                outer.set_result(result)

        inner.add_done_callback(pass_on)
        return outer

    def translated(self, error: BaseException) -> BaseException:
        """Return an error of the executor, or the sentence of one that is no loss of a worker."""
        return error

    def is_of_worker(self, error: BaseException) -> bool:
        """Return whether an error is not that of an item, but of a worker that could not begin with it."""
        return any(error is each for each in self._of_workers)

    def poll(self) -> None:
        """Do nothing: an executor tells that an item is done, and no progress before."""

    def stop(self) -> None:
        self.file.remove()

    def is_loss(self, error: BaseException) -> bool:
        return not isinstance(error, VsmnpError | MemoryError | OverflowError)
