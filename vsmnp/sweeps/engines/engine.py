"""The contract of an engine: futures of work, and how many items are given to it at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias, TypeVar

from ...errors import DeviceError, Interrupted, VsmnpError
from ...types.progress import Stop

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Called with the parts of an item that are done.
Report: TypeAlias = Callable[[int], None]
#: Works on an item, reports its progress, and ends early if ``stop`` returns true.
Work: TypeAlias = Callable[[Item, Report, Stop], Result]
#: Called with the index of an item and the parts of it that are done.
Counted: TypeAlias = Callable[[int, int], None]


class WorkFailedError(VsmnpError):
    """Work that ended with an error which is none of vsmnp's, such as a module that a worker lacks."""


class WorkerLostError(DeviceError):
    """Workers that ended while they worked on an item, or could not begin with it, several times in a row."""

    @classmethod
    def relayed(cls, error: VsmnpError) -> Self:
        """Return the loss of workers of which the last has said by this error why it cannot do the work."""
        return cls(str(error))


class EngineLostError(DeviceError):
    """An engine that cannot be reached any more, such as a scheduler that was stopped."""


def check_stop(stop: Stop) -> None:
    """Refuse to begin work after a request to stop.

    Raises
    ------
    Interrupted
        If ``stop`` returns true.
    """
    if stop():
        raise Interrupted("Stopped.")


class Pool(ABC):
    """The workers of an engine while it is in use."""

    @property
    @abstractmethod
    def capacity(self) -> int:
        """The number of items that may be with the pool at a time: those in work and a few that wait."""

    @abstractmethod
    def submit(self, work: Work[Any, Any], index: int, item: Any) -> Future[Any]:
        """Give an item to a worker; the future has the result of ``work(item, report, stop)``."""

    @abstractmethod
    def poll(self) -> None:
        """Pass on the progress that workers have reported since the last call."""

    @abstractmethod
    def stop(self) -> None:
        """Ask the workers to save what they work on and to stop; items that wait are cancelled."""

    @abstractmethod
    def is_loss(self, error: BaseException) -> bool:
        """Return whether the error of a future says that its worker was lost.

        Raises
        ------
        EngineLostError
            If the engine itself was lost.
        """


@dataclass(frozen=True)
class Order:
    """The choices of an engine that its users make.

    Attributes
    ----------
    folder : Path
        A folder that all workers share, in which the results of the work are.
    report : callable
        Called in this process with the progress of items, as far as the engine passes it on.
    stop : callable
        Returns true if the work is to be stopped.
    lock : int or None
        Descriptor of a locked file. Processes that the engine starts on this machine inherit it, so that the
        file stays locked until they have ended, even if this process is killed.
    """

    folder: Path
    report: Counted = lambda index, parts: None
    stop: Stop = lambda: False
    lock: int | None = None


class WorkEngine(Protocol):
    """A place where work is done."""

    @property
    def workers(self) -> int:
        """The number of items that are worked on at a time, as far as it is known in advance."""

    def started(self, order: Order) -> AbstractContextManager[Pool]:
        """Start the workers, or connect to them, until the block ends.

        Raises
        ------
        DeviceError
            If the engine cannot be reached or has no workers.
        ConfigError
            If its workers have another version, or do not share the folder.
        LibraryError
            If a library that the engine needs is not installed.
        """


#: The items of some work with their results or errors, in the order in which they end.
Completed: TypeAlias = Generator[tuple[int, Result | Exception], None, None]
