r"""Schedules of the step sizes: a warm-up, then a constant, a cosine or a line that ends at 0.

.. math:: \eta_t = \eta \min(1, (t + 1) / W) \, f(u_t), \qquad u_t = \max(0, t - W) / (T - W),

where :math:`t = 0, \dots, T - 1` counts the decoder updates, W is the length of the warm-up in updates, and

============  ===========================
``constant``  :math:`f(u) = 1`
``cosine``    :math:`f(u) = (1 + \cos \pi u) / 2`
``linear``    :math:`f(u) = 1 - u`
============  ===========================

The cosine is that of Loshchilov & Hutter (ICLR 2017), without restarts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..settings.choices import LR_SCHEDULES
from ..settings.in_effect import bilevel_step_size
from ..settings.settings import Settings
from ..types import Kernels
from ..types.step_spec import StepSizes


def constant(u: float) -> float:
    """Return 1, the factor of step sizes that stay the same."""
    return 1.0


def cosine(u: float) -> float:
    """Return the factor ``(1 + cos pi u) / 2`` after a share u of the updates."""
    return (1.0 + math.cos(math.pi * u)) / 2.0


def linear(u: float) -> float:
    """Return the factor ``1 - u`` after a share u of the updates."""
    return 1.0 - u


@dataclass(frozen=True)
class Schedule:
    """The factor of the step sizes in each update of a run.

    Attributes
    ----------
    decay : callable
        f, the factor after a share u of the updates that follow the warm-up.
    warmup : float
        W, number of updates in which the factor grows to 1; 0: none.
    total : int
        T, number of updates of the run.
    is_constant : bool
        Whether the factor of every update is 1.
    """

    decay: Callable[[float], float]
    warmup: float
    total: int
    is_constant: bool

    @classmethod
    def named(cls, name: str, warmup: float, total: int) -> Schedule:
        """Return the schedule of a name in :data:`~vsmnp.settings.choices.LR_SCHEDULES`."""
        row = LR_SCHEDULES[name]
        return cls(row.load(), warmup, total, warmup == 0 and not row.ends_with_run)

    def factor(self, t: int) -> float:
        """Compute the factor of update ``t = 0, 1, ...``."""
        growth = min(1.0, (t + 1) / self.warmup) if self.warmup else 1.0
        share = max(0.0, t - self.warmup) / (self.total - self.warmup) if self.total > self.warmup else 0.0
        return growth * self.decay(share)


@dataclass(frozen=True)
class ScheduledStepSizes:
    """The step sizes of every model, those of both networks times the factor of a schedule.

    Attributes
    ----------
    schedule : Schedule
        The factor of each step.
    whole, current : StepSizes
        Step sizes where the factor is 1, and in the current step, in arrays that stay at their addresses.
    """

    schedule: Schedule
    whole: StepSizes
    current: StepSizes

    @classmethod
    def of(
        cls, k: Kernels, settings: Settings, members: Sequence[Settings], per_epoch: float, total: int
    ) -> ScheduledStepSizes:
        """Return the step sizes of a run of ``total`` steps, ``per_epoch`` of which are an epoch."""
        schedule = Schedule.named(settings.lr_schedule, settings.lr_warmup * per_epoch, total)
        return cls(schedule, *(step_sizes(k, settings, members) for _ in range(2)))

    def place(self, t: int) -> None:
        """Write the step sizes of step t in place: a recorded step reads them at their addresses."""
        if not self.schedule.is_constant:
            factor = self.schedule.factor(t)
            self.current.encoder[:] = factor * self.whole.encoder
            self.current.decoder[:] = factor * self.whole.decoder


def step_sizes(k: Kernels, settings: Settings, members: Sequence[Settings] = ()) -> StepSizes:
    """Return the step sizes of every model, in the memory of ``k``; ``members`` are as in the trainer."""
    each = members or [settings] * len(settings.seeds)
    sizes = zip(*((one.encoder_lr, one.lr, bilevel_step_size(one)) for one in each), strict=True)
    return StepSizes(*(k.asarray(np.asarray(size, settings.dtype)) for size in sizes))
