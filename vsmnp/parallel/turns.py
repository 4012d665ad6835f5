"""Run functions in turns, each until it needs the values of all others.

The parts of a minibatch that one process computes meet where a layer or an objective needs a mean over the
whole minibatch. Each part has a thread of its own, and as many as are asked for run at the same time, in the
order of the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Semaphore, Thread
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

#: Called by a function with its value where all meet; returns what is made of the values of all.
Meeting: TypeAlias = Callable[[Any], Any]


class _Abandoned(BaseException):
    """Another function has failed: this one is ended where it waits."""


class _Turn(Generic[T]):
    """A function in a thread that runs from :meth:`resume` to its next meeting, or its end."""

    def __init__(self, work: Callable[[Meeting], T]) -> None:
        self._work, self._go, self._paused = work, Semaphore(0), Semaphore(0)
        self._answer: Any = None
        self._abandoned = False
        self._error: BaseException | None = None
        self.value: Any = None
        self.ended = False
        self.result: T | None = None
        context = copy_context()  # how NumPy treats floating-point errors belongs to the context
        self._thread = Thread(target=lambda: context.run(self._run), daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._abandoned:
                self.result = self._work(self._meet)
        except BaseException as error:
            self._error = error
        finally:
            self.ended = True
            self._paused.release()

    def _meet(self, value: Any) -> Any:
        self.value = value
        self._paused.release()
        self._go.acquire()
        if self._abandoned:
            raise _Abandoned
        return self._answer

    def resume(self, answer: Any) -> None:
        """Let the function go on with the answer of the last meeting."""
        self._answer = answer
        self._go.release()

    def wait(self) -> None:
        """Wait until the function is at its next meeting, or has ended; raise what ended it."""
        self._paused.acquire()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """End the function at its next meeting, without waiting for it."""
        self._abandoned = True
        self._go.release()

    def join(self) -> None:
        """Wait until the function has ended."""
        self._thread.join()


def in_turns(
    works: Sequence[Callable[[Meeting], T]], meet: Callable[[Sequence[Any]], Any], at_once: int = 1
) -> list[T]:
    """Run all functions and return their results; ``meet`` makes an answer for all of the values of all.

    All functions have the same number of meetings. An exception of one ends the others, and is raised.
    ``at_once`` functions run at the same time: they may change nothing that another reads.
    """
    if len(works) == 1:
        return [works[0](lambda value: meet([value]))]
    turns: list[_Turn[T]] = []
    answer = None
    try:
        turns.extend(map(_Turn, works))
        while True:
            for first in range(0, len(turns), at_once):
                for turn in turns[first : first + at_once]:
                    turn.resume(answer)
                for turn in turns[first : first + at_once]:
                    turn.wait()
            if any(turn.ended for turn in turns):
                break
            answer = meet([turn.value for turn in turns])
        assert all(turn.ended for turn in turns), "all have the same number of meetings"
    finally:
        for turn in turns:
            turn.abandon()
        for turn in turns:
            turn.join()
    return [turn.result for turn in turns]  # type: ignore[misc]
