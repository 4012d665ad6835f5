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
from collections.abc import Callable
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


def step_sizes(k: Kernels, settings: Settings) -> StepSizes:
    """Return the step sizes of the settings for every model, in the memory of ``k``."""
    sizes = settings.encoder_lr, settings.lr, bilevel_step_size(settings)
    models, dtype = len(settings.seeds), np.dtype(settings.dtype)
    return StepSizes(*(k.asarray(np.full(models, size, dtype)) for size in sizes))
