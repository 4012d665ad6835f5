"""Import Matplotlib whatever backend the environment names: pictures are drawn by Agg alone."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from ..errors import LibraryError

_VARIABLE = "MPLBACKEND"


def import_matplotlib() -> None:
    """Import Matplotlib without the backend that ``MPLBACKEND`` names, which is set afterwards if it exists.

    The kernel of a notebook names a backend that the Python of a run may lack, and Matplotlib then refuses
    to be imported at all.

    Raises
    ------
    LibraryError
        If Matplotlib is not installed.
    """
    named = os.environ.pop(_VARIABLE, None)
    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)  # where its folder cannot be written it says so in several lines, and goes on
    try:
        import matplotlib
    except ImportError as error:
        raise LibraryError("Pictures are drawn by Matplotlib: pip install matplotlib.") from error
    finally:
        log.setLevel(level)
        if named is not None:
            os.environ[_VARIABLE] = named
    if named and not _is_set():
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = named


def _is_set() -> bool:
    """Return whether the process has chosen a backend, for example by an earlier import of pyplot."""
    import sys

    return "matplotlib.pyplot" in sys.modules
