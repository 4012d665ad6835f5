"""Choose the sizes of measurements: full sizes on a GPU, small ones in a rehearsal on a CPU."""

from __future__ import annotations

import os

#: Set in the environment for a rehearsal: it tries every part and settles nothing.
VARIABLE = "REHEARSAL"


def rehearsal() -> bool:
    """Return whether the sizes are those of a rehearsal."""
    return bool(os.environ.get(VARIABLE))
