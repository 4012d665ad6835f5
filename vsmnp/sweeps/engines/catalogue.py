"""The table of the engines, and the choice of one by its name or address."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...errors import ConfigError, member_of
from .cards import visible_cards
from .engine import WorkEngine
from .local import LocalProcesses, ThisProcess


@dataclass(frozen=True)
class EngineChoice:
    """The user's choice of an engine and of its workers.

    Attributes
    ----------
    on : str
        A name of :data:`ENGINES`; after ``dask`` perhaps an address, as in ``dask://host:8786``.
    jobs : int
        Number of items worked on at a time by an engine that starts its workers; 0: one for each core, or
        for each GPU.
    partition : str
        Partition of Slurm; empty: that of the cluster.
    threads : int
        Threads of the linear algebra of a worker; 0: as the environment says.
    on_gpu : bool
        Whether the work is done on GPUs: each process of this machine, and each job of Slurm, gets one.
    """

    on: str = "local"
    jobs: int = 0
    partition: str = ""
    threads: int = 0
    on_gpu: bool = False

    @property
    def address(self) -> str:
        """The address in ``on``, such as ``tcp://host:8786``; empty if it has none."""
        _, sign, place = self.on.partition("://")
        return f"tcp://{place}" if sign else ""

    def engine(self) -> WorkEngine:
        """Return the engine that is chosen.

        Raises
        ------
        ConfigError
            If there is no engine of that name, or it does not take what was chosen.
        """
        name = self.on.partition(":")[0]
        row = member_of(ENGINES, "engine", name)
        if self.on != name and not (row.has_address and self.address not in ("", "tcp://")):
            raise ConfigError(
                f"--on {self.on} is no engine: write {', '.join(each.form for each in ENGINES.values())}."
            )
        if self.partition and not row.has_partition:
            raise ConfigError("--partition is an option of --on slurm: leave it out.")
        return row.make(self)


@dataclass(frozen=True)
class EngineRow:
    """The row of an engine: its form on the command line, a description, and the options that it takes."""

    form: str
    about: str
    make: Callable[[EngineChoice], WorkEngine]
    has_address: bool = False
    has_partition: bool = False


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _local(choice: EngineChoice) -> WorkEngine:
    cards = visible_cards() if choice.on_gpu else ()
    jobs = choice.jobs or len(cards) or max(1, cores() // max(choice.threads, 1))
    return LocalProcesses(jobs, choice.threads, cards) if jobs > 1 else ThisProcess()


def _dask(choice: EngineChoice) -> WorkEngine:
    from .dask import DaskCluster

    return DaskCluster(choice.address, choice.jobs or cores())


def _slurm(choice: EngineChoice) -> WorkEngine:
    from .slurm import SlurmJobs

    threads = max(choice.threads, 1)
    return SlurmJobs(choice.jobs or 100, choice.partition, cards=int(choice.on_gpu), threads=threads)


def _submitit(choice: EngineChoice) -> WorkEngine:
    from .slurm import SlurmJobs

    return SlurmJobs(choice.jobs or cores(), threads=max(choice.threads, 1), cluster="local")


#: The engines by the first word of ``--on``.
ENGINES: Mapping[str, EngineRow] = MappingProxyType({
    "local": EngineRow("local", "processes of this machine", _local),
    "dask": EngineRow("dask://HOST:PORT", "the workers of a Dask scheduler, or of one on this machine", _dask,
                      has_address=True),
    "slurm": EngineRow("slurm", "jobs of a Slurm cluster", _slurm, has_partition=True),
    "submitit": EngineRow("submitit", "jobs as those of Slurm, on this machine", _submitit),
})  # fmt: skip
