"""Say how far a training is from its end: what changed in its last quarter, beside what counts as small."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping


def last_quarter(rows: int) -> int:
    """Return the index of the row after which the last quarter of the rows begins; 0 if they are few."""
    return max(3 * rows // 4 - 1, 0)


def how_far(changes: Mapping[Hashable, float], tolerance: float, unit: str = "") -> str:
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
    position = "within" if sizes[most] < tolerance else "beyond"
    return (
        f"{most} changed most in the last quarter of the training, by {shown:.2g}{unit}, {position} the "
        f"tolerance of {max(tolerance, 0.0):.2g}{unit}"
    )
