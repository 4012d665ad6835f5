"""How long the paper's run on MNIST takes here: steps that are timed, and an epoch that is reckoned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from . import timing
from .bench import Bench
from .case import Case
from .contender import Product
from .counts import step_bytes, step_flops
from .problem import Problem
from .row import Row

#: Training samples of MNIST.
SAMPLES = 60_000
#: Epochs of the paper's run.
EPOCHS = 1_000


@dataclass(frozen=True)
class EpochPart:
    """An epoch of MNIST as fresh minibatches for every encoder update, from some steps of the product alone.

    Attributes
    ----------
    case : Case
        Of images, with the run's J.
    """

    case: Case

    @property
    def title(self) -> str:
        return f"an epoch of {self.case.name}"

    def rows(self, bench: Bench) -> Iterator[Row]:
        case = self.case
        (times,) = timing.interleaved([Product(Problem(case))], bench.pace)
        steps = SAMPLES / (case.batch_size * case.encoder_steps)
        yield Row(
            f"epoch of MNIST/{case.name}", bench.device(case.device), case.threads,
            ms=steps * timing.median(times), spread=steps * timing.spread(times),
            gflops=1e-9 * timing.centre(step_flops(case) / times), bytes=round(steps * step_bytes(case)),
            rounds=bench.pace.rounds, tf32=case.tf32, machine=bench.machine,
        )  # fmt: skip
        seconds = steps * timing.centre(times)
        bench.note(
            f"{case.name}: an epoch of MNIST, {steps:g} steps, takes {seconds / 60:.3g} minutes here, "
            f"and the paper's {EPOCHS:,} epochs {EPOCHS * seconds / 86400:.3g} days."
        )
