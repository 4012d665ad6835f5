"""The communicator of processes that were started by ``mpiexec``, by MPI through mpi4py.

A rank that waits for another yields its core, then sleeps: an evaluation in rank 0 may take minutes. A rank
that fails sends to all others an empty message with a tag of its own, in place of what they expect from it,
and then its sentence, so that no rank waits for it in vain.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import numpy as np

from ..errors import RankError
from ..types import Array

_DATA, _FAILURE, _SENTENCE = range(1, 4)
#: Seconds of yielding before a waiting rank sleeps, and the longest sleep.
_PATIENCE, _LONGEST_SLEEP = 0.002, 0.01
#: Lets other processes use the core, where the system can.
_yield_core: Callable[[], object] = getattr(os, "sched_yield", partial(time.sleep, 0))
#: Seconds after rank 0 has failed in which the others learn of it.
_GRACE = 30.0


def _until(is_done: Callable[[], Any]) -> None:
    """Wait until the function returns true."""
    start = time.monotonic()
    while not is_done():
        waited = time.monotonic() - start
        if waited < _PATIENCE:
            _yield_core()
        else:
            time.sleep(min(waited / 10, _LONGEST_SLEEP))


class MpiRanks:
    """The processes of ``MPI.COMM_WORLD``; arrays in host memory are exchanged."""

    def __init__(self) -> None:
        import mpi4py

        mpi4py.rc.finalize = False  # a rank that has failed must not wait for the others
        from mpi4py import MPI

        self._mpi, self._world = MPI, MPI.COMM_WORLD
        self.rank, self.size = int(self._world.rank), int(self._world.size)
        self._failed: set[int] = set()

    def exchange(self, partner: int, x: Array) -> Array:
        """Send x to the partner and return its array; see :class:`~vsmnp.types.division.Communicator`."""
        sent = np.ascontiguousarray(x)
        received, status = np.empty_like(sent), self._mpi.Status()
        arrival = self._world.Irecv(received.view(np.uint8), partner, self._mpi.ANY_TAG)
        departure = self._world.Isend(sent.view(np.uint8), partner, _DATA)
        _until(lambda: arrival.Test(status))
        if status.Get_tag() != _DATA:
            self._raise_failure(partner)
        _until(departure.Test)
        return received

    def _raise_failure(self, partner: int) -> NoReturn:
        """Raise the failure of which the partner has told."""
        status = self._mpi.Status()
        _until(lambda: self._world.Iprobe(partner, _SENTENCE, status))
        text = bytearray(status.Get_count(self._mpi.BYTE))
        self._world.Recv(text, partner, _SENTENCE)
        self._failed.add(partner)
        about = json.loads(text.decode())
        raise RankError.relayed(about["sentence"], about["code"])

    def close(self) -> None:
        """End the communication when all ranks have called this."""
        distance = 1
        while distance < self.size:
            self.exchange(self.rank ^ distance, np.zeros(1))
            distance *= 2
        self._mpi.Finalize()

    def fail(self, error: BaseException) -> None:
        """Tell all ranks that this one fails, and wait until all others fail as well.

        Rank 0 may write a checkpoint before it fails: the launcher would end it if another rank left first.
        Rank 0 returns, so that it prints the sentence; the others leave the process.
        """
        sentence = str(error)
        if not hasattr(error, "exit_code"):  # not a failure that has a sentence
            sentence = f"{type(error).__name__}: {sentence}"
            if self.rank:
                traceback.print_exception(error, file=sys.__stderr__)
        if self.rank and not isinstance(error, RankError):
            sentence = f"{sentence.rstrip('.')} (in rank {self.rank})."
        about = {"sentence": sentence, "code": getattr(error, "exit_code", 1)}
        text = json.dumps(about).encode()
        for other in self._others:
            self._world.Isend(b"", other, _FAILURE)
            self._world.Isend(text, other, _SENTENCE)
        _until(lambda: self._all_have_failed() or self.rank == 0 or 0 in self._failed)
        end = time.monotonic() + _GRACE
        _until(lambda: self._all_have_failed() or time.monotonic() > end)
        if self._all_have_failed():
            self._mpi.Finalize()
        if self.rank:
            sys.exit(about["code"])

    @property
    def _others(self) -> list[int]:
        return [rank for rank in range(self.size) if rank != self.rank]

    def _all_have_failed(self) -> bool:
        """Take what has arrived, and return whether all other ranks have told that they fail."""
        status = self._mpi.Status()
        while message := self._world.Improbe(self._mpi.ANY_SOURCE, self._mpi.ANY_TAG, status):
            message.Recv(bytearray(status.Get_count(self._mpi.BYTE)))
            if status.Get_tag() == _SENTENCE:  # the last message of a rank
                self._failed.add(status.Get_source())
        return len(self._failed) == self.size - 1
