"""Look whether there is a file or a folder, at paths that the system may refuse to look at."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

#: Codes of a look that finds nothing: no file, a file in place of a folder, a circle of links, a long name.
_NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP, errno.ENAMETOOLONG)


def _mode(path: Path) -> int | None:
    """Return the mode of a file, 0 if there is none, and None if the system refuses to look at it."""
    try:
        return os.stat(path).st_mode
    except ValueError:  # a name with a null character
        return 0
    except OSError as error:
        return 0 if error.errno in _NOTHING else None


def may_exist(path: Path) -> bool:
    """Return whether there is a file or folder; true if the system refuses to look at the path.

    To open the path then fails with a sentence on its permissions or its disk. Functions such as
    ``os.path.exists`` say that there is nothing, so that something else would be done without a word.
    """
    return _mode(path) != 0


def may_be_file(path: Path) -> bool:
    """Return whether there is a regular file; true as in :func:`may_exist`."""
    mode = _mode(path)
    return mode is None or stat.S_ISREG(mode)


def may_be_folder(path: Path) -> bool:
    """Return whether there is a folder; true as in :func:`may_exist`."""
    mode = _mode(path)
    return mode is None or stat.S_ISDIR(mode)
