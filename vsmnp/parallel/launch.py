"""Find out whether a launcher such as ``mpiexec`` has started this process as one of several ranks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

from ..errors import ConfigError, LibraryError
from ..types.division import Communicator
from .single import ALONE


class _Variables(NamedTuple):
    """The environment variables in which a launcher gives a process its rank and the number of ranks."""

    rank: str
    size: str


#: The launchers that are known: MPICH and others that start processes by PMI, Open MPI, Slurm.
_LAUNCHERS = (
    _Variables("PMI_RANK", "PMI_SIZE"),
    _Variables("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    _Variables("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
)


def place() -> tuple[int, int]:
    """Return the rank of this process and the number of ranks, 0 and 1 without a launcher."""
    for launcher in _LAUNCHERS:
        rank, size = (os.environ.get(name, "") for name in launcher)
        if rank.isdigit() and size.isdigit():
            return int(rank), int(size)
    return 0, 1


@contextmanager
def joined() -> Iterator[Communicator]:
    """Yield the communicator of the ranks that were started together, and tell them if the block fails.

    Raises
    ------
    ConfigError
        If the number of ranks is no power of two.
    LibraryError
        If there are several ranks and mpi4py is missing or cannot be loaded.
    """
    size = place()[1]
    if size == 1:
        yield ALONE
        return
    if size & (size - 1):
        lower = 1 << (size.bit_length() - 1)
        raise ConfigError(
            f"{size} ranks cannot share the parts of a minibatch, whose number is a power of two: start "
            f"{lower} or {2 * lower}."
        )
    ranks = _communicator()
    try:
        yield ranks
    except BaseException as error:
        ranks.fail(error)
        raise


def _communicator() -> Communicator:
    count = place()[1]
    if find_spec("mpi4py") is None:
        raise LibraryError(
            f"{count} ranks were started, and mpi4py, by which they communicate, is not installed: pip "
            "install 'vsmnp[mpi]', or start one process without mpiexec."
        )
    try:
        from .mpi import MpiRanks

        ranks = MpiRanks()
    except (ImportError, RuntimeError) as error:
        raise LibraryError(
            f"{count} ranks were started, and mpi4py cannot load the MPI library ({error}): install the MPI "
            "to which the mpiexec belongs, or start one process without mpiexec."
        ) from error
    if ranks.size != count:
        raise LibraryError(
            f"{count} ranks were started, and mpi4py sees {ranks.size}: its MPI library is not that of the "
            "mpiexec, so start them by the mpiexec of the same MPI."
        )
    return ranks
