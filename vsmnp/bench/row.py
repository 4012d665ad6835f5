"""Hold and format rows: the time of a case, its comparison, its share of the machine's limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from ..types import Array
from . import timing


@dataclass(frozen=True)
class Row:
    """A measured case; None for what was not measured.

    Attributes
    ----------
    case : str
        Name of the case, such as ``K-M2/30x2/S1``.
    device : str
        ``cpu``, or the name of the GPU.
    threads : int
        Threads of the linear algebra.
    ms, peer_ms : float or None
        Median milliseconds of the engine and of the peer; in an ensemble, of one model.
    spread : float or None
        Interquartile range of the engine's milliseconds.
    peer : str or None
        Name of the peer; None without a comparison.
    ratio : float or None
        Median over the rounds of peer over engine: larger is faster. In memory rows, of their peaks.
    gflops : float or None
        Products counted by formula, in 1e9 floating-point operations per second.
    bytes : int or None
        Bytes that have to be read and written, by formula.
    fraction_of_limit : float or None
        Share of the copy bandwidth (kernels) or of the rate of one large product (steps), measured with it.
    peak_mb : float or None
        Peak resident memory of a fresh process, in 1e6 bytes.
    peer_peak_mb : float or None
        Peak resident memory of the peer's process, in 1e6 bytes.
    axis, value : str, float or None
        The varied quantity and its value, in a series.
    rounds : int
        Number of rounds of the medians.
    tf32 : bool
        Whether products ran in TF32.
    machine : str
        Machine and versions of the measurement.
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
        """Return names and values, the documented columns first."""
        return asdict(self)

    def beside(self, peer: str, theirs: Array, mine: Array) -> Row:
        """Return the row with a peer, whose times are compared round by round with those of the engine."""
        return replace(self, peer=peer, peer_ms=timing.median(theirs), ratio=timing.ratio(theirs, mine))


def _number(value: float | None, digits: int = 3) -> str | None:
    if value is None:
        return None
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def _percent(fraction: float | None) -> str | None:
    return None if fraction is None else f"{100 * fraction:.0f}%"


def _as_it_is(value: object) -> object:
    return value


#: The documented columns in order, each with its header in a Markdown table and its format there.
_FORMATS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "case": ("case", _as_it_is),
    "device": ("device", _as_it_is),
    "threads": ("threads", _as_it_is),
    "ms": ("ms", _number),
    "spread": ("spread", partial(_number, digits=2)),
    "peer": ("peer", _as_it_is),
    "peer_ms": ("peer ms", _number),
    "ratio": ("ratio", _number),
    "gflops": ("GFLOP/s", _number),
    "bytes": ("bytes", _as_it_is),
    "fraction_of_limit": ("of limit", _percent),
    "peak_mb": ("peak MB", _number),
}
COLUMNS = tuple(_FORMATS)


def markdown(rows: Sequence[Row]) -> str:
    """Format the rows as one table, with the machine above it."""
    lines = [f"Measured on {machine}." for machine in sorted({row.machine for row in rows if row.machine})]
    header = [title for title, _ in _FORMATS.values()]
    lines += ["", "| " + " | ".join(header) + " |", "|---|---|" + "---:|" * 3 + "---|" + "---:|" * 6]
    for row in rows:
        cells = [show(getattr(row, name)) for name, (_, show) in _FORMATS.items()]
        lines.append("| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")
    return "\n".join([*lines, ""])
