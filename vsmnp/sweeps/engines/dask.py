"""Work by the workers of a Dask scheduler, or of a cluster of Dask on this machine."""

from __future__ import annotations

import logging
import re
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ...errors import DeviceError, LibraryError, VsmnpError
from ...version import VERSION
from .driver_file import DriverFile
from .engine import EngineLostError, Order, Pool
from .explained import cannot_import, failure_of
from .remote import ExecutorPool, check_worker

_log = logging.getLogger(__name__)
#: Seconds to wait for the scheduler, and for its first worker.
_PATIENCE = 15.0
#: Seconds between two questions for the number of workers, which may change.
_EVERY = 5.0
#: Items that wait with the scheduler for each that is worked on, so that no worker waits for this process.
_AHEAD = 2
#: An error of a worker as Dask returns it: the class of the error, and its text in quotes.
_QUOTED = re.compile(r"""^\w+\(["'](.*)["']\)$""")


@dataclass(frozen=True)
class DaskCluster:
    """The engine of the workers of a Dask scheduler.

    Attributes
    ----------
    address : str
        Such as ``tcp://host:8786``; empty for a cluster on this machine with ``workers`` processes.
    workers : int
        The number of processes of a cluster on this machine.
    """

    address: str = ""
    workers: int = 1

    @contextmanager
    def started(self, order: Order) -> Iterator[Pool]:
        """Yield the pool of the workers, after the scheduler and the workers were checked; as engines do."""
        client = _client(self)
        file = DriverFile.below(order.folder)
        try:
            file.write()
            _check_workers(client, self.address, file)
            pool = _DaskPool(client, self.address, file)
            yield pool
            pool.executor.shutdown(wait=False)
        finally:
            file.remove()
            _close(client)


class _DaskPool(ExecutorPool):
    """The pool of a client's executor; its capacity follows the number of workers."""

    def __init__(self, client: Any, address: str, file: DriverFile) -> None:
        super().__init__(client.get_executor(pure=False), file, 1)
        self._client, self._address, self._asked = client, address, 0.0

    @property
    def capacity(self) -> int:
        now = time.monotonic()
        if now - self._asked > _EVERY and self._client.status == "running":
            self._asked = now
            workers = self._client.scheduler_info()["workers"].values()
            self._capacity = max(1, _AHEAD * sum(worker["nthreads"] for worker in workers))
        return self._capacity

    def translated(self, error: BaseException) -> BaseException:
        is_lost = type(error).__name__ == "KilledWorker"
        if is_lost or isinstance(error, CancelledError | OSError):
            return error
        return failure_of(error, f"A worker of {self._address}")

    def is_loss(self, error: BaseException) -> bool:
        if isinstance(error, CancelledError) or self._client.status != "running":
            raise EngineLostError(
                f"The Dask scheduler {self._address} was stopped: what was done is kept, and the same "
                "command goes on from there when a scheduler runs."
            )
        return super().is_loss(error)


def _client(engine: DaskCluster) -> Any:
    """Return a client that is connected to the scheduler of an engine.

    Raises
    ------
    LibraryError
        If Dask distributed is not installed.
    DeviceError
        If there is no scheduler at the address.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise LibraryError(
            "--on dask needs Dask distributed, which is not installed: pip install 'vsmnp[dask]'."
        ) from error
    for name in list(logging.root.manager.loggerDict):  # what matters is said in a sentence
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    if not engine.address:
        # Two sweeps may run beside one another, and nobody else on the network sees the dashboard.
        cluster = distributed.LocalCluster(
            n_workers=engine.workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        )
        client = distributed.Client(cluster)
        _log.info(f"Dask shows its work on {client.dashboard_link}.")
        return client
    try:
        with warnings.catch_warnings():  # what workers need is checked, and said in a sentence
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            return distributed.Client(engine.address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise DeviceError(
            f"No Dask scheduler answers at {engine.address}: start one with 'dask scheduler', or correct the "
            "address of --on."
        ) from error


def _check_workers(client: Any, address: str, file: DriverFile) -> None:
    """Check that there are workers, and that each can run this version and reads the driver's file.

    A worker that is lost meanwhile is passed over.

    Raises
    ------
    DeviceError
        If there are none.
    ConfigError
        If one has another version, lacks a library, or does not share the folder.
    WorkFailedError
        If one cannot import vsmnp.
    """
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        raise DeviceError(
            f"The Dask scheduler {address} has no workers: start some with 'dask worker {address}'."
        ) from error
    for worker, found in client.run(check_worker, VERSION, file, on_error="return").items():
        if isinstance(found, VsmnpError):
            raise found
        if isinstance(found, Exception) and not isinstance(found, OSError):  # of a class that Dask chooses
            raise cannot_import(f"The worker {worker}", _QUOTED.sub(r"\1", str(found)))


def _close(client: Any) -> None:
    """Close a client and the cluster that it started."""
    cluster = client.cluster
    client.close()
    if cluster is not None:
        cluster.close()
