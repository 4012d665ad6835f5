"""Say how much is measured: all of it on a card, little in a rehearsal where a CPU stands for the card."""

from __future__ import annotations

import os

#: Set in the environment for a rehearsal: it tries every part and settles nothing.
VARIABLE = "REHEARSAL"


def rehearsal() -> bool:
    """Return whether everything is to be small."""
    return bool(os.environ.get(VARIABLE))
