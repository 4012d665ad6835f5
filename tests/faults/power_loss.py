"""Simulate losses of power: build what a disk may hold after a crash at each point of a training, and go on.

The library records the changes of a training; ``disk.py`` says what a crash may leave of them.
"""

from __future__ import annotations

import hashlib
import logging
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.children import command_line, start
from faults.commands import WORKS, Work, contents, copied, differing
from faults.counts import Counts
from faults.disk import Disk, Tree, crashes, read_changes
from faults.share import Share
from faults.shim import mark

#: The commands whose changes are replayed.
POWER = ("train", "resume", "pictures", "kernels")
#: Hidden files, and machine code, which is not flushed: a torn file is found by its seal and made again.
_MAY_BE_TORN = re.compile(r"^\.|\.nbc")


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
    from vsmnp.runs.newest import newest_checkpoint

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
    chosen = [WORKS[name] for name in POWER if not names or name in names]
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
        counts.progress(work.name)
    return counts


def _judge(
    folder: Path, work: Work, acknowledged: int, whole: set[bytes], wanted: dict[str, bytes], counts: Counts,
    said: str,
) -> None:  # fmt: skip
    torn = [
        path.name for path in folder.rglob("*")
        if path.is_file() and not _MAY_BE_TORN.search(path.name)
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
    if wrong := differing(contents(folder), wanted):
        counts.fault("differing", f"{said}: {wrong}")
