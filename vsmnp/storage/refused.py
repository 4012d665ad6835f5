"""Look at paths that the system may refuse to look at, and describe a call of the system that failed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable


def unless_refused(look: Callable[[], bool]) -> bool:
    """Return what a look at a path finds, such as ``path.exists``; true if the system refuses the look.

    To open the path then fails with a sentence on its permissions or its disk. A name that is too long for
    the system has no file.
    """
    try:
        return look()
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG


def failed_call(error: OSError) -> str:
    """Describe a failed call of the system in a clause: the file, if the error names one, and the cause."""
    cause = error.strerror or str(error) or type(error).__name__
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)} could not be read or written ({cause})"
    return f"a call of the operating system failed ({cause})"
