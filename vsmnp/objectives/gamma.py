r"""How the likelihood variance gamma is found: by gradient, in closed form, or not at all.

Every objective is, in the precision :math:`\tau = 1/\gamma`, minimal at :math:`\tau^* = b/a` for a
curvature ``a`` and a slope ``b`` of its own (equation (22)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ..types import Array


class GammaRule(Protocol):
    """Chooses ``l = log sqrt(gamma)`` before a loss is evaluated."""

    @property
    def learns(self) -> bool:
        """Whether l follows its gradient."""

    @property
    def closed_form(self) -> bool:
        """Whether :meth:`choose` looks at ``a`` and ``b``."""

    def choose(self, log_sd: Array, a: Array, b: Array) -> tuple[Array, Array]:
        """The new ``l (R,)``, and flags ``(R,)`` where there was no optimum."""


@dataclass(frozen=True)
class LearnedGamma:
    """l is a parameter like any other."""

    learns: ClassVar[bool] = True
    closed_form: ClassVar[bool] = False

    def choose(self, log_sd: Array, a: Array, b: Array) -> tuple[Array, Array]:
        return log_sd, np.zeros(log_sd.shape, bool)


@dataclass(frozen=True)
class FixedGamma:
    """l stays where it was initialised."""

    learns: ClassVar[bool] = False
    closed_form: ClassVar[bool] = False

    def choose(self, log_sd: Array, a: Array, b: Array) -> tuple[Array, Array]:
        return log_sd, np.zeros(log_sd.shape, bool)


@dataclass(frozen=True)
class OptimalGamma:
    """``gamma = a / b`` on every batch, never below the floor.

    For ``b <= 0`` the loss falls for ever as gamma grows and has no minimum: the last gamma is kept
    and the event flagged. For ``a <= 0`` gamma goes to the floor.
    """

    floor: float = 1e-6
    learns: ClassVar[bool] = False
    closed_form: ClassVar[bool] = True

    def choose(self, log_sd: Array, a: Array, b: Array) -> tuple[Array, Array]:
        kept = ~(b > 0)
        gamma = np.maximum(a / np.where(kept, 1, b), self.floor)
        return np.where(kept, log_sd, 0.5 * np.log(gamma)).astype(log_sd.dtype), kept
