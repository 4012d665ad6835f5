"""One line of a benchmark: who took how long for what, and how much of the machine that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

#: The columns that every reader may rely on, in order.
COLUMNS = (
    "case", "device", "threads", "ms", "spread", "peer", "peer_ms", "ratio",
    "gflops", "bytes", "fraction_of_limit", "peak_mb",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A case, measured; None is what was not measured.

    Attributes
    ----------
    case : str
        What was done, such as ``K-M2/30x2/S1``.
    device : str
        ``cpu``, or the name of the card.
    threads : int
        Of the linear algebra.
    ms, peer_ms : float or None
        Median milliseconds of the product and of the peer; in an ensemble, of one model.
    spread : float or None
        Interquartile range of the product's milliseconds.
    peer : str or None
        Who is compared; None alone.
    ratio : float or None
        Median over the rounds of peer over product: larger is faster. In memory rows, of their peaks.
    gflops : float or None
        Products counted by formula, in 1e9 floating-point operations a second.
    bytes : int or None
        What has to be read and written, by formula.
    fraction_of_limit : float or None
        Of the copy bandwidth (kernels) or of the rate of one large product (steps), measured beside it.
    peak_mb : float or None
        Peak resident memory of a fresh process, in 1e6 bytes.
    peer_peak_mb : float or None
        The peer's.
    axis, value : str, float or None
        What was varied, where that is the point of the case.
    rounds : int
        Rounds that the medians are over.
    tf32 : bool
        Whether products ran in TF32.
    machine : str
        Where, and with which versions.
    """

    case: str
    device: str
    threads: int
    ms: float | None = None
    spread: float | None = None
    peer: str | None = None
    peer_ms: float | None = None
    ratio: float | None = None
    gflops: float | None = None
    bytes: int | None = None
    fraction_of_limit: float | None = None
    peak_mb: float | None = None
    peer_peak_mb: float | None = None
    axis: str | None = None
    value: float | None = None
    rounds: int = 0
    tf32: bool = False
    machine: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Names and values, the named columns first."""
        return asdict(self)


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
