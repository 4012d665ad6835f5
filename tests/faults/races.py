"""Race two commands: one stops before each of its calls of the system, and the other works meanwhile.

Both orders are tried, as each of the two commands is the one that stops. A command that cannot go on because
the other is stopped with a lock must say so, or wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults.children import Ended, command_line, start
from faults.commands import (
    EVALUATE,
    KERNELS,
    LONGER,
    PICTURES,
    REPRODUCE,
    SWEEP,
    TRAIN,
    WORKS,
    contents,
    copied,
    differing,
    resumed,
)  # fmt: skip
from faults.counts import Counts
from faults.share import Share
from faults.shim import COUNT, KINDS, STOP, Plan

#: Calls at which a command may stop: those between which another can change what was seen.
_KINDS = ("open", "rename", "stat", "list", "unlink", "make", "link", "lock", "sync")


@dataclass(frozen=True)
class Pair:
    """Two commands on the same files, what must be true of their ends, and how the work is finished."""

    name: str
    prepared: str
    first: list[str]
    second: list[str]
    finish: Callable[[Path], list[str]]
    #: How many of the two may end with a sentence.
    refused: tuple[int, ...] = (0,)


def _copy_of_pictures(folder: Path) -> list[str]:
    return [*PICTURES[:-1], "run3"]


PAIRS = (
    Pair("train, train", "train", TRAIN, TRAIN, resumed(TRAIN), (1,)),
    Pair("resume, resume", "resume", LONGER, LONGER, lambda folder: LONGER, (0, 1)),
    Pair("resume, evaluate", "resume", LONGER, EVALUATE, lambda folder: LONGER),
    Pair("evaluate, resume", "resume", EVALUATE, LONGER, lambda folder: LONGER),
    Pair("evaluate, evaluate", "evaluate", EVALUATE, EVALUATE, lambda folder: EVALUATE),
    Pair("pictures, pictures", "pictures", PICTURES, [*PICTURES[:-1], "run2"], _copy_of_pictures),
    Pair("reproduce, reproduce", "reproduce", REPRODUCE, REPRODUCE, lambda folder: REPRODUCE, (0, 1)),
    Pair("sweep, sweep", "sweep", SWEEP, SWEEP, lambda folder: SWEEP, (0, 1)),
    Pair("kernels, kernels", "kernels", KERNELS, KERNELS, lambda folder: KERNELS),
)  # fmt: skip


def campaign(place: Path, share: Share, names: tuple[str, ...] = ()) -> Counts:
    """Run all pairs, with the first command stopped at each of its calls."""
    counts = Counts()
    chosen = [pair for pair in PAIRS if not names or pair.name in names]
    for index, pair in enumerate(chosen):
        template = WORKS[pair.prepared].template(place / "templates" / pair.name)
        folder = copied(template, place / "work")
        alone = start(command_line(pair.first, folder), folder, Plan(_KINDS, -1, COUNT)).wait()
        assert not alone.code, alone.output
        for words in (pair.second, pair.finish(folder)):
            start(command_line(words, folder), folder).wait()
        wanted = contents(folder)
        total = sum(n for kind, n in zip(KINDS, alone.state.counts, strict=True) if kind in _KINDS)
        for k in share.of(range(total), (index + 1) / len(chosen)):
            counts.tried += 1
            _race(pair, k, copied(template, folder), wanted, counts)
        counts.progress(pair.name)
    return counts


def _race(pair: Pair, k: int, folder: Path, wanted: dict[str, bytes], counts: Counts) -> None:
    first = start(command_line(pair.first, folder), folder, Plan(_KINDS, k, STOP))
    stopped = first.stopped()
    second = start(command_line(pair.second, folder), folder)
    if stopped:
        second.ends_or_waits()
    first.go()
    ends = [first.wait(), second.wait()]
    said = f"{pair.name}, the first stops at {ends[0].state.last.decode() or k}"
    for ended in ends:
        _judge_end(ended, said, counts)
    refused = [ended for ended in ends if ended.code]
    if len(refused) not in pair.refused:
        counts.fault("lost", f"{said}: {len(refused)} refused: {[ended.output[-700:] for ended in ends]}")
    again = start(command_line(pair.finish(folder), folder), folder).wait()
    if again.code:
        counts.fault("lost", f"{said}: then {again.output[-1000:]}")
        return
    _judge_end(again, said, counts)
    if wrong := differing(contents(folder), wanted):
        counts.fault("differing", f"{said}: {wrong}")


def _judge_end(ended: Ended, said: str, counts: Counts) -> None:
    if ended.hung:
        counts.fault("hangs", said)
    elif ended.fault:
        counts.fault("tracebacks", f"{said}: {ended.fault}: {ended.output[-1500:]}")
