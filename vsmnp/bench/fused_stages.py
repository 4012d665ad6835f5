"""Time the stages of the fused step of the CPU: kinds of updates, random numbers, optimiser, minibatches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..kernels.cpu.clock import HAS_CLOCK, TimedLoop
from ..kernels.cpu.step.inner_loops import DRAW, LETTERS, MOVE
from ..kernels.cpu.step.step import CpuStep
from ..training.trainer import Trainer
from .timing import Clock

#: Names of the updates of a step, by their fields in ``Updates``, without the loops below.
UPDATES = {
    "encoder": "encoder updates", "inner": "bi-level updates", "decoder": "decoder update",
    "back": "derivatives of the bi-level updates",
}  # fmt: skip
#: Names of the loops that are timed in every update.
LOOPS = {DRAW: "random numbers", MOVE: "optimiser"}
MINIBATCHES, REST = "minibatches", "calls, checks"


class Stages(NamedTuple):
    """The names of the stages of a step, and the timed loops, which are kept as long as the step is timed."""

    names: list[str]
    loops: list[TimedLoop]


def timed_stages(trainer: Trainer, clock: Clock) -> Stages | None:
    """Time the stages of a trainer's fused step; return None if it has none that can be timed.

    The updates are timed around their calls, the loops within compiled code: their addresses in the tables of
    the updates are replaced by those of functions that read the clock before and after the loop. The step is
    to run in one thread. The objects of the trainer are changed: build it for this alone.
    """
    fused = trainer.fused
    if not (isinstance(fused, CpuStep) and HAS_CLOCK):
        return None
    updates, loops, names = fused.updates(trainer.settings.batch_size), [], []
    counters = {place: np.zeros(1, np.int64) for place in LOOPS}
    for field, name in UPDATES.items():
        update = getattr(updates, field)
        if update is None:
            continue
        names.append(name)
        for table in update.tables:
            for place, counter in counters.items():
                loops.append(TimedLoop(table[place], LETTERS[place], counter))
                table[place] = loops[-1].address
        update.models = _apart(clock, name, update.models, counters)
    clock.watch(trainer.batches, MINIBATCHES, "clean", "with_noise")
    return Stages([*names, *LOOPS.values(), MINIBATCHES], loops)


def _apart(
    clock: Clock, name: str, update: Callable[..., Any], counters: dict[int, np.ndarray]
) -> Callable[..., None]:
    """Return the update, whose time is added to its name, and that of its loops to theirs."""
    timed = clock.timed(name, update)

    def call(*given: Any) -> None:
        before = {place: int(counter[0]) for place, counter in counters.items()}
        timed(*given)
        for place, counter in counters.items():
            seconds = (int(counter[0]) - before[place]) / 1e9
            clock.seconds[name] -= seconds
            clock.seconds[LOOPS[place]] = clock.seconds.get(LOOPS[place], 0.0) + seconds

    return call
