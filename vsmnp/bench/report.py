"""Rows as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from .row import Row

_HEADER = (
    "case", "device", "threads", "ms", "spread", "peer", "peer ms", "ratio", "GFLOP/s", "bytes", "of limit",
    "peak MB",
)  # fmt: skip


def cells(row: Row) -> tuple[object, ...]:
    """The named columns of a row, rounded for people."""
    return (
        row.case, row.device, row.threads, _number(row.ms), _number(row.spread, 2), row.peer,
        _number(row.peer_ms), _number(row.ratio), _number(row.gflops), row.bytes,
        _percent(row.fraction_of_limit), _number(row.peak_mb),
    )  # fmt: skip


def markdown(rows: Sequence[Row]) -> str:
    """One table, and the machine above it."""
    lines = [f"Measured on {machine}." for machine in sorted({row.machine for row in rows if row.machine})]
    lines += ["", "| " + " | ".join(_HEADER) + " |", "|---|---|" + "---:|" * 3 + "---|" + "---:|" * 6]
    for row in rows:
        lines.append("| " + " | ".join("" if cell is None else str(cell) for cell in cells(row)) + " |")
    return "\n".join([*lines, ""])


def _number(value: float | None, digits: int = 3) -> str | None:
    if value is None:
        return None
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def _percent(fraction: float | None) -> str | None:
    return None if fraction is None else f"{100 * fraction:.0f}%"
