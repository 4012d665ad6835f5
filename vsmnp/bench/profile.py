"""Time the parts of a training step: networks, sampling, terms, optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np

from ..objectives import Objective
from ..training.trainer import Trainer
from . import timing
from .bench import Bench
from .case import Case
from .contenders.contender import Engine, waiter
from .problem import Problem
from .row import BenchRow

#: Names of the parts that are timed by themselves, in the order of a step, and of the remaining time.
PARTS = (
    "encoder, forward", "sampling", "decoder, forward", "terms", "decoder, backward", "encoder, backward",
    "optimiser",
)  # fmt: skip
REST = "minibatches, checks, statistics"
#: Methods of a layer and of a posterior that are timed.
_BACKWARD = ("vjp", "vjp_jvp", "jvp")
_SAMPLING = ("sample", "noise", "pathwise")


@dataclass
class Clock:
    """Seconds of each part; time within a part that another part takes is the other's alone."""

    wait: Callable[[], object]
    seconds: dict[str, float] = field(default_factory=dict)
    _inner: list[float] = field(default_factory=list)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, whose time is added to the part."""

        def call(*given: Any, **named: Any) -> Any:
            self.wait()
            start = perf_counter()
            self._inner.append(0.0)
            try:
                result = function(*given, **named)
                self.wait()
            finally:
                whole = perf_counter() - start
                self.seconds[part] = self.seconds.get(part, 0.0) + whole - self._inner.pop()
                if self._inner:
                    self._inner[-1] += whole
            return result

        return call

    def watch(self, owner: object, part: str, *methods: str) -> None:
        """Time these methods of one object, whose class stays as it is."""
        for method in methods:
            if hasattr(owner, method):
                object.__setattr__(owner, method, self.timed(part, getattr(owner, method)))


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
    """The parts of a composed step of a case, and the fused step as a whole where there is one."""

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

        problem = Problem(case)
        clock = Clock(waiter(case.device))
        trainer = watched(problem.trainer, clock)
        state = trainer.initial_state()
        step = clock.timed(REST, trainer.step)
        trainer.step(state)  # compiles and allocates
        found: dict[str, list[float]] = {name: [] for name in (*PARTS, REST)}
        for _ in range(bench.pace.rounds):
            if bench.pace.stop() and found[REST]:
                break
            clock.seconds.clear()
            end, steps = perf_counter() + bench.pace.seconds, 0
            while not steps or perf_counter() < end:
                step(state)
                steps += 1
            for name, seconds in found.items():
                seconds.append(clock.seconds.get(name, 0.0) / steps)
        for name, seconds in found.items():
            yield bench.row(f"{case.name}: {name}", case, np.array(seconds))
