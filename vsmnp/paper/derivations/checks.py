"""Make checks from the two sides that they compare."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from ...types import Array
from .evidence import numeric, statistical, symbolic
from .statement import Check, Claim, Effort, Evidence, Kind


def value_check(
    kind: Kind, tolerance: float, detail: str, claimed: Callable[[Claim], Any], truth: Callable[[], Any]
) -> Check:
    """Make a check that a claim gives an independent value, which is computed once.

    Parameters
    ----------
    kind : str
        How the truth is obtained.
    tolerance : float
        Largest accepted relative error at the usual effort.
    detail : str
        Name of what is compared.
    claimed : callable
        ``claimed(claim)``: the value of the claim.
    truth : callable
        ``truth()``: the value from the definition, from a search or from the engine.
    """
    once = cache(truth)

    def sides(claim: Claim) -> tuple[Any, Any]:
        return claimed(claim), once()

    sides.__name__ = detail
    return both_sides(kind, tolerance, detail)(sides)


def both_sides(
    kind: Kind, tolerance: float, detail: str
) -> Callable[[Callable[[Claim], tuple[Any, Any]]], Check]:
    """Make a check of a function that maps a claim to the claimed value and the true one.

    The parameters are those of :func:`value_check`.
    """

    def make(sides: Callable[[Claim], tuple[Any, Any]]) -> Check:
        @wraps(sides)
        def check(claim: Claim, effort: Effort) -> Evidence:
            return numeric(kind, *sides(claim), effort.tolerance(tolerance), detail)

        return check

    return make


def sampling_check(
    samples: int, detail: str, claimed: Callable[[Claim], Any],
    estimate: Callable[[int], tuple[Array | float, Array | float]],
) -> Check:  # fmt: skip
    """Make a check that a claim agrees with a Monte Carlo estimate, which is computed once.

    Parameters
    ----------
    samples : int
        Number of samples at the usual effort.
    detail : str
        Name of what is compared; ``{samples}`` in it is replaced by their number.
    claimed : callable
        ``claimed(claim)``: the value of the claim.
    estimate : callable
        ``estimate(samples)``: mean and standard error.
    """
    once = cache(estimate)

    def check(claim: Claim, effort: Effort) -> Evidence:
        count = effort.samples(samples)
        return statistical(claimed(claim), *once(count), detail.format(samples=count))

    check.__name__ = detail
    return check


def symbolic_sides(detail: str) -> Callable[[Callable[[Claim, Any], tuple[Any, Any]]], Check]:
    """Make a check of a function that maps a claim and the module SymPy to two expressions that must agree.

    Parameters
    ----------
    detail : str
        Name of what is compared.
    """

    def make(sides: Callable[[Claim, Any], tuple[Any, Any]]) -> Check:
        @wraps(sides)
        def check(claim: Claim, effort: Effort) -> Evidence:
            import sympy  # at its first use: it takes a second to load

            return symbolic(*sides(claim, sympy), detail)

        return check

    return make
