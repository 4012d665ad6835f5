"""Predict the time of a sweep on any number of workers, from the time of a step and measured overheads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .packs import LARGEST, largest_pack

#: Numbers of workers for which a dry run predicts the time.
WORKERS = (1, 100, 10_000)
#: Column names of the rows of :class:`ScaledSweep` in a table.
COLUMNS = ("workers", "hours", "core hours", "packs", "share of work", "files a second")


@dataclass(frozen=True)
class SweepOverhead:
    """Hold what a sweep needs beside the steps, in seconds, files and bytes.

    The times were measured by ``benchmarks/sweep_overhead.py`` (docs/scale.md).

    Attributes
    ----------
    start : float
        Seconds from the start of a worker to its first step.
    task : float
        Seconds of the driver for a pack.
    cell : float
        Seconds of a worker for a cell, in which it makes the run of the cell and writes its files.
    driver_cell : float
        Seconds of the driver for a cell.
    files : float
        Files of a cell.
    size : float
        Bytes of these files.
    """

    start: float = 1.3
    task: float = 0.004
    cell: float = 0.008
    driver_cell: float = 0.00036
    files: float = 3.0
    size: float = 27_100.0


@dataclass(frozen=True)
class ScaledSweep:
    """The prediction for a number of workers.

    Attributes
    ----------
    workers : int
        Number of workers.
    hours : float
        Hours from the start to the end.
    core_hours : float
        Hours of all workers together, idle or not.
    packs : int
        Number of packs.
    share : float
        Share of these hours in which steps are computed.
    files_per_second : float
        Files that all workers together write in a second, on average.
    """

    workers: int
    hours: float
    core_hours: float
    packs: int
    share: float
    files_per_second: float

    def row(self) -> tuple[float, ...]:
        """Return the values as a row of a table."""
        return (self.workers, self.hours, self.core_hours, self.packs, self.share, self.files_per_second)

    def to_json(self) -> dict[str, Any]:
        """Return the prediction as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class SweepScale:
    """A sweep of equal models, of which :meth:`on` predicts the time.

    A driver gives packs of at most p models to W workers, one after another, in d = task + p driver_cell
    seconds each. A worker needs w = p (steps seconds + cell) for a pack. With n packs, the time is

        ``start + max(ceil(n / W) w, n d + w)``:

    either the workers or the driver are busy all the time. Each is a lower bound, and their sum an upper one.

    Attributes
    ----------
    models : int
        Number of models.
    seconds : float
        Seconds in which a worker computes all steps of one model in a pack.
    pack : int
        Most models of a pack; their number is that of :func:`.packs.largest_pack`.
    overhead : SweepOverhead
        What is needed beside the steps.
    """

    models: int
    seconds: float
    pack: int = LARGEST
    overhead: SweepOverhead = SweepOverhead()

    def on(self, workers: int) -> ScaledSweep:
        """Predict the time on ``workers`` workers."""
        about = self.overhead
        pack = largest_pack(self.models, workers, self.pack)
        packs = -(-self.models // pack)
        work = pack * (self.seconds + about.cell)
        given = packs * (about.task + pack * about.driver_cell)
        time = about.start + max(-(-packs // workers) * work, given + work)
        return ScaledSweep(
            workers, time / 3600, workers * time / 3600, packs, self.models * self.seconds / (workers * time),
            self.models * about.files / time,
        )  # fmt: skip
