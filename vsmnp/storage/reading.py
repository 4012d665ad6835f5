"""Read files that have an end, and are no longer than what is expected of them."""

from __future__ import annotations

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

#: Most bytes of a text that is read whole, such as settings.
MOST_TEXT = 2**24


def open_regular(path: Path) -> BufferedReader:
    """Open a file whose content has an end; raise an OSError also for a folder, a pipe or a device."""
    # Without O_NONBLOCK a pipe blocks in open(), before it can be seen to be one.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device")
        return open(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """Read a text; raises as :func:`open_regular`, or if it is longer than ``most`` bytes or not UTF-8."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is longer than {most:,} bytes")
    return content.decode()


def read_json(path: Path, most: int = MOST_TEXT) -> Any:
    """Read the value in a JSON file of at most ``most`` bytes.

    Raises
    ------
    OSError
        If the file cannot be read, is not a regular file, or is too long.
    ValueError
        If it is not JSON, or its lists and objects are nested too deeply to be read.
    """
    try:
        return json.loads(read_text(path, most))
    except RecursionError as error:
        raise ValueError("its lists and objects are nested too deeply") from error
