"""Two processes that do the same at the same instant, as often as one likes: each is started once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from vsmnp.errors import VsmnpError
from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings

#: Seconds after which a process that does not come to a meeting has failed.
PATIENCE = 60.0
TINY = Settings(
    kernels="reference", steps=8, log_every=2, batch_size=10, hidden=(3,), samples=2, seeds=(5, 6)
)
#: The same as the command line has it.
CHOSEN = {name: value for name, value in TINY.to_mapping().items() if name != "epochs"}
#: By which the runs of a pair are told from each other.
RATES = (1e-3, 1e-2)

Meet: TypeAlias = Callable[[], object]


class Outcome(NamedTuple):
    """The folder that one of the two got, or the kind of error and its sentence."""

    folder: str
    error: str = ""
    sentence: str = ""


#: What one of the two does: who it is, the meeting, the place. Both meet twice, before and after.
Job: TypeAlias = Callable[[int, Meet, Path], Outcome]


def _attempt(meet: Meet, begin: Callable[[], Session]) -> Outcome:
    """Begin at the same instant; a process that succeeds keeps its folder until the other has tried too."""
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
    """``vsmnp train`` up to its first step, without --out."""
    from vsmnp.cli.commands import train

    os.chdir(place)
    chosen = {**CHOSEN, "lr": RATES[which]}
    return _attempt(meet, lambda: train._started(chosen, None, None, None, False))


def by_one_name(which: int, meet: Meet, place: Path) -> Outcome:
    """The same with an --out that is there and empty, or is not there."""
    settings = replace(TINY, lr=RATES[which])
    return _attempt(meet, lambda: Session.new(settings, folder=place / "run"))


def by_resuming(which: int, meet: Meet, place: Path) -> Outcome:
    """``vsmnp train --resume`` up to its first step."""
    return _attempt(meet, lambda: Session.resumed(place / "run"))


def to_the_end(which: int, meet: Meet, place: Path) -> Outcome:
    """A resumed run trained at once, so that one may begin at any instant of the other, its end too."""

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
            meeting.abort()  # the other need not wait
            tasks.send(Outcome("", type(error).__name__, str(error)))


@contextlib.contextmanager
def pair() -> Iterator[Callable[[Job, Path], list[Outcome]]]:
    """Start two processes; the function that is yielded lets both do a job and gives both outcomes."""
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
