"""Settings as TOML text: read with the standard library, written with one line per setting."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..storage import read_text
from .settings import Settings


def dumps(settings: Settings) -> str:
    """Format the settings as TOML that ``vsmnp train --config`` can read."""
    lines = [f"{name} = {_value(value)}" for name, value in settings.to_mapping().items()]
    return (
        "# Settings of a vsmnp run; train it again with: vsmnp train --config THIS_FILE\n"
        + "\n".join(lines)
        + "\n"
    )


def _value(value: Any) -> str:
    """Format a TOML value: JSON's texts, numbers, booleans and lists, with the DEL character escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def load(path: Path) -> dict[str, Any]:
    """Read names and values from a TOML file, without checking them.

    Raises
    ------
    ConfigError
        If the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise ConfigError(
            f"The settings file {path} cannot be read ({error.strerror}): check its name and its permissions."
        ) from error
    except (ValueError, RecursionError) as error:  # a number too long for int() is a plain ValueError
        raise ConfigError(
            f"The settings file {path} is not valid TOML ({error}): write one 'name = value' a line, as in "
            "the config.toml of a run."
        ) from error
