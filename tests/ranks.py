"""Run programs of several ranks: real ones by ``mpiexec``, and two in the threads of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np

from vsmnp.errors import RankError, VsmnpError
from vsmnp.types import Array

#: Runs command lines one after another; evaluations use few draws.
COMMANDS = """
import json, sys
import vsmnp.cli.results
from vsmnp.cli import main
vsmnp.cli.results.PRIOR_DRAWS, vsmnp.cli.results.IWAE_SAMPLES = 50, 0
main(json.loads(sys.argv[1]))
"""


def mpiexec(count: int, *words: str) -> list[str]:
    """Return the command line that starts a program in this many processes."""
    return [str(Path(sys.executable).parent / "mpiexec"), "-n", str(count), *words]


def run_ranks(
    count: int, *words: str, folder: Path | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a Python program in this many processes to its end, whatever its exit status."""
    return subprocess.run(
        mpiexec(count, sys.executable, *words), cwd=folder, env=environment(), capture_output=True, text=True,
        check=False, timeout=timeout,
    )  # fmt: skip


def run_command(count: int, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of vsmnp in this many processes to its end, whatever its exit status."""
    return run_ranks(count, "-c", COMMANDS, json.dumps(list(arguments)), folder=folder)


def environment() -> dict[str, str]:
    """Return the environment of the processes, of which no launcher has started this one."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PMI", "OMPI", "HYDRA"))
    }


@dataclass
class ThreadRank:
    """A rank in a thread, whose partner is in another thread of the process."""

    rank: int
    size: int = 2
    inbox: Queue[Array | VsmnpError] = field(default_factory=Queue)
    partner: ThreadRank | None = None

    def exchange(self, partner: int, x: Array) -> Array:
        """Exchange arrays with the partner, or raise its failure."""
        assert self.partner is not None
        self.partner.inbox.put(x.copy())
        received = self.inbox.get(timeout=60)
        if isinstance(received, VsmnpError):
            raise RankError.relayed(str(received), received.exit_code)
        assert received.dtype == x.dtype
        assert received.shape == x.shape
        return received

    def close(self) -> None:
        """Meet the partner before the end."""
        self.exchange(1 - self.rank, np.zeros(1))

    def fail(self, error: BaseException) -> None:
        """Send the failure to the partner."""
        assert self.partner is not None
        assert isinstance(error, VsmnpError)
        self.partner.inbox.put(error)


def two_ranks(*works: Callable[[ThreadRank], Any]) -> Any:
    """Run a function in each of two ranks; return the result of rank 0, or raise its failure."""
    ranks = [ThreadRank(0), ThreadRank(1)]
    ranks[0].partner, ranks[1].partner = ranks[1], ranks[0]
    ends: list[Any] = [None, None]

    def run(rank: ThreadRank) -> None:
        try:
            ends[rank.rank] = works[rank.rank](rank)
        except VsmnpError as error:
            ends[rank.rank] = error
            rank.fail(error)

    threads = [Thread(target=run, args=(rank,)) for rank in ranks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if isinstance(ends[0], VsmnpError):
        raise ends[0]
    return ends[0]


def sentences_in(stderr: str, words: Sequence[str]) -> list[str]:
    """Return the lines that contain all words."""
    return [line for line in stderr.splitlines() if all(word in line for word in words)]
