"""A copy of the package that a test extends, and the lists of files in CONTRIBUTING.md's how-to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The folders that are installed, and their paths in the installed package.
INSTALLED = {"vsmnp": "vsmnp", "kernels": "vsmnp/kernels", "cli": "vsmnp/cli"}


def how_to(member: str) -> set[str]:
    """Return the files that CONTRIBUTING.md lists under the heading ``### <member>``."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {re.escape(member)}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"CONTRIBUTING.md has no section '### {member}'"
    files = re.findall(r"^\d+\. `([^`]+)`", section[1], re.MULTILINE)
    assert files, f"'### {member}' of CONTRIBUTING.md lists no file"
    return set(files)


class ExtendedTree:
    """The package, copied as it installs; ``touched`` holds every file that is added or edited.

    Paths are those of the repository: ``vsmnp/...``, ``kernels/...`` or ``cli/...``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.touched: set[str] = set()
        unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
        for source, place in INSTALLED.items():
            shutil.copytree(ROOT / source, folder / place, ignore=unwanted, dirs_exist_ok=True)

    def _file(self, path: str) -> Path:
        top, rest = path.split("/", 1)
        self.touched.add(path)
        return self.folder / INSTALLED[top] / rest

    def add(self, path: str, text: str) -> None:
        """Create a file that does not exist yet."""
        file = self._file(path)
        assert not file.exists(), f"{path} exists: edit it"
        file.write_text(text, encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace the single occurrence of ``old`` in a file."""
        file = self._file(path)
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} has {text.count(old)} places that read {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def python(self, code: str, *arguments: str) -> str:
        """Run Python code that imports the copy, and return its output.

        Machine code of changed kernels is cached in the copy's own folder.
        """
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        if any(path.startswith("kernels/") for path in self.touched):
            environment["NUMBA_CACHE_DIR"] = str(self.folder / "machine-code")
        checked = (
            f"import vsmnp; assert vsmnp.__file__.startswith({str(self.folder)!r}), vsmnp.__file__\n{code}"
        )
        done = subprocess.run(
            [sys.executable, "-c", checked, *arguments],
            env=environment, cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def vsmnp(self, *arguments: str) -> str:
        """Run the command line of the copy, and return its output."""
        return self.python("from vsmnp.cli import main; main()", *arguments)
