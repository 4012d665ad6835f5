"""Define the report of a training step: the outcomes of its updates, and the causes of divergence by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ..objectives import Outcome
from ..types import Array

#: The cause of divergence of the bi-level updates.
BILEVEL_UPDATES = "the bi-level updates of the encoder"


@dataclass(frozen=True)
class Info:
    """The outcomes of one training step: of its last encoder update, and of its decoder update.

    Parameters
    ----------
    outcomes : callable
        Returns both outcomes; called only on access, because most steps are not logged.
    has_bilevel : bool
        Whether the step has bi-level updates.
    """

    outcomes: Callable[[], tuple[Outcome, Outcome]]
    has_bilevel: bool = False

    @cached_property
    def _both(self) -> tuple[Outcome, Outcome]:
        return self.outcomes()

    @property
    def inference(self) -> Outcome:
        """Outcome of the last encoder update."""
        return self._both[0]

    @property
    def learning(self) -> Outcome:
        """Outcome of the decoder update."""
        return self._both[1]

    def report(self) -> dict[str, Array]:
        """Return both losses and all their terms, each ``(R,)`` in its objective's unit."""
        values = {}
        for side, seen in (("learning", self.learning), ("inference", self.inference)):
            values[f"{side}.loss"] = seen.loss
            values |= {f"{side}.{name}": term for name, term in seen.terms.items()}
        return values

    def causes(self) -> list[str]:
        """List the causes of divergence in the order in which a step checks them; see :attr:`State.cause`."""
        encoder = [f"inference.{name}" for name in self.inference.terms]
        decoder = [f"learning.{name}" for name in self.learning.terms]
        updates = [BILEVEL_UPDATES] * self.has_bilevel
        return [*encoder, "the encoder's gradient", *updates, *decoder, "the decoder's gradient",
                "the parameters"]  # fmt: skip
