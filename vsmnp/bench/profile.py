"""Time the parts of a training step: networks, sampling, terms, optimiser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from ..objectives import Objective
from ..training.trainer import Trainer
from . import fused_stages, timing
from .bench import Bench
from .case import Case
from .contenders.contender import Engine, waiter
from .problem import Problem
from .row import BenchRow
from .timing import Clock

#: Names of the parts that are timed by themselves, in the order of a step, and of the remaining time.
PARTS = (
    "encoder, forward", "sampling", "decoder, forward", "terms", "decoder, backward", "encoder, backward",
    "optimiser",
)  # fmt: skip
REST = "minibatches, checks, statistics"
#: Methods of a layer and of a posterior that are timed.
_BACKWARD = ("vjp", "vjp_jvp", "jvp")
_SAMPLING = ("sample", "noise", "pathwise")


def watched(trainer: Trainer, clock: Clock) -> Trainer:
    """Return a trainer of composed steps whose parts are timed; it is neither fused nor replayed.

    The objects of the given trainer are changed: build it for this alone.
    """
    model = trainer.model
    for network, name in ((model.encoder, "encoder"), (model.decoder, "decoder")):
        clock.watch(network, f"{name}, forward", "forward")
        clock.watch(network, f"{name}, backward", *_BACKWARD)
    clock.watch(model.posterior, "sampling", *_SAMPLING)
    for optimizer in {
        id(each): each for each in (trainer.encoder_optimizer, trainer.decoder_optimizer)
    }.values():
        clock.watch(optimizer, "optimiser", "update")

    def terms(objective: Objective) -> Any:
        return clock.timed("terms", objective)

    composed = replace(
        trainer, inference=terms(trainer.inference), learning=terms(trainer.learning), may_fuse=False
    )
    vars(composed)["recorded"] = None
    return composed


@dataclass(frozen=True)
class ProfilePart:
    """The parts of a composed step of a case, and the fused step where there is one, on a CPU by stages."""

    case: Case

    @property
    def title(self) -> str:
        return f"parts of {self.case.name}"

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        """Measure the step without clocks, then its parts; the clocks cost some microseconds a part."""
        case = self.case
        mine = Engine(Problem(case))
        (times,) = timing.interleaved([mine], bench.pace)
        kind = "composed step" if mine.trainer.fused is None else "fused step"
        yield bench.row(f"{case.name}: {kind}", case, times)

        yield from self._fused(bench)
        problem = Problem(case)
        clock = Clock(waiter(case.device))
        trainer = watched(problem.trainer, clock)
        yield from self._parts(bench, case, trainer, clock, (*PARTS, REST), "")

    def _fused(self, bench: Bench) -> Iterator[BenchRow]:
        """Measure the stages of a fused step of the CPU in one thread."""
        case = replace(self.case, threads=1)
        trainer, clock = Problem(case).trainer, Clock(waiter(case.device))
        stages = fused_stages.timed_stages(trainer, clock)
        if stages is not None:
            names = (*stages.names, fused_stages.REST)
            yield from self._parts(bench, case, trainer, clock, names, "fused, ")

    def _parts(
        self, bench: Bench, case: Case, trainer: Trainer, clock: Clock, names: Sequence[str], kind: str
    ) -> Iterator[BenchRow]:
        """Time the steps of a watched trainer; the last of the names is that of the remaining time."""
        state = trainer.initial_state()
        step = clock.timed(names[-1], trainer.step)
        trainer.step(state)  # compiles and allocates
        found: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(bench.pace.rounds):
            if bench.pace.stop() and found[names[-1]]:
                break
            clock.seconds.clear()
            end, steps = perf_counter() + bench.pace.seconds, 0
            while not steps or perf_counter() < end:
                step(state)
                steps += 1
            for name, seconds in found.items():
                seconds.append(clock.seconds.get(name, 0.0) / steps)
        for name, seconds in found.items():
            yield bench.row(f"{case.name}: {kind}{name}", case, np.array(seconds))
