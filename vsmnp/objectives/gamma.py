r"""How the likelihood variance gamma is found: by gradient, in closed form, or not at all.

Every objective is, in the precision :math:`\tau = 1/\gamma`, minimal at :math:`\tau^* = b/a` for a
curvature ``a`` and a slope ``b`` of its own (equation (22)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ..types import Array


@dataclass(frozen=True)
class Choice:
    """A gamma in closed form, for each of R models.

    Attributes
    ----------
    log_sd : Array
        ``(R,)``, the new ``l``.
    kept : Array
        ``(R,)`` flags: there was no optimum (b <= 0) and the last gamma was kept.
    floored : Array
        ``(R,)`` flags: the optimum lay below the floor.
    """

    log_sd: Array
    kept: Array
    floored: Array


class GammaRule(Protocol):
    """How ``l = log sqrt(gamma)`` moves."""

    @property
    def learns(self) -> bool:
        """Whether l follows its gradient."""

    @property
    def closed_form(self) -> bool:
        """Whether l is set by :meth:`choose` before a loss is evaluated."""

    def choose(self, log_sd: Array, a: Array, b: Array) -> Choice:
        """The gamma for curvature ``a`` and slope ``b``, both ``(R,)``, if the rule has a closed form."""


@dataclass(frozen=True)
class GivenGamma:
    """l is where it is when the loss is evaluated."""

    learns: ClassVar[bool]
    closed_form: ClassVar[bool] = False

    def choose(self, log_sd: Array, a: Array, b: Array) -> Choice:
        """Never asked for."""
        raise TypeError(f"{type(self).__name__} has no closed form.")


@dataclass(frozen=True)
class LearnedGamma(GivenGamma):
    """l is a parameter like any other."""

    learns: ClassVar[bool] = True


@dataclass(frozen=True)
class FixedGamma(GivenGamma):
    """l stays where it was initialised."""

    learns: ClassVar[bool] = False


@dataclass(frozen=True)
class OptimalGamma:
    """``gamma = a / b`` on every batch, never below the floor.

    For ``b <= 0`` the loss falls for ever as gamma grows and has no minimum: the last gamma is kept.
    For ``a <= 0`` gamma goes to the floor. Both are flagged.
    """

    floor: float = 1e-6
    learns: ClassVar[bool] = False
    closed_form: ClassVar[bool] = True

    def choose(self, log_sd: Array, a: Array, b: Array) -> Choice:
        kept = ~(b > 0)
        gamma = a / np.where(kept, 1, b)
        floored = ~kept & (gamma < self.floor)
        chosen = np.where(kept, log_sd, 0.5 * np.log(np.maximum(gamma, self.floor)))
        return Choice(chosen.astype(log_sd.dtype), kept, floored)
