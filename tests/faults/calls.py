"""Fail every call of the system that a command makes on its files, one at a time, and finish its work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

from faults.children import Ended, run
from faults.commands import WORKS, Work, contents, copied, differing
from faults.counts import Counts
from faults.share import Share
from faults.shim import COUNT, FAIL, FAIL_ON, KILL, KINDS, SHORT, SHORTENED, Plan

#: The signals by which a library ends the process when it gets no memory.
_OF_LIBRARIES = (-signal.SIGSEGV, -signal.SIGABRT)
#: How a command that ends well says what it could not write or read.
_SAID = ("Note: ", "Missing from this grid: ", "Left out of this grid: ", "Not trained to the end: ")


def undisturbed(work: Work, template: Path, folder: Path) -> Ended:
    """Run a command without faults, and count its calls."""
    ended = run(work.words, copied(template, folder), Plan(tuple(KINDS), -1, COUNT))
    assert ended.code == 0, ended.output
    assert not ended.fault, ended.output
    return ended


def plans(calls: dict[str, int]) -> Iterator[Plan]:
    """Yield every failure of every call: once with each error, from there on with the first, and in part."""
    for kind, count in calls.items():
        for k in range(count):
            for code in KINDS[kind]:
                yield Plan((kind,), k, FAIL, code)
            yield Plan((kind,), k, FAIL_ON, KINDS[kind][0])
            if kind in SHORTENED:
                yield Plan((kind,), k, SHORT)


def kill_plans(calls: dict[str, int]) -> Iterator[Plan]:
    """Yield a kill before each call of any kind that changes or reads a file."""
    kinds = tuple(kind for kind in KINDS if kind not in ("stat", "allocate"))
    for k in range(sum(calls[kind] for kind in kinds)):
        yield Plan(kinds, k, KILL)


def _notes(output: str) -> set[str]:
    """Return the lines that say what could not be written or read, and other notes."""
    return {line for line in output.splitlines() if any(each in line for each in _SAID)}


def judge(
    work: Work, plan: Plan, ended: Ended, alone: Ended, folder: Path, wanted: dict[str, bytes], counts: Counts
) -> None:
    """Count what is wrong with the end of a command under a fault, and with its work done again.

    A note that the command makes ``alone`` too says nothing of the fault.
    """
    said = f"{work.name}, {plan}, at {ended.state.last.decode()}"
    killed = plan.mode == KILL and ended.code == -9
    if ended.hung:
        counts.fault("hangs", said)
    elif plan.kinds == ("allocate",) and ended.code in _OF_LIBRARIES:
        counts.refused += 1
    elif ended.fault and not killed:
        counts.fault("tracebacks", f"{said}: {ended.fault}\n{ended.output[-1500:]}")
    silent = not ended.code and _notes(ended.output) <= _notes(alone.output)
    if silent and (wrong := differing(contents(folder), wanted)):
        counts.fault("differing", f"{said}: ends without a word with other {wrong}: {ended.output[-1500:]}")
    again = work.finish(folder)
    if again.code or again.fault:
        counts.fault("lost", f"{said}: then {again.fault or again.code}: {again.output[-1500:]}")
        return
    if wrong := differing(contents(folder), wanted):
        counts.fault("differing", f"{said}: {wrong}")


def campaign(place: Path, share: Share, kills: bool, names: tuple[str, ...] = ()) -> Counts:
    """Run the trials of all commands that are in this share."""
    counts = Counts()
    chosen = [work for work in WORKS.values() if not names or work.name in names]
    for index, work in enumerate(chosen):
        template = work.template(place / "templates" / work.name)
        folder = place / "work"
        alone = undisturbed(work, template, folder)
        calls = dict(zip(KINDS, alone.state.counts, strict=True))
        wanted = contents(folder)
        until = (index + 1) / len(chosen)
        for plan in share.of(list((kill_plans if kills else plans)(calls)), until):
            ended = run(work.words, copied(template, folder), plan)
            counts.tried += 1
            judge(work, plan, ended, alone, folder, wanted, counts)
        counts.progress(work.name)
    return counts
