"""Test that ruff and mypy report no errors in the whole tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _silence(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_lint() -> None:
    _silence("ruff", "check", "--no-cache", "--output-format=concise")


def test_format() -> None:
    _silence("ruff", "format", "--check", "--no-cache")


def test_types(tmp_path: Path) -> None:
    """mypy cannot follow the editable install: it reads a tree of links, arranged as installed.

    Its cache stays in MYPY_CACHE_DIR, if there is one, and else in the tree.
    """
    tree = tmp_path / "vsmnp"
    tree.mkdir()
    for source in (*(ROOT / "vsmnp").iterdir(), ROOT / "kernels", ROOT / "cli"):
        (tree / source.name).symlink_to(source)
    _silence("mypy", "--strict", "--config-file", ROOT / "pyproject.toml", "-p", "vsmnp", cwd=tmp_path)
