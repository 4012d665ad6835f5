"""Choose the sizes of measurements: full sizes on a GPU, small ones in a rehearsal on a CPU."""

from __future__ import annotations

import os

#: Environment variable of a rehearsal, which runs every part without valid measurements.
VARIABLE = "REHEARSAL"


def rehearsal() -> bool:
    """Return whether the sizes are those of a rehearsal."""
    return bool(os.environ.get(VARIABLE))
