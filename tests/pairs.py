"""Run two processes that do the same at the same instant, any number of times; each is started once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from vsmnp.errors import VsmnpError
from vsmnp.parallel.single import ALONE
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings

#: Seconds after which a process that does not reach a barrier has failed.
PATIENCE = 60.0
TINY = Settings(
    kernels="reference", steps=8, log_every=2, batch_size=10, hidden=(3,), samples=2, seeds=(5, 6)
)
#: The same settings as options of the command line.
CHOSEN = {name: value for name, value in TINY.to_mapping().items() if name != "epochs"}
#: Options by which the runs of a pair differ.
RATES = (1e-3, 1e-2)

Meet: TypeAlias = Callable[[], object]


class Outcome(NamedTuple):
    """The folder that one of the two processes got, or the kind of error and its sentence."""

    folder: str
    error: str = ""
    sentence: str = ""


#: Arguments of a job: its process, the barrier, the folder. Both processes pass the barrier twice.
Job: TypeAlias = Callable[[int, Meet, Path], Outcome]


def _attempt(meet: Meet, begin: Callable[[], Session]) -> Outcome:
    """Run a job at the same instant; a process that succeeds keeps its folder until the other has tried."""
    session = None
    meet()
    try:
        session = begin()
        outcome = Outcome(str(session.folder))
    except VsmnpError as error:
        outcome = Outcome("", type(error).__name__, str(error))
    meet()
    if session is not None:
        session.close()
    return outcome


def by_default_name(which: int, meet: Meet, place: Path) -> Outcome:
    """Run ``vsmnp train`` up to its first step, without --out."""
    from vsmnp.cli.commands import train

    os.chdir(place)
    chosen = {**CHOSEN, "lr": RATES[which]}
    return _attempt(meet, lambda: train._started(chosen, None, None, None, False, ALONE))


def by_one_name(which: int, meet: Meet, place: Path) -> Outcome:
    """Run it with an --out that exists and is empty, or does not exist."""
    settings = replace(TINY, lr=RATES[which])
    return _attempt(meet, lambda: Session.new(settings, folder=place / "run"))


def by_resuming(which: int, meet: Meet, place: Path) -> Outcome:
    """Run ``vsmnp train --resume`` up to its first step."""
    return _attempt(meet, lambda: Session.resumed(place / "run"))


def to_the_end(which: int, meet: Meet, place: Path) -> Outcome:
    """Train a resumed run at once, so that one may begin at any instant of the other, its end included."""

    def train() -> Session:
        session = Session.resumed(place / "run")
        session.train()
        return session

    return _attempt(meet, train)


def _work(which: int, meeting: Any, tasks: Any) -> None:
    from vsmnp.data.synthetic.synthetic import Synthetic

    Synthetic.n_train, Synthetic.n_test = 400, 40
    while (task := tasks.recv()) is not None:
        job, place = task
        try:
            tasks.send(job(which, lambda: meeting.wait(PATIENCE), place))
        except Exception as error:
            meeting.abort()  # the other process need not wait
            tasks.send(Outcome("", type(error).__name__, str(error)))


@contextlib.contextmanager
def pair() -> Iterator[Callable[[Job, Path], list[Outcome]]]:
    """Start two processes; the yielded function runs a job in both and returns both outcomes."""
    context = multiprocessing.get_context("spawn")
    meeting = context.Barrier(2)
    pipes = [context.Pipe() for _ in range(2)]
    processes = [
        context.Process(target=_work, args=(which, meeting, there), daemon=True)
        for which, (_, there) in enumerate(pipes)
    ]
    for process in processes:
        process.start()

    def at_once(job: Job, place: Path) -> list[Outcome]:
        for here, _ in pipes:
            here.send((job, place))
        outcomes = [_received(here) for here, _ in pipes]
        if meeting.broken:
            meeting.reset()
        return outcomes

    try:
        yield at_once
        for here, _ in pipes:
            here.send(None)
    finally:
        for process in processes:
            process.join(5)
            process.kill()
            process.join()


def _received(here: Any) -> Outcome:
    assert here.poll(2 * PATIENCE), "a process of the pair does not answer"
    outcome: Outcome = here.recv()
    return outcome
