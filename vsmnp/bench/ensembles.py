"""Ensembles against a single model, and against peers that vectorise over models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import spawn, timing
from .bench import Bench
from .case import Case
from .contender import Engine
from .counts import step_bytes, step_flops
from .peers import PeerFolder
from .problem import Problem
from .row import Row
from .timing import Pace

#: Name of the first comparison of an ensemble.
ALONE = "one model, one thread"


@dataclass(frozen=True)
class EnsemblePart:
    """R models on all threads; times are per model, and the first peer is one model on one thread.

    Model-steps per second are ``1000 / ms``.
    """

    case: Case

    @property
    def title(self) -> str:
        return f"{self.case.name} on {self.case.threads} threads"

    def rows(self, bench: Bench) -> Iterator[Row]:
        """Measure in a separate process that has as many cores as the case has threads."""
        order = {
            "kind": "ensemble", "case": self.case.to_mapping(), "peers": list(bench.peers),
            "insist": bench.insist, "rounds": bench.pace.rounds, "seconds": bench.pace.seconds,
            "folder": str(bench.folder.folder) if bench.folder.folder else None,
        }  # fmt: skip
        answer = spawn.run(order, bench.cores[-self.case.threads :], self.case.threads)
        for note in answer["notes"]:
            bench.note(note)
        yield from (Row(**row) for row in answer["rows"])

    def measured(self, bench: Bench) -> Iterator[Row]:
        """Measure the case in this process and yield its rows."""
        case, problem = self.case, Problem(self.case)
        mine, spawn = Engine(problem), Engine(Problem(replace(case, models=1, threads=1)))
        agreed, _ = bench.agreeing(problem)
        times = timing.interleaved([mine, spawn, *agreed.values()], bench.pace)
        times[0] /= case.models
        times[2:] /= case.models
        base: dict[str, Any] = {
            "case": case.name, "device": bench.device(case.device), "threads": case.threads,
            "ms": timing.median(times[0]), "spread": timing.spread(times[0]),
            "gflops": 1e-9 * timing.centre(step_flops(case) / case.models / times[0]),
            "bytes": step_bytes(case) // case.models, "rounds": bench.pace.rounds, "tf32": case.tf32,
            "machine": bench.machine,
        }  # fmt: skip
        for name, theirs in zip((ALONE, *agreed), times[1:], strict=True):
            ratio = timing.ratio(theirs, times[0])
            yield Row(**base, peer=name, peer_ms=timing.median(theirs), ratio=ratio)


def measure(order: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Measure an order in the separate process, and return rows and remarks."""
    notes: list[str] = []
    folder = PeerFolder(Path(order["folder"]) if order["folder"] else None)
    pace = Pace(order["rounds"], order["seconds"])
    bench = Bench(folder, tuple(order["peers"]), order["insist"], pace, notes.append)
    part = EnsemblePart(Case.from_mapping(order["case"]))
    return {"rows": [row.to_mapping() for row in part.measured(bench)], "notes": notes}
