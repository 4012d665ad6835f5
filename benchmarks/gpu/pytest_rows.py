"""Write one row for each test while pytest runs: `pytest -p gpu.pytest_rows`."""

from __future__ import annotations

from typing import Any

from .rows import write_row


def pytest_runtest_logreport(report: Any) -> None:
    """Write a test's outcome and seconds; for fixtures only failures."""
    if report.when == "call" or report.outcome != "passed":
        why = str(report.longrepr).strip().splitlines()[-1:] if report.outcome == "failed" else []
        write_row(
            test=report.nodeid.rpartition("/")[2], outcome=report.outcome, seconds=round(report.duration, 3),
            why=" ".join(why),
        )  # fmt: skip
