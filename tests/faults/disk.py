"""A disk in memory: changes of files and folders are applied, and crashes leave some of them out.

Of a file, what was written since its last fsync may be missing or zeros, change by change; of a folder, each
creation, link, rename and removal since its last fsync may be missing. This asks more than a journalling
file system does, which keeps an order.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

_HEAD = struct.Struct("iiiiqq")
#: Most states of one crash that are all built; of more, this many are drawn.
EXHAUSTIVE = 256


class Change(NamedTuple):
    """One change of the record: a letter, one or two paths, and the place and bytes of a write."""

    what: str
    path: str
    other: str
    flags: int
    offset: int
    data: bytes


def read_changes(log: Path) -> list[Change]:
    """Read the record of the library."""
    content, found, at = log.read_bytes(), [], 0
    while at < len(content):
        what, first, second, flags, offset, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        parts = []
        for size in (first, second, max(length, 0)):
            parts.append(content[at : at + size])
            at += size
        found.append(Change(chr(what), parts[0].decode(), parts[1].decode(), flags, offset, parts[2]))
    return found


@dataclass
class File:
    """A file: what is on the disk, and the changes since, each a place and bytes, or a length."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def content(self, fates: Sequence[str]) -> bytes:
        """Apply the pending changes by their fates: done, missing, or zeros in place of the bytes."""
        found = bytearray(self.durable)
        for (at, data), fate in zip(self.pending, fates, strict=True):
            if fate == "missing":
                continue
            if data is None:
                found = found[:at].ljust(at, b"\0")
            else:
                found = found.ljust(at + len(data), b"\0")
                found[at : at + len(data)] = bytes(len(data)) if fate == "zeros" else data
        return bytes(found)

    @property
    def now(self) -> bytes:
        """The content with every change done."""
        return self.content(["done"] * len(self.pending))


@dataclass
class Folder:
    """A folder: its entries on the disk, and changes since: names that get a file, a folder or nothing."""

    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[dict[str, File | Folder | None]] = field(default_factory=list)

    def entries(self, fates: Sequence[str]) -> dict[str, File | Folder]:
        """Apply the pending changes that are done."""
        found: dict[str, File | Folder | None] = {**self.durable}
        for change, fate in zip(self.pending, fates, strict=True):
            if fate == "done":
                found.update(change)
        return {name: entry for name, entry in found.items() if entry is not None}

    @property
    def now(self) -> dict[str, File | Folder]:
        """The entries with every change done."""
        return self.entries(["done"] * len(self.pending))


class Disk:
    """A folder of files to which changes are applied one after another."""

    def __init__(self, root: Path) -> None:
        self.place = str(root)
        self.root = _loaded(root)
        #: Every content that a file of a name had when it was made to be whole on the disk, by name.
        self.whole: set[bytes] = {hashlib.sha256(each).digest() for _, each in _files(self.root)}
        self.acknowledged = -1

    def _find(self, path: str) -> Any:
        place: Any = self.root
        for part in Path(os.path.relpath(path, self.place)).parts:
            place = place.now.get(part) if isinstance(place, Folder) else None
        return place

    def apply(self, change: Change) -> None:
        """Apply a change as the running system sees it."""
        what, path = change.what, change.path
        if what == "m":
            self.acknowledged = int(path.rpartition("/")[2])
            return
        found = self._find(path)
        folder, name = self._find(os.path.dirname(path)), os.path.basename(path)
        if what == "o" and found is None and isinstance(folder, Folder):
            folder.pending.append({name: File()})
        elif what == "o" and change.flags and isinstance(found, File):
            found.pending.append((0, None))
        elif what == "w" and isinstance(found, File):
            found.pending.append((change.offset, change.data))
        elif what == "t" and isinstance(found, File):
            found.pending.append((change.offset, None))
        elif what == "s" and isinstance(found, File):
            found.durable, found.pending = found.now, []
            self.whole.add(hashlib.sha256(found.durable).digest())
        elif what == "s" and isinstance(found, Folder):
            found.durable, found.pending = found.now, []
        elif what == "d":
            folder.pending.append({name: Folder()})
        elif what == "u" and found is not None:
            folder.pending.append({name: None})
        elif what in "rl" and found is not None:
            assert os.path.dirname(change.other) == os.path.dirname(path)
            new = {os.path.basename(change.other): found}
            folder.pending.append({**new, name: None} if what == "r" else new)


def _loaded(root: Path) -> Folder:
    found = Folder()
    for path in root.iterdir():
        found.durable[path.name] = _loaded(path) if path.is_dir() else File(path.read_bytes())
    return found


def _files(folder: Folder) -> Iterator[tuple[str, bytes]]:
    for name, entry in folder.now.items():
        if isinstance(entry, File):
            yield name, entry.now
        else:
            yield from _files(entry)


Tree = dict[str, bytes | None]


def crashes(root: Folder, chance: random.Random) -> Iterator[Tree]:
    """Yield what may be on the disk after a crash: paths with contents, or None for a folder.

    All states if they are few, else those in which one change is missing or one is done, and a sample.
    """
    units: list[tuple[Any, int]] = []

    def gather(folder: Folder) -> None:
        units.extend((folder, i) for i in range(len(folder.pending)))
        seen: list[File | Folder] = []
        for entry in [*folder.durable.values(), *(v for each in folder.pending for v in each.values() if v)]:
            if any(entry is each for each in seen):
                continue
            seen.append(entry)
            if isinstance(entry, Folder):
                gather(entry)
            else:
                units.extend((entry, i) for i in range(len(entry.pending)))

    gather(root)
    units = list({(id(owner), i): (owner, i) for owner, i in units}.values())
    of_file, of_folder = ("done", "missing", "zeros"), ("done", "missing")
    fates = [of_folder if isinstance(owner, Folder) else of_file for owner, _ in units]
    total = 1
    for each in fates:
        total *= len(each)
    choices: Iterator[Sequence[str]]
    if total <= EXHAUSTIVE:
        choices = itertools.product(*fates)
    else:
        done, missing = ["done"] * len(units), ["missing"] * len(units)
        choices = iter([
            done, missing,
            *([*done[:i], fate, *done[i + 1 :]] for i in range(len(units)) for fate in fates[i][1:]),
            *([*missing[:i], "done", *missing[i + 1 :]] for i in range(len(units))),
            *([chance.choice(each) for each in fates] for _ in range(EXHAUSTIVE)),
        ])  # fmt: skip
    for choice in choices:
        yield _tree(root, {(id(owner), i): fate for (owner, i), fate in zip(units, choice, strict=True)})


def _tree(folder: Folder, fates: dict[tuple[int, int], str], path: str = "") -> Tree:
    found: Tree = {}
    own = [fates[id(folder), i] for i in range(len(folder.pending))]
    for name, entry in folder.entries(own).items():
        if isinstance(entry, Folder):
            found[path + name] = None
            found.update(_tree(entry, fates, f"{path}{name}/"))
        else:
            found[path + name] = entry.content([fates[id(entry), i] for i in range(len(entry.pending))])
    return found
