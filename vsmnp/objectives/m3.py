r"""M3, equation (15): Bao et al.'s objective with q in place of the posterior.

.. math:: M_3 = E_q [s^q \cdot s^p + \nabla_x \cdot s^p] + \tfrac12 |E_q s^p|^2 .

:math:`E_q s^q = 0`, so a baseline that does not depend on z_i may be subtracted from s^p_i in the cross
term; the mean of the other samples is such a baseline and reduces the variance severalfold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import ConfigError
from ..types import QuadraticForm
from ..types.step_spec import StepLoss
from .quadratic import Learning, SquaredMean, squared_mean

Baseline: TypeAlias = Literal["leave-one-out", "none"]


@dataclass(frozen=True)
class M3(Learning):
    """M3: equation (15), nats per sample.

    Parameters
    ----------
    estimator : {"u-statistic", "biased"}
        Estimator of ``|E_q s^p|^2``.
    baseline : {"leave-one-out", "none"}
        Baseline of the cross term.

    Raises
    ------
    ConfigError
        If the leave-one-out baseline or the u-statistic is chosen with one sample.
    """

    estimator: SquaredMean = "biased"
    baseline: Baseline = "none"
    fused_loss = StepLoss.SCORE_MATCHING

    def __post_init__(self) -> None:
        if self.baseline == "leave-one-out" and self.samples < 2:
            raise ConfigError(
                "The leave-one-out baseline needs at least 2 posterior samples: raise --samples."
            )
        self.form()

    def _with_square(self, each: float, mean: float) -> QuadraticForm:
        if self.baseline == "none":
            return QuadraticForm(each, mean, d_each=1.0, d_mean=0.0)
        share = self.samples / (self.samples - 1)
        return QuadraticForm(each, mean, d_each=share, d_mean=-share)

    def form(self) -> QuadraticForm:
        return self._with_square(*squared_mean(self.estimator, self.samples))

    def form_for_gamma(self) -> QuadraticForm:
        return self._with_square(0.0, 1.0)
