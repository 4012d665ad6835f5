"""Work by jobs of Slurm, which submitit submits; its local executor runs them on this machine."""

from __future__ import annotations

import logging
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DeviceError, LibraryError
from ...storage import make_folder
from .driver_file import DriverFile
from .engine import Order, Pool
from .explained import cannot_import
from .remote import ExecutorPool

#: Seconds between two looks at the jobs.
_INTERVAL = 0.5
#: Minutes that a job may take; one that needs longer goes on in a new job, from its checkpoint.
MINUTES = 24 * 60
#: The last line of a traceback: the class of an error, and its text.
_ERROR = re.compile(r"^[\w.]*(?:Error|Exception): (.+?)\.?$", re.MULTILINE)


@dataclass(frozen=True)
class SlurmJobs:
    """The engine of jobs of Slurm, one for each item.

    Attributes
    ----------
    workers : int
        The largest number of jobs in the queue at a time.
    partition : str
        The partition of the jobs; empty: that of the cluster.
    minutes : int
        The time limit of a job.
    cards : int
        GPUs of a job.
    threads : int
        Cores of a job.
    cluster : str
        ``"slurm"``, or ``"local"`` for jobs that are processes of this machine.
    """

    workers: int = 1
    partition: str = ""
    minutes: int = MINUTES
    cards: int = 0
    threads: int = 1
    cluster: str = "slurm"

    @contextmanager
    def started(self, order: Order) -> Iterator[Pool]:
        """Yield a pool that submits a job for every item; as engines do."""
        folder = order.folder.absolute() / ".jobs"
        file = DriverFile.below(order.folder)
        executor = JobExecutor(_submitter(self, folder))
        file.write()
        try:
            yield ExecutorPool(executor, file, self.workers)
        finally:
            file.remove()
            executor.shutdown(wait=True)
            shutil.rmtree(folder, ignore_errors=True)


class JobExecutor(Executor):
    """An executor of ``concurrent.futures`` whose calls are jobs.

    Parameters
    ----------
    submit : callable
        Submits a call as a job of submitit, and returns the job.
    """

    def __init__(self, submit: Callable[..., Any]) -> None:
        self._submit = submit
        self._jobs: dict[Future[Any], Any] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Start a call as a job; raises a DeviceError if the cluster refuses it."""
        future: Future[Any] = Future()
        try:
            job = self._submit(Resumed(function), *arguments, **named)
        except Exception as error:  # submitit raises errors of many kinds, with the answer of the cluster
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise DeviceError(
                f"The job was not accepted ({reason.rstrip('.')}): check --partition, or choose another "
                "engine by --on."
            ) from error
        with self._lock:
            self._jobs[future] = job
        return future

    def _watch(self) -> None:
        """Set the futures of the jobs that have ended, until the executor is closed and none is left."""
        while not (self._closed.wait(_INTERVAL) and not self._jobs):
            with self._lock:
                ended = [(future, job) for future, job in self._jobs.items() if _has_ended(job)]
                for future, _ in ended:
                    del self._jobs[future]
            for future, job in ended:
                try:
                    _settle(future, job)
                except Exception as error:  # a result that is not whole, or a cluster that does not answer
                    future.set_exception(error)
            if self._closed.is_set():
                self._closed.wait(_INTERVAL)
                threading.Event().wait(_INTERVAL)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the jobs that wait, and wait until those that run have saved and ended."""
        with self._lock:
            for job in self._jobs.values():
                if job.state.upper() in ("PENDING", "UNKNOWN"):
                    job.cancel()
        self._closed.set()
        if wait:
            self._thread.join()


def _has_ended(job: Any) -> bool:
    """Return whether a job has ended, or cannot be asked, which is then the answer of its result."""
    try:
        return bool(job.done())
    except Exception:  # submitit raises errors of many kinds
        return True


def _settle(future: Future[Any], job: Any) -> None:
    """Give a future the result or the error of its job."""
    error = job.exception()
    if error is None:
        future.set_result(job.result())
    elif type(error).__name__ == "FailedJobError":  # it ran, and is no loss
        future.set_exception(cannot_import(f"The job {job.job_id}", _last_error(str(error))))
    else:
        future.set_exception(error)


class Resumed:
    """A call that submitit repeats when the cluster ends its job early: it goes on from its checkpoint."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the function in the job."""
        return self.function(*arguments, **named)

    def checkpoint(self, *arguments: Any, **named: Any) -> Any:
        """Return the submission that goes on with the call in a new job."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments, **named)


def _last_error(log: str) -> str:
    """Return the text of the error that a traceback in the log of a job ends with."""
    return next((found[1] for found in reversed(list(_ERROR.finditer(log)))), "an error without a text")


def _submitter(engine: SlurmJobs, folder: Path) -> Callable[..., Any]:
    """Return the function that submits a call as a job.

    Raises
    ------
    LibraryError
        If submitit is not installed.
    DeviceError
        If there is no Slurm on this machine.
    """
    try:
        import submitit
    except ImportError as error:
        raise LibraryError(
            "--on slurm needs submitit, which is not installed: pip install 'vsmnp[slurm]'."
        ) from error
    if engine.cluster == "slurm" and shutil.which("srun") is None:
        raise DeviceError(
            "There is no Slurm on this machine, whose commands such as srun are not found: run the command "
            "on a login node of the cluster, or leave out --on slurm."
        )
    logging.getLogger("submitit").setLevel(logging.CRITICAL)
    executor = submitit.AutoExecutor(folder=make_folder(folder), cluster=engine.cluster)
    executor.update_parameters(
        name="vsmnp", timeout_min=engine.minutes, cpus_per_task=engine.threads, gpus_per_node=engine.cards,
        **({"slurm_partition": engine.partition} if engine.partition else {}),
    )  # fmt: skip
    submit: Callable[..., Any] = executor.submit
    return submit
