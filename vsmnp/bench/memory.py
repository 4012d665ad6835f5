"""Measure peak memory of a contender in a fresh process that only trains."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .bench import Bench
from .case import Case
from .contenders.contender import Contender, Engine
from .contenders.peers import PeerFolder
from .problem import Problem
from .row import BenchRow

#: Steps before the peak is read, enough to allocate every buffer.
STEPS = 10
#: Name of the engine among the contenders.
ENGINE = "vsmnp"


@dataclass(frozen=True)
class PeakPart:
    """The case's peak resident memory and that of each peer, one process each.

    The whole process counts: interpreter, libraries, parameters and temporaries.
    """

    case: Case

    @property
    def title(self) -> str:
        return f"peak memory of {self.case.name}"

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        mine = self._peak(ENGINE, self.case, bench)
        base = bench.row(f"memory/{self.case.name}", self.case, None, peak_mb=mine, tf32=False)
        compared = []
        for name in bench.peers:
            try:
                theirs = self._peak(name, replace(self.case, kernels="reference"), bench)
            except ConfigError as error:
                if bench.required and len(bench.peers) == 1:
                    raise
                bench.note(str(error))
                continue
            compared.append(replace(base, peer=name, peer_peak_mb=theirs, ratio=theirs / mine))
        yield from compared or [base]

    def _peak(self, contender: str, case: Case, bench: Bench) -> float:
        return float(bench.in_process("peak", case, who=contender)["peak_mb"])


def measure(request: Mapping[str, Any]) -> dict[str, float]:
    """Train in the separate process, and read its peak memory."""
    problem, name = Problem(Case.from_mapping(request["case"])), request["who"]
    make: Callable[[Problem], Contender] = Engine
    if name != ENGINE:
        peer = PeerFolder.of(request["folder"]).load(name)
        obstacle = peer.obstacle(problem)
        if obstacle:
            raise ConfigError(f"{problem.case.name} without {name}: {obstacle}")
        make = peer.make
    contender = make(problem)
    for _ in range(STEPS):
        contender.step()
    contender.wait()
    return {"peak_mb": 1e-6 * peak_bytes()}


def peak_bytes() -> int:
    """Return the largest resident size of this process so far: VmHWM, or the value of ``getrusage``."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
