"""Read a JSON file that vsmnp or a user wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..storage import MOST_TEXT, read_text


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
