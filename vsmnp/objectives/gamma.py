r"""Rules for the likelihood variance gamma: learned by gradient, in closed form, or fixed.

Every objective is, in the precision :math:`\tau = 1/\gamma`, minimal at :math:`\tau^* = b/a` for a
curvature ``a`` and a slope ``b`` of its own (equation (22)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ..types import Array
from ..types.step_spec import GammaName


@dataclass(frozen=True)
class GammaChoice:
    """The optimal gamma in closed form, for each of R models.

    Attributes
    ----------
    log_sd : Array
        ``(R,)``, the new ``l``.
    kept : Array
        ``(R,)`` flags: there was no optimum (b <= 0) and the previous gamma was kept.
    floored : Array
        ``(R,)`` flags: the optimum was below the floor.
    """

    log_sd: Array
    kept: Array
    floored: Array


class GammaRule(Protocol):
    """The protocol of rules that update ``l = log sqrt(gamma)``."""

    @property
    def learns(self) -> bool:
        """Whether l is trained by its gradient."""

    @property
    def closed_form(self) -> bool:
        """Whether l is set by :meth:`choose` before a loss is evaluated."""

    def fused_rule(self) -> tuple[GammaName, float] | None:
        """Return the name and the floor of the rule in a fused step, or None where it has none."""

    def choose(self, log_sd: Array, a: Array, b: Array) -> GammaChoice:
        """Compute the gamma for curvature ``a`` and slope ``b``, both ``(R,)``, if there is a closed form."""


@dataclass(frozen=True)
class GivenGamma:
    """A rule without a closed form: the loss is evaluated at the current l."""

    learns: ClassVar[bool]
    closed_form: ClassVar[bool] = False

    def choose(self, log_sd: Array, a: Array, b: Array) -> GammaChoice:
        """Raise a TypeError: this rule has no closed form."""
        raise TypeError(f"{type(self).__name__} has no closed form.")


@dataclass(frozen=True)
class LearnedGamma(GivenGamma):
    """Train l by its gradient like any other parameter."""

    learns: ClassVar[bool] = True

    def fused_rule(self) -> tuple[GammaName, float]:
        return "learn", 0.0


@dataclass(frozen=True)
class FixedGamma(GivenGamma):
    """Keep l at its initial value."""

    learns: ClassVar[bool] = False

    def fused_rule(self) -> tuple[GammaName, float]:
        return "fixed", 0.0


@dataclass(frozen=True)
class OptimalGamma:
    """Set ``gamma = a / b`` on every batch, but not below the floor.

    For ``b <= 0`` the loss decreases without bound in gamma and has no minimum: the previous gamma is kept.
    For ``a <= 0`` gamma is set to the floor. Both cases are flagged.
    """

    floor: float = 1e-6
    learns: ClassVar[bool] = False
    closed_form: ClassVar[bool] = True

    def fused_rule(self) -> tuple[GammaName, float]:
        return "optimal", self.floor

    def choose(self, log_sd: Array, a: Array, b: Array) -> GammaChoice:
        kept = ~(b > 0)
        gamma = a / np.where(kept, 1, b)
        floored = ~kept & (gamma < self.floor)
        chosen = np.where(kept, log_sd, 0.5 * np.log(np.maximum(gamma, self.floor)))
        return GammaChoice(chosen.astype(log_sd.dtype), kept, floored)
