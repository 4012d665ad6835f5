"""Work by the workers of a Dask scheduler, or of a cluster of Dask on this machine."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import warnings
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
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
#: Seconds to wait for the answers of workers that joined, during which Ctrl-C is not looked at.
_ANSWER = 2.0
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
            pool = _DaskPool(client, self.address, file, _check_workers(client, self.address, file))
            yield pool
            pool.executor.shutdown(wait=False)
        finally:
            file.remove()
            _close(client)


class _DaskPool(ExecutorPool):
    """The pool of a client's executor; its capacity follows the number of workers.

    Workers that join while the work goes on are checked too, until they answer. One that cannot do the work
    is retired.
    """

    def __init__(self, client: Any, address: str, file: DriverFile, fit: Iterable[str]) -> None:
        super().__init__(client.get_executor(pure=False), file, 1)
        self._client, self._address, self._asked = client, address, 0.0
        #: Addresses of the workers that answered that they can do the work.
        self._fit = set(fit)

    @property
    def capacity(self) -> int:
        if time.monotonic() - self._asked > _EVERY:
            with suppress(OSError):  # a scheduler that was stopped is found by its futures
                self._look()
        return self._capacity

    def _look(self) -> None:
        """Ask new workers, retire those that cannot do the work, and count the threads of the others."""
        if self._client.status != "running":
            return
        self._asked = time.monotonic()
        workers = dict(self._client.scheduler_info(n_workers=-1)["workers"])
        self._fit &= set(workers)  # another worker may join at the address of one that is gone
        fit, unfit = _answers(self._client, self.file, workers.keys() - self._fit, _ANSWER)
        self._fit.update(fit)
        others = "others do its work" if workers.keys() - unfit else "its work waits for another worker"
        for address, error in unfit.items():
            self._client.retire_workers([address])
            del workers[address]
            _log.warning(f"{error} The worker joined at {address} and was retired: {others}.")
        self._capacity = max(1, _AHEAD * sum(worker["nthreads"] for worker in workers.values()))

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
        if not self.is_of_worker(error):
            return super().is_loss(error)
        self._fit.clear()  # Dask does not say whose error it is, and a worker that was fit may have changed
        with suppress(OSError):
            self._look()  # now, so that the item is given to another
        return True


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


def _check_workers(client: Any, address: str, file: DriverFile) -> list[str]:
    """Check that there are workers, and that all that answer can do the work; return the addresses of these.

    Raises
    ------
    DeviceError
        If there are none.
    ConfigError, WorkFailedError
        If one cannot do the work, as :func:`_answers` says.
    """
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        raise DeviceError(
            f"The Dask scheduler {address} has no workers: start some with 'dask worker {address}'."
        ) from error
    workers = client.scheduler_info(n_workers=-1)["workers"]
    fit, unfit = _answers(client, file, workers, _PATIENCE)
    if unfit:
        raise next(iter(unfit.values()))
    return fit


def _answers(
    client: Any, file: DriverFile, workers: Collection[str], seconds: float
) -> tuple[list[str], dict[str, VsmnpError]]:
    """Ask workers whether they can do the work, and wait some seconds for their answers.

    Returns
    -------
    fit : list of str
        The addresses of those that can.
    unfit : dict
        Why others cannot, by their addresses: they have another version, lack a library, do not share the
        folder, or cannot import vsmnp. A worker that is lost meanwhile, or does not answer in time, is in
        neither.
    """

    async def ask() -> dict[str, Any]:
        """Ask each by itself, so that one which does not answer does not hide the others."""
        asked = [
            asyncio.ensure_future(client.run(check_worker, VERSION, file, workers=[each], on_error="return"))
            for each in workers
        ]
        done, late = await asyncio.wait(asked, timeout=seconds)
        for each in late:
            each.cancel()
        return {worker: answer for each in done for worker, answer in each.result().items()}

    fit: list[str] = []
    unfit: dict[str, VsmnpError] = {}
    for worker, found in client.sync(ask).items() if workers else ():
        if found is None:
            fit.append(worker)
        elif isinstance(found, VsmnpError):
            unfit[worker] = found
        elif not isinstance(found, OSError):  # of a class that Dask chooses
            unfit[worker] = cannot_import(f"The worker {worker}", _QUOTED.sub(r"\1", str(found)))
    return fit, unfit


def _close(client: Any) -> None:
    """Close a client and the cluster that it started."""
    cluster = client.cluster
    client.close()
    if cluster is not None:
        cluster.close()
