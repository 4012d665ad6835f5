"""Drive a sweep: take stock, form packs, give them to an engine, and keep the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..errors import Interrupted
from ..storage import make_folder, write_text
from ..types.progress import Progress, Stop
from .cell_session import WHOLE
from .cells import Cell, RefusedCell
from .engines.completed import completed
from .engines.engine import Order, WorkEngine, WorkerLostError, WorkFailedError
from .inventory import take_inventory
from .packs import Pack, largest_pack, most_models, packs_of, remove_spent_packs
from .table import TABLE, SweepTable
from .waiting import lock_sweep
from .work import CellOutcome, Status, train_pack


@dataclass
class Driver:
    """Train the cells of a sweep that are not finished.

    Attributes
    ----------
    folder : Path
        The folder of the sweep, which all workers share.
    engine : WorkEngine
        Where the packs are trained.
    pack : int
        Most models of a pack; 0: as many as keep all workers busy, and at most the number of
        :mod:`~vsmnp.sweeps.packs` for their device.
    retries : int
        How often a cell that fails is given to a worker again.
    progress : callable
        Called with the work done and the whole work.
    on_outcome : callable
        Called with each cell and what became of it.
    stop : callable
        Returns true to save what is trained and stop.
    """

    folder: Path
    engine: WorkEngine
    pack: int = 0
    retries: int = 0
    progress: Progress = field(default=lambda done, total: None)
    on_outcome: Callable[[Cell, CellOutcome], None] = field(default=lambda cell, outcome: None)
    stop: Stop = field(default=lambda: False)

    def train(self, cells: Sequence[Cell | RefusedCell]) -> SweepTable:
        """Train the cells, write ``sweep.csv`` and return its table.

        Raises
        ------
        ConfigError
            If a folder of a cell holds a run with other settings, or no worker has the version of this
            process and shares the folder.
        LockedError
            If another process trains a sweep in the folder; processes of a killed one are waited for.
        Interrupted
            If ``stop`` returned true; the same sweep then goes on from there.
        DeviceError
            If the engine cannot be reached.
        StorageError
            If the folder cannot be written.
        """
        self.folder = make_folder(self.folder).absolute()
        lock = lock_sweep(self.folder, self.stop)
        try:
            return self._train(cells, lock.descriptor)
        finally:
            lock.release()

    def _train(self, cells: Sequence[Cell | RefusedCell], lock: int | None) -> SweepTable:
        remove_spent_packs(self.folder)
        found = take_inventory(cells, self.folder)
        table = SweepTable(self.folder, cells, found.outcomes)
        packs = [*found.begun, *self.packs(found.new)]
        try:
            for attempt in range(self.retries + 1):
                packs = self._round(packs, found.outcomes, lock, is_last=attempt == self.retries)
        except Interrupted as stopped:
            raise Interrupted(
                "Stopped; what was done is kept, and the same command goes on from there."
            ) from stopped
        finally:
            write_text(self.folder / TABLE, table.to_csv())
        remove_spent_packs(self.folder)
        return table

    def packs(self, cells: Sequence[Cell]) -> list[Pack]:
        """Divide new cells into packs, those on a GPU into larger ones."""
        found: list[Pack] = []
        for on_gpu in (False, True):
            members = [cell for cell in cells if cell.is_on_gpu is on_gpu]
            largest = self.pack or largest_pack(len(members), self.engine.workers, most_models(on_gpu))
            found += packs_of(members, largest)
        return found

    def _round(
        self, packs: Sequence[Pack], outcomes: dict[str, CellOutcome], lock: int | None, is_last: bool
    ) -> list[Pack]:
        """Train packs, note what became of their cells, and return the packs that failed."""
        done, failed = [0] * len(packs), []
        whole = WHOLE * sum(pack.size for pack in packs)
        total = 0

        def report(index: int, parts: int) -> None:
            nonlocal total
            size = parts * packs[index].size
            total += size - done[index]
            done[index] = size
            self.progress(total, whole)

        if not packs:
            return []
        order = Order(self.folder, report, self.stop, lock)
        with closing(completed(packs, partial(train_pack, sweep=self.folder), self.engine, order)) as results:
            for index, result in results:
                pack = packs[index]
                if isinstance(result, WorkerLostError | WorkFailedError):
                    result = [CellOutcome(Status.FAILED, error=str(result))] * len(pack.cells)
                if isinstance(result, Exception):
                    raise result
                report(index, WHOLE)
                if any(outcome.status is Status.FAILED for outcome in result):
                    failed.append(pack)
                    if not is_last:
                        continue
                for cell, outcome in zip(pack.cells, result, strict=True):
                    outcomes[cell.name] = outcome
                    self.on_outcome(cell, outcome)
        return failed
