"""Simulate losses of power: build what a disk may hold after a crash at each point of a training, and go on.

The library records the changes of a training. Of a file, what was written since its last fsync may be missing
or zeros, change by change; of a folder, each creation, link, rename and removal since its last fsync may be
missing. This asks more than a journalling file system does, which keeps an order.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from faults.children import command_line, start
from faults.commands import WORKS, Work, contents, copied
from faults.counts import Counts
from faults.share import Share
from faults.shim import mark

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


def built(tree: Tree, folder: Path, empty: Path) -> Path:
    """Write a state into a folder."""
    copied(empty, folder)
    for name, content in sorted(tree.items()):
        if content is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
        else:
            (folder / name).write_bytes(content)
    return folder


def _acknowledging(call: Callable[[], None]) -> Callable[[], None]:
    """Record the step of a checkpoint when the function that writes it has returned."""

    def marked() -> None:
        from vsmnp.runs.folder import RunFolder

        write = RunFolder.write

        def writes(self: RunFolder, arrays: Any, *rest: Any) -> None:
            write(self, arrays, *rest)
            if self.folder is not None:
                mark(str(int(arrays["step"])))

        RunFolder.write = writes  # type: ignore[method-assign]
        call()

    return marked


def _step(folder: Path) -> int:
    """Return the step of the newest checkpoint that can be read, or -1."""
    from vsmnp.errors import CheckpointError
    from vsmnp.runs.folder import newest_checkpoint

    logging.disable()
    try:
        return int(newest_checkpoint(folder)[1].arrays["step"])
    except CheckpointError:
        return -1
    finally:
        logging.disable(logging.NOTSET)


def campaign(place: Path, share: Share, names: tuple[str, ...] = ()) -> Counts:
    """Stop a training and a resumed one after every change, in every way, and finish each.

    What is lost: a checkpoint that was acknowledged, or a file that has its name but not its content.
    """
    counts, chance = Counts(), random.Random(0)
    chosen = [WORKS[name] for name in ("train", "resume") if not names or name in names]
    for index, work in enumerate(chosen):
        template = work.template(place / "templates" / work.name)
        empty = place / "empty"
        empty.mkdir(exist_ok=True)
        folder, log = copied(template, place / "work"), place / "changes"
        ended = start(_acknowledging(command_line(work.words, folder)), folder, log=log).wait()
        assert ended.code == 0, ended.output
        wanted = contents(folder)
        disk = Disk(copied(template, folder))
        disk.place = str(folder)
        states: dict[bytes, tuple[Tree, int, int]] = {}
        changes = read_changes(log)
        for point, change in enumerate(changes):
            disk.apply(change)
            for tree in crashes(disk.root, chance):
                code = hashlib.sha256(repr(sorted(tree.items())).encode()).digest()
                if code not in states or states[code][1] < disk.acknowledged:
                    states[code] = tree, disk.acknowledged, point
        for tree, acknowledged, point in share.of(list(states.values()), (index + 1) / len(chosen)):
            counts.tried += 1
            said = f"{work.name}, after change {point} ({changes[point].what} {changes[point].path[-60:]})"
            _judge(built(tree, folder, empty), work, acknowledged, disk.whole, wanted, counts, said)
    return counts


def _judge(
    folder: Path, work: Work, acknowledged: int, whole: set[bytes], wanted: dict[str, bytes], counts: Counts,
    said: str,
) -> None:  # fmt: skip
    torn = [
        path.name for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
        and hashlib.sha256(path.read_bytes()).digest() not in whole
    ]  # fmt: skip
    if torn:
        counts.fault("lost", f"{said}: torn: {torn}")
    if _step(folder / "run") < acknowledged:
        counts.fault("lost", f"{said}: step {_step(folder / 'run')} of {acknowledged}")
    again = work.finish(folder)
    if again.hung:
        counts.fault("hangs", said)
    elif again.fault:
        counts.fault("tracebacks", f"{said}: {again.fault}: {again.output[-1500:]}")
    if again.code:
        counts.fault("lost", f"{said}: {again.output[-1000:]}")
        return
    found = contents(folder)
    if found != wanted:
        names = [name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)]
        counts.fault("differing", f"{said}: {sorted(names)}")
