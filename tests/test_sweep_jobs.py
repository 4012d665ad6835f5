"""Test the executor of jobs with jobs that cannot say what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vsmnp.sweeps.engines.slurm import JobExecutor


class Job:
    """A job that answers each question by the function of its name."""

    job_id, state = "7", "UNKNOWN"

    def __init__(self, done: Callable[[], bool], exception: Callable[[], Exception | None]) -> None:
        self.done, self.exception = done, exception

    def result(self) -> str:
        return "a result"

    def cancel(self) -> None:
        """Keep the job: what these tests submit has ended."""


def fails() -> Any:
    raise EOFError("Ran out of input")


def answer(job: Job) -> Any:
    """Return what a future of this job, and one of a sound job after it, come to."""
    jobs = iter([job, Job(lambda: True, lambda: None)])
    executor = JobExecutor(lambda *_: next(jobs))
    first, second = executor.submit(len, ()), executor.submit(len, ())
    try:
        assert second.result(20) == "a result"
        return first.exception(20)
    finally:
        executor.shutdown()


@pytest.mark.parametrize(
    "job", [Job(lambda: True, fails), Job(fails, fails)], ids=["a torn result", "no answer of the cluster"]
)
def test_a_job_that_cannot_be_asked_ends_its_future_and_no_other(job: Job) -> None:
    assert isinstance(answer(job), EOFError)


def test_the_error_of_a_job_is_that_of_its_future() -> None:
    error = OSError("lost")
    assert answer(Job(lambda: True, lambda: error)) is error
