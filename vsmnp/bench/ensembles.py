"""Time models or parts of a minibatch on all threads against one model on one thread, and against peers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import timing
from .bench import Bench
from .case import Case
from .contenders.contender import Engine
from .contenders.peers import PeerFolder
from .counts import step_bytes, step_flops
from .problem import Problem
from .row import BenchRow
from .timing import Pace

#: Name of the first comparison of an ensemble.
SINGLE = "one model, one thread"


@dataclass(frozen=True)
class EnsemblePart:
    """R models, or the parts of each minibatch, on all threads; times are per model.

    The first peer is one model with undivided minibatches on one thread. Model-steps per second are
    ``1000 / ms``.
    """

    case: Case

    @property
    def title(self) -> str:
        return f"{self.case.name} on {self.case.threads} threads"

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        """Measure in a separate process that has as many cores as the case has threads."""
        answer = bench.in_process(
            "ensemble",
            self.case,
            peers=bench.peers,
            required=bench.required,
            pace={"rounds": bench.pace.rounds, "seconds": bench.pace.seconds},
        )
        for note in answer["notes"]:
            bench.note(note)
        yield from (BenchRow(**row) for row in answer["rows"])

    def measured(self, bench: Bench) -> Iterator[BenchRow]:
        """Measure the case in this process and yield its rows."""
        case, problem = self.case, Problem(self.case)
        mine, single = Engine(problem), Engine(Problem(replace(case, models=1, parts=1, threads=1)))
        agreed, _ = bench.agreeing(problem)
        times = timing.interleaved([mine, single, *agreed.values()], bench.pace)
        times[0] /= case.models
        times[2:] /= case.models
        rate = 1e-9 * timing.centre(step_flops(case) / case.models / times[0])
        row = bench.row(case.name, case, times[0], gflops=rate, bytes=step_bytes(case) // case.models)
        for name, theirs in zip((SINGLE, *agreed), times[1:], strict=True):
            yield row.beside(name, theirs, times[0])


def measure(request: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Measure the requested case in the separate process, and return rows and remarks."""
    notes: list[str] = []
    folder = PeerFolder.of(request["folder"])
    bench = Bench(folder, tuple(request["peers"]), request["required"], Pace(**request["pace"]), notes.append)
    part = EnsemblePart(Case.from_mapping(request["case"]))
    return {"rows": [row.to_mapping() for row in part.measured(bench)], "notes": notes}
