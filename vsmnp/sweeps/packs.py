"""Packs: cells that differ only in what a model of an ensemble may have for itself are trained as one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import LockedError, StorageError
from ..runs.folder import CHECKPOINT
from ..runs.lock import lock_folder
from ..runs.newest import has_run
from ..settings.choices import ARCHITECTURES
from ..settings.in_effect import OF_A_MODEL
from ..settings.settings import Settings
from ..storage import make_folder, may_exist, read_json, write_text
from .cells import Cell

#: The folder of the packs that are trained, below that of the sweep.
PACKS = ".packs"
#: The file of a pack's folder that names its cells; hidden, so that a run can claim the folder.
MEMBERS = ".members.json"
#: Most models of a pack, unless the user chooses: on the CPU, and on a GPU, where the kernel that does whole
#: steps needs two for each multiprocessor, some 300 on the largest cards.
LARGEST, LARGEST_ON_GPU = 64, 1024
#: The settings that all cells of a pack share.
_SHARED = tuple(name for name in Settings.__dataclass_fields__ if name not in OF_A_MODEL)


@dataclass(frozen=True)
class Pack:
    """Cells that are trained together, as the models of one run; a single cell is trained by itself."""

    cells: tuple[Cell, ...]

    @property
    def size(self) -> int:
        """The amount of work, as :attr:`.cells.Cell.size`."""
        return sum(cell.size for cell in self.cells)

    @property
    def settings(self) -> Settings:
        """The settings of the ensemble, whose models are numbered; they may share a seed."""
        return replace(self.cells[0].settings, seeds=tuple(range(len(self.cells))))

    def folder(self, sweep: Path) -> Path:
        """Return the folder of the pack while it is trained: that of its cell, or one for its cells."""
        if len(self.cells) == 1:
            return sweep / self.cells[0].name
        names = "\n".join(cell.name for cell in self.cells)
        return sweep / PACKS / hashlib.sha256(names.encode()).hexdigest()[:16]

    def write_members(self, sweep: Path) -> None:
        """Write the names of the cells into the folder of the pack.

        Raises
        ------
        StorageError
            If they cannot be written.
        """
        folder = make_folder(self.folder(sweep))
        if not (folder / MEMBERS).exists():
            write_text(folder / MEMBERS, json.dumps([cell.name for cell in self.cells]))


def may_be_packed(settings: Settings) -> bool:
    """Return whether a run of one model can be a model of an ensemble, with the same result.

    An ensemble ends early when all of its models may, and its evaluations share the edges of histograms.
    """
    alone = settings.evaluate_every or settings.validation or ARCHITECTURES[settings.arch].of_images
    return len(settings.seeds) == 1 and not alone


def packs_of(cells: Iterable[Cell], largest: int) -> Iterator[Pack]:
    """Divide cells into packs of at most ``largest`` models, in the order of their first cells."""
    groups: dict[object, list[Cell]] = {}
    for place, cell in enumerate(cells):
        settings = cell.settings
        key = tuple(getattr(settings, name) for name in _SHARED) if may_be_packed(settings) else place
        groups.setdefault(key, []).append(cell)
    for group in groups.values():
        parts = -(-len(group) // max(largest, 1))
        for part in range(parts):
            yield Pack(tuple(group[len(group) * part // parts : len(group) * (part + 1) // parts]))


def most_models(on_gpu: bool) -> int:
    """Return the most models of a pack on a GPU or on the CPU, unless the user chooses."""
    return LARGEST_ON_GPU if on_gpu else LARGEST


def largest_pack(cells: int, workers: int, most: int = LARGEST) -> int:
    """Return the size of a pack, at most ``most``, with which all workers train equally many packs."""
    rounds = max(1, -(-cells // (workers * most)))
    return max(1, -(-cells // (workers * rounds)))


def interrupted_packs(sweep: Path, cells: Sequence[Cell]) -> Iterator[Pack]:
    """Yield the packs in the folder of a sweep that are trained in part, or wait to be divided."""
    by_name: dict[str, Cell] | None = None
    for path in sorted((sweep / PACKS).glob(f"*/{MEMBERS}")):
        by_name = by_name or {cell.name: cell for cell in cells}
        names = _members(path)
        if names is not None and has_run(path.parent) and set(names) <= set(by_name):
            yield Pack(tuple(by_name[name] for name in names))


def remove_spent_packs(sweep: Path) -> None:
    """Remove the folders of packs that were divided, or were lost before anything was trained.

    A folder that a worker has locked is left alone.
    """
    for folder in sorted((sweep / PACKS).glob("*/")):
        if _is_spent(folder, sweep):
            with suppress(LockedError, StorageError):
                lock = lock_folder(folder)
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()
    with suppress(OSError):  # it does not exist, or has other folders
        (sweep / PACKS).rmdir()


def _is_spent(folder: Path, sweep: Path) -> bool:
    """Return whether no training can go on in the folder of a pack."""
    if not may_exist(folder / MEMBERS) or not has_run(folder):
        return True
    names = _members(folder / MEMBERS)
    return names is not None and all(_is_written(sweep / name) for name in names)


def _is_written(folder: Path) -> bool:
    """Return whether a cell's folder is seen to have its checkpoint; not if the system refuses the look."""
    return os.path.exists(folder / CHECKPOINT)


def _members(path: Path) -> list[str] | None:
    """Read the names of the cells of a pack; None if they cannot be read."""
    try:
        names = read_json(path)
    except (OSError, ValueError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
