"""Hold derivations: steps, each a line of mathematics with its reason and, where possible, a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

from .catalogue import FILES
from .evidence import numeric
from .statement import Evidence, Kind

#: Computes both sides of a line in an example, independently of each other.
Sides: TypeAlias = Callable[[], tuple[Any, Any]]


@dataclass(frozen=True)
class Step:
    r"""One line of a derivation.

    Attributes
    ----------
    latex : str
        The line, in LaTeX without dollar signs: an equation, or the next member of a chain of equations,
        which then begins with ``=``.
    reason : str
        Why the line follows from the lines before and from the assumptions, in one sentence.
    sides : callable or None
        Both sides of the line as numbers in an example of the statement; for a member of a chain, the value
        of the line before and its own.
    tolerance : float
        Relative error to which the sides agree.
    kind : str
        How the sides are computed.
    """

    latex: str
    reason: str
    sides: Sides | None = None
    tolerance: float = 1e-9
    kind: Kind = "quadrature"

    def check(self) -> Evidence | None:
        """Compare both sides; None for a line without them."""
        if self.sides is None:
            return None
        left, right = self.sides()
        return numeric(self.kind, right, left, self.tolerance, self.reason.removesuffix("."))


#: The steps of statements by their id.
Proofs: TypeAlias = Mapping[str, tuple[Step, ...]]


@cache
def all_proofs() -> Proofs:
    """Return the steps of every statement: a module of proofs stands beside each module of statements."""
    found: dict[str, tuple[Step, ...]] = {}
    for name in FILES:
        found |= import_module(f"{__package__}.proofs.{name}").PROOFS
    return found


def proof_of(identifier: str) -> tuple[Step, ...]:
    """Return the steps of the statement of the given id; none for a statement outside the catalogue."""
    return all_proofs().get(identifier, ())
