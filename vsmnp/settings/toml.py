"""Settings as TOML text: read with the standard library, written one line a setting."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .settings import Settings


def dumps(settings: Settings) -> str:
    """The settings as TOML: re-runnable with ``vsmnp train --config``."""
    lines = [f"{name} = {_value(value)}" for name, value in settings.to_mapping().items()]
    return (
        "# Settings of a vsmnp run; train it again with: vsmnp train --config THIS_FILE\n"
        + "\n".join(lines)
        + "\n"
    )


def _value(value: Any) -> str:
    """A TOML value; JSON's texts, numbers, booleans and lists are TOML's, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def load(path: Path) -> dict[str, Any]:
    """Names and values from a TOML file, not yet checked.

    Raises
    ------
    ConfigError
        If the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # a number too long for int() is a plain ValueError
        raise ConfigError(f"The settings file {path} is not valid TOML: {error}.") from error
