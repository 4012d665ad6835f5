"""Time whole training steps against peers, and their products against one large product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from . import timing
from .bench import Bench
from .case import Case
from .contenders.contender import Engine
from .counts import step_bytes, step_flops
from .limits.fma import multiply_adds
from .limits.large import product
from .problem import Problem
from .row import BenchRow

#: Rows and width of the product compared with a step of images, whose own products have many shapes.
LARGE = (2048, 1024)


@dataclass(frozen=True)
class StepPart:
    """A step of a case, timed in turn with each peer that agrees with the engine."""

    #: The case to time.
    case: Case
    #: The varied quantity and its value, for one point of a series.
    axis: str | None = None
    value: float | None = None

    @property
    def title(self) -> str:
        return self.case.name

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        case, problem = self.case, Problem(self.case)
        mine = Engine(problem)
        agreed, different = bench.agreeing(problem)
        shape = (case.batch_size, max(case.hidden)) if case.image is None else LARGE
        limit, flops = product(problem.k, *shape, case.dtype)
        limit = timing.Call(limit.step, mine.wait)
        peak, operations = multiply_adds(case.dtype)
        on_cpu = case.device == "cpu"
        contenders: list[timing.Timed] = [mine, limit, *([peak] if on_cpu else []), *agreed.values()]
        times = timing.interleaved(contenders, bench.pace)
        rates = {}
        if not case.bilevel_steps:  # a fused step keeps what the count has twice
            rate = step_flops(case) / times[0]
            rates = {
                "gflops": 1e-9 * timing.centre(rate),
                "fraction_of_limit": timing.centre(rate * times[1] / flops),
            }
            if on_cpu:
                rates["fraction_of_peak"] = timing.centre(rate * times[2] / (operations * case.threads))
        row = bench.row(
            case.name, case, times[0], bytes=step_bytes(case), axis=self.axis, value=self.value, **rates
        )
        if not (agreed or different):
            yield row
        yield from (replace(row, peer=name) for name in different)
        for name, theirs in zip(agreed, times[2 + on_cpu :], strict=True):
            yield row.beside(name, theirs, times[0])


#: Number of training samples of MNIST.
SAMPLES = 60_000
#: Number of epochs of the paper's run.
EPOCHS = 1_000


@dataclass(frozen=True)
class EpochPart:
    """An epoch of MNIST with fresh minibatches for every encoder update, extrapolated from a few steps."""

    #: A case of images, with the run's J.
    case: Case

    @property
    def title(self) -> str:
        return f"an epoch of {self.case.name}"

    def rows(self, bench: Bench) -> Iterator[BenchRow]:
        case = self.case
        (times,) = timing.interleaved([Engine(Problem(case))], bench.pace)
        steps = SAMPLES / (case.batch_size * case.encoder_steps)
        rate, moved = 1e-9 * timing.centre(step_flops(case) / times), round(steps * step_bytes(case))
        yield bench.row(f"epoch of MNIST/{case.name}", case, steps * times, gflops=rate, bytes=moved)
        seconds = steps * timing.centre(times)
        bench.note(
            f"{case.name}: an epoch of MNIST, {steps:g} steps, takes {seconds / 60:.3g} minutes here, "
            f"and the paper's {EPOCHS:,} epochs {EPOCHS * seconds / 86400:.3g} days."
        )
