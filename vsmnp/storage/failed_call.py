"""Describe a call of the system that failed."""

from __future__ import annotations

import os


def failed_call(error: OSError) -> str:
    """Describe a failed call of the system in a clause: the file, if the error names one, and the cause."""
    cause = error.strerror or str(error) or type(error).__name__
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)} could not be read or written ({cause})"
    return f"a call of the operating system failed ({cause})"
