r"""The rule by which an objective fails, stated before the numbers, and its verdict for every comparison.

A run is compared with the ELBO at the same levels of all other factors and the same seeds:
:math:`\Delta_r = NLL_r - NLL_r^{ELBO}` in nats. :mod:`..paired` makes an interval of the centre of the
differences, corrected for all comparisons of one grid. With the margin m = 0.1 the objective

- **fails** if the interval lies above m, and still would if the gain of the last quarter of its training were
  repeated four times, as long as the whole training;
- **does not fail** if the interval lies below m, both runs have converged (the median over seeds of their
  negative log-likelihood changes by at most 0.02 nats in the last quarter of the training), no model has
  diverged, and the reference is a model: at least m better than the Gaussian with the moments of the data;
- is **undecided** otherwise.

The margin is a density that is lower by a tenth. The Gaussian with the moments of the data is between 0.36
nats (banana) and 2.1 nats (ring) behind the density of the data, so an objective that fails has lost at least
a twentieth, and one that does not fail at most a third, of what there is to learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from ..paired import LEVEL, Interval, differences, intervals
from ..reproduction import Table
from .factors import Factors
from .tables import MeasuredRun, floors

#: Nats by which an objective may be worse than the ELBO.
MARGIN = 0.1
#: Nats by which the loss of a converged run may change in the last quarter of its training.
TOLERANCE = 0.02
#: Number of times that the gain of the last quarter is granted to a run that fails.
_REPEATED = 4


class FailureAnswer(Enum):
    """The answer to the question whether an objective fails."""

    FAILS = "fails"
    DOES_NOT_FAIL = "does not fail"
    UNDECIDED = "undecided"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class FailureVerdict:
    """The comparison of a run with its reference."""

    of: Factors
    reference: Factors
    #: Name of the grid, whose comparisons are corrected together.
    family: str
    #: Number of comparisons of the family.
    comparisons: int
    interval: Interval
    answer: FailureAnswer
    #: What kept the question from an answer; empty with an answer.
    reason: str
    #: Change of the median negative log-likelihood in the last quarter, of the run and of its reference.
    drift: float
    reference_drift: float


def verdicts(rows: Sequence[MeasuredRun]) -> list[FailureVerdict]:
    """Compare every run with its reference, and the ELBO of every inference with that of KL inference."""
    by_factors = {row.factors: row for row in rows}
    pairs: dict[str, list[tuple[MeasuredRun, MeasuredRun]]] = {}
    for row in rows:
        for family, reference in _comparisons(row.factors):
            other = by_factors.get(reference)
            if other is not None and len(other.figures["nll"]) == len(row.figures["nll"]):
                pairs.setdefault(family, []).append((row, other))
    return [each for family, group in pairs.items() for each in _judged(family, group)]


def drift(row: MeasuredRun) -> float:
    """Compute the change of the median negative log-likelihood in the last quarter; it falls if below 0."""
    end, early = (np.asarray(row.figures[name], float) for name in ("nll", "nll_early"))
    with np.errstate(invalid="ignore"):
        change = end - early
    return float(np.median(change)) if np.isfinite(change).all() else float("nan")


def has_converged(row: MeasuredRun) -> bool:
    """Return whether the loss of a run has stopped changing."""
    return abs(drift(row)) <= TOLERANCE


def table(found: Iterable[FailureVerdict]) -> Table:
    """Make the table of the verdicts, one row for each comparison."""
    header = (
        "grid", "data", "inference", "objective", "setting", "difference", "low", "high", "level", "verdict",
        "because", "drift", "drift of reference",
    )  # fmt: skip
    rows = [
        (
            v.family, v.of.dataset, v.of.inference, v.of.objective, v.of.setting, v.interval.centre,
            v.interval.low, v.interval.high, 1 - v.interval.alpha, str(v.answer), v.reason, v.drift,
            v.reference_drift,
        )
        for v in found
    ]  # fmt: skip
    return Table("verdicts", header, rows)


def _comparisons(of: Factors) -> Iterable[tuple[str, Factors]]:
    """Yield the grids in which a run is compared, each with its reference."""
    if of.objective != "elbo":
        yield of.family, of.reference
    elif of.inference != "kl":
        yield f"inference, {of.family}", replace(of, inference="kl")


def _judged(family: str, pairs: Sequence[tuple[MeasuredRun, MeasuredRun]]) -> Iterable[FailureVerdict]:
    found = intervals([differences(a.figures["nll"], b.figures["nll"]) for a, b in pairs], MARGIN, LEVEL)
    for (row, other), interval in zip(pairs, found, strict=True):
        answer, reason = _answer(row, other, interval)
        yield FailureVerdict(
            row.factors, other.factors, family, len(pairs), interval, answer, reason, drift(row), drift(other)
        )


def _answer(row: MeasuredRun, other: MeasuredRun, interval: Interval) -> tuple[FailureAnswer, str]:
    """Apply the rule of the module."""
    if not np.isfinite(other.figures["nll"]).all():
        return FailureAnswer.UNDECIDED, "the reference has no finite loss"
    if interval.low > MARGIN:
        gain = max(0.0, -drift(row)) if np.isfinite(drift(row)) else 0.0
        if interval.low - _REPEATED * gain > MARGIN:
            return FailureAnswer.FAILS, ""
        return FailureAnswer.UNDECIDED, "still improving"
    if not interval.high < MARGIN:
        return FailureAnswer.UNDECIDED, f"the interval contains {MARGIN}"
    if not (has_converged(row) and has_converged(other)):
        return FailureAnswer.UNDECIDED, "not converged"
    if not (all(row.figures["active"]) and all(other.figures["active"])):
        return FailureAnswer.UNDECIDED, "a model has diverged"
    gaussian = floors(row.factors.dataset, row.points).gaussian
    if not np.median(other.figures["nll"]) < gaussian - MARGIN:
        return FailureAnswer.UNDECIDED, "the reference is no better than a Gaussian"
    return FailureAnswer.DOES_NOT_FAIL, ""
