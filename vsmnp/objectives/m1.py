r"""M1, the learning part of equation (8): the expectation of a score-matching loss.

.. math:: M_1 = E_q [\tfrac12 |s^p|^2 + \nabla_x \cdot s^p] = \tau^2 A / 2 - \tau d_x .

Its gradient in the weights is that of the negative ELBO divided by gamma, and in l it is 2/gamma times
that of the negative ELBO: both have the same stationary points.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..types import QuadraticForm
from ..types.step_spec import StepLoss
from .quadratic import Learning


@dataclass(frozen=True)
class M1(Learning):
    """M1: equation (8) without ``|s^q|^2``, nats per sample."""

    fused_loss = StepLoss.SCORE_MATCHING

    def form(self) -> QuadraticForm:
        return QuadraticForm(c_each=1.0, c_mean=0.0)
