"""Describe how far a training is from its end: its changes in the last quarter, beside what is small."""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingEnd:
    """The distance of a training from its end."""

    #: Words for it.
    words: str
    #: Whether the changes in the last quarter are known and small.
    reached: bool


#: The end of a training whose changes are not known.
UNKNOWN = TrainingEnd("how far the training is from its end is not known", False)


def last_quarter(places: Sequence[float]) -> int | None:
    """Return the index of the last of ascending steps or epochs before the last quarter; None without one."""
    before = [index for index, place in enumerate(places) if place <= 0.75 * places[-1]]
    return before[-1] if before else None


def median_change(changes: Iterable[float]) -> float:
    """Compute the median of the changes of several seeds; one that is not a number counts as infinite."""
    return statistics.median(math.inf if math.isnan(change) else change for change in changes)


def how_far(changes: Mapping[Hashable, float], tolerance: float, unit: str = "") -> TrainingEnd:
    """Describe the largest change in the last quarter of the training, of one method among those compared.

    Parameters
    ----------
    changes : mapping of place to float
        Change of each method, at least one; one that is not finite counts as infinite.
    tolerance : float
        Changes below it are small.
    unit : str
        Unit of both, with its space.
    """
    sizes = {place: abs(change) if math.isfinite(change) else math.inf for place, change in changes.items()}
    most = max(sizes, key=lambda place: sizes[place])
    shown = changes[most] if math.isfinite(changes[most]) else math.inf
    reached = sizes[most] < tolerance
    return TrainingEnd(
        f"{most} changed most in the last quarter of the training, by {shown:.2g}{unit}, "
        f"{'within' if reached else 'beyond'} the tolerance of {max(tolerance, 0.0):.2g}{unit}",
        reached,
    )
