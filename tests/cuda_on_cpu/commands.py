"""Run the programs that building needs, and define the error that names a missing one."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path


class Unavailable(RuntimeError):
    """Error that names a missing requirement and its remedy."""


def run(command: Sequence[str], where: Path | None = None, text: str | None = None) -> str:
    """Run a program with a text as its input and return its output.

    Raises
    ------
    Unavailable
        With the last lines of its output, if it fails.
    """
    done = subprocess.run(command, cwd=where, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command[:3])} ... failed:\n{done.stderr[-3000:]}")
    return done.stdout


def version(package: str) -> str | None:
    """Return the installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
