"""Packs: cells that differ only in what a model of an ensemble may have for itself are trained as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..runs.folder import CHECKPOINT
from ..settings.choices import ARCHITECTURES
from ..settings.in_effect import OF_A_MODEL
from ..settings.json_file import read_json
from ..settings.settings import Settings
from ..storage import make_folder, write_text
from .cells import Cell

#: The folder of the packs that are trained, below that of the sweep.
PACKS = ".packs"
#: The file of a pack's folder that names its cells; hidden, so that a run can claim the folder.
MEMBERS = ".members.json"
#: Most models of a pack, unless the user chooses.
LARGEST = 64
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


def largest_pack(cells: int, workers: int) -> int:
    """Return the default size of a pack: every worker has one, and none has more than :data:`LARGEST`."""
    return max(1, min(LARGEST, -(-cells // workers)))


def interrupted_packs(sweep: Path, cells: Sequence[Cell]) -> Iterator[Pack]:
    """Yield the packs in the folder of a sweep that are trained in part, or wait to be divided."""
    by_name: dict[str, Cell] | None = None
    for path in sorted((sweep / PACKS).glob(f"*/{MEMBERS}")):
        try:
            names = read_json(path)
        except (OSError, ValueError):
            continue
        by_name = by_name or {cell.name: cell for cell in cells}
        if (path.parent / CHECKPOINT).exists() and isinstance(names, list) and set(names) <= set(by_name):
            yield Pack(tuple(by_name[name] for name in names))
