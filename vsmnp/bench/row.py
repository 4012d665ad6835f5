"""Hold and format rows: the time of a case, its comparison, its share of the machine's limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from ..types import Array
from . import timing


@dataclass(frozen=True)
class BenchRow:
    """A measured case; None for what was not measured."""

    #: Name of the case, such as ``K-M2/30x2/S1``.
    case: str
    #: ``cpu``, or the name of the GPU.
    device: str
    #: Threads of the linear algebra.
    threads: int
    #: Median milliseconds of the engine; in an ensemble, of one model.
    ms: float | None = None
    #: Interquartile range of the engine's milliseconds.
    spread: float | None = None
    #: Name of the peer; None without a comparison.
    peer: str | None = None
    #: Median milliseconds of the peer, likewise.
    peer_ms: float | None = None
    #: Median over the rounds of peer over engine: larger is faster. In memory rows, of their peaks.
    ratio: float | None = None
    #: Products counted by formula, in 1e9 floating-point operations per second.
    gflops: float | None = None
    #: Bytes that have to be read and written, by formula.
    bytes: int | None = None
    #: Share of the copy bandwidth (kernels) or of the rate of one large product (steps), measured with it.
    fraction_of_limit: float | None = None
    #: Share of the arithmetic peak of the cores, a loop of fused multiply-adds measured with it; steps and
    #: products have it.
    fraction_of_peak: float | None = None
    #: Bytes read and written by a copy, in 1e9 per second.
    bandwidth: float | None = None
    #: Peak resident memory of a fresh process, in 1e6 bytes.
    peak_mb: float | None = None
    #: Peak resident memory of the peer's process, in 1e6 bytes.
    peer_peak_mb: float | None = None
    #: The varied quantity of a series; below, its value.
    axis: str | None = None
    value: float | None = None
    #: Number of rounds of the medians.
    rounds: int = 0
    #: Whether products ran in TF32.
    tf32: bool = False
    #: Machine and versions of the measurement.
    machine: str = ""
    #: The widest vector unit of the processor, such as ``AVX2``.
    vectors: str = ""
    #: The commit of the checkout that was measured; empty for an installation.
    commit: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Return names and values, the documented columns first."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The row in short, as a line of progress."""
        parts = [("", self.ms, " ms"), (f"{self.peer} ", self.peer_ms, " ms"), ("ratio ", self.ratio, "")]
        parts += [("peak ", self.peak_mb, " MB")]
        known = [f"{before}{_number(value)}{unit}" for before, value, unit in parts if value is not None]
        return f"{self.case}: {', '.join(known)}"

    def beside(self, peer: str, theirs: Array, mine: Array) -> BenchRow:
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
    "fraction_of_peak": ("of FMA peak", _percent),
    "bandwidth": ("GB/s", _number),
    "peak_mb": ("peak MB", _number),
}
COLUMNS = tuple(_FORMATS)


def markdown(rows: Sequence[BenchRow]) -> str:
    """Format the rows as one table, with the machine above it."""
    lines = [f"Measured on {machine}." for machine in sorted({row.machine for row in rows if row.machine})]
    header = [title for title, _ in _FORMATS.values()]
    lines += ["", "| " + " | ".join(header) + " |", "|---|---|" + "---:|" * 3 + "---|" + "---:|" * 8]
    for row in rows:
        cells = [show(getattr(row, name)) for name, (_, show) in _FORMATS.items()]
        lines.append("| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")
    return "\n".join([*lines, ""])
