r"""M2, equation (13): Swersky et al.'s objective with q in place of the posterior.

.. math:: M_2 = E_q [|s^p|^2 + \nabla_x \cdot s^p] - \tfrac12 |E_q s^p|^2 .
"""

from __future__ import annotations

from dataclasses import dataclass

from ..types import QuadraticForm
from ..types.step_spec import StepLoss
from .quadratic import Learning, SquaredMean, squared_mean


@dataclass(frozen=True)
class M2(Learning):
    """M2: equation (13), nats per sample; with S = 1 the biased estimator is M1.

    Parameters
    ----------
    estimator : {"u-statistic", "biased"}
        Estimator of ``|E_q s^p|^2``.

    Raises
    ------
    ConfigError
        If the u-statistic is chosen with one sample.
    """

    estimator: SquaredMean = "biased"
    fused_loss = StepLoss.SCORE_MATCHING

    def __post_init__(self) -> None:
        self.form()

    def form(self) -> QuadraticForm:
        each, mean = squared_mean(self.estimator, self.samples)
        return QuadraticForm(c_each=2.0 - each, c_mean=-mean)

    def form_for_gamma(self) -> QuadraticForm:
        return QuadraticForm(c_each=2.0, c_mean=-1.0)
