"""Time the evaluation of a model by draws of its prior, beside the same in plain NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..metrics import Subject, prior_estimate
from ..rng import Key
from ..settings.draws import PRIOR_DRAWS
from . import timing
from .bench import Bench
from .case import Case
from .contenders.contender import waiter
from .problem import Problem
from .row import BenchRow

#: Number of test points.
POINTS = 1000


@dataclass(frozen=True)
class EvaluationPart:
    """The likelihood and the score of test points by draws of the prior, in turn with ``reference``."""

    #: Case of which the networks, the device, the kernel set, the threads and the dtype are used.
    case: Case
    #: Number of draws.
    draws: int = PRIOR_DRAWS

    @property
    def title(self) -> str:
        network = self.case.name.split("/")[1]
        return f"evaluation/{network}/D{self.case.d_x}/N{POINTS}/draws{self.draws}"

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        case = self.case
        mine, plain = (
            self._subject(each) for each in (case, replace(case, device="cpu", kernels="reference"))
        )
        calls = [timing.Call(lambda: prior_estimate(mine, self.draws), waiter(case.device))]
        beside = case.device == "cpu" and mine.k.name != "reference"
        if beside:
            calls.append(timing.Call(lambda: prior_estimate(plain, self.draws)))
        times = timing.interleaved(calls, bench.pace)
        row = bench.row(self.title, case, times[0], tf32=False)
        yield row.beside("numpy", times[1], times[0]) if beside else row

    def _subject(self, case: Case) -> Subject:
        """Return the case's initial model, with a variance near that of a trained one, and test points."""
        problem = Problem(replace(case, batch_size=POINTS))
        state = problem.trainer.initial_state()
        return Subject(
            problem.k, problem.trainer.model, state.phi, state.theta, np.array(problem.batches[0]), Key((0,))
        )
