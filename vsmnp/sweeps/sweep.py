"""Sweep over settings from Python, public as ``vsmnp.sweep``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..training.interactive import catch_interrupt
from .axes import grid
from .cells import any_on_gpu, cells_of, setting_of
from .driver import Driver
from .engines.catalogue import EngineChoice
from .table import SweepTable


def sweep(
    cells: Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]], *, out: str | Path, on: str = "local",
    jobs: int = 0, partition: str = "", pack: int = 0, retries: int = 0, **settings: Any,
) -> SweepTable:  # fmt: skip
    """Train a run for each cell of a sweep, in packs, and return the table of what became of them.

    A cell is an ordinary run in a folder of its own below ``out``. A finished cell is left alone, a half-done
    one goes on, and one that fails is a row with its sentence. An interrupt (Ctrl-C) saves what is trained;
    the same call goes on from there.

    Parameters
    ----------
    cells : mapping or iterable of mappings
        Axes and their values, such as ``{"objective": ["m1", "m2"], "seed": range(10)}``, of which the
        product is trained; or the settings of each cell, such as the draws of an optimiser.
    out : path
        Folder of the sweep.
    on : str
        Where the runs are trained: ``"local"``, ``"dask://HOST:PORT"``, ``"dask"`` or ``"slurm"``.
    jobs : int
        Number of processes or jobs at a time; 0: one for each core, or for each GPU with ``device="gpu"``.
    partition : str
        Partition of the jobs of Slurm.
    pack : int
        Most models that are trained as one ensemble; 0: as many as keep all workers busy, and 64 at most,
        or 1,024 on a GPU.
    retries : int
        How often a cell that fails is tried again.
    **settings
        Settings of all cells, as of :func:`vsmnp.train`.

    Returns
    -------
    SweepTable
        A row for each cell, in the order of the cells.

    Raises
    ------
    VsmnpError
        If an axis is no setting, a folder holds other runs, or the engine cannot be reached.

    Examples
    --------
    >>> import vsmnp
    >>> axes = {"lr": [1e-3, 1e-2], "seed": [0, 1]}
    >>> table = vsmnp.sweep(axes, out="runs/rates", steps=20, hidden=(8,), jobs=1)
    >>> [row["status"] for row in table.rows]
    ['finished', 'finished', 'finished', 'finished']
    """
    points = grid(cells) if isinstance(cells, Mapping) else cells
    base = {setting_of(name): value for name, value in settings.items()}
    found = cells_of(base, points)
    threads = int(base.get("threads", 1))
    engine = EngineChoice(on, jobs, partition, threads, any_on_gpu(found)).engine()
    with catch_interrupt() as stop:
        return Driver(Path(out), engine, pack, retries, stop=stop).train(found)
