"""Programs that building needs, and the error that says what is missing."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path


class Unavailable(RuntimeError):
    """What is missing, and what would bring it."""


def run(command: Sequence[str], where: Path | None = None, text: str | None = None) -> str:
    """Run a program on a text and return what it prints.

    Raises
    ------
    Unavailable
        With its last words, if it fails.
    """
    done = subprocess.run(command, cwd=where, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command[:3])} ... failed:\n{done.stderr[-3000:]}")
    return done.stdout


def version(package: str) -> str | None:
    """The installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
