"""Where machine code is kept on disk: in the user's cache, a folder for each version and its sources.

Nothing is written beside the sources, as a file that no installer knows of would outlive the package.
``NUMBA_CACHE_DIR`` names another place than the user's cache.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np

from vsmnp.storage import user_cache
from vsmnp.version import VERSION

#: The folder of all kernels.
SOURCES = Path(__file__).parents[1]
#: Seconds without use after which the machine code of another version or of other sources is removed.
UNUSED = 30 * 86_400.0
#: Seconds after which a folder in use is marked once more.
_MARK = 86_400.0
#: The name of a folder: a version and a digest.
_NAME = re.compile(r"[^-]+-[0-9a-f]{16}")
#: What Numba calls its files: indices, machine code, and either as it is being written.
_FILE = re.compile(r".+\.(nbi|nbc)(\.tmp\.[0-9a-f]+)?")


def digest(*what: Any) -> str:
    """Shorten anything with a faithful ``repr`` to 16 hexadecimal digits."""
    return sha256(repr(what).encode()).hexdigest()[:16]


@cache
def sources() -> str:
    """Digest the names and contents of all Python files of the kernels, those in sub-folders too."""
    held = sha256()
    for path in sorted(SOURCES.rglob("*.py")):
        content = path.read_bytes()
        held.update(f"{path.relative_to(SOURCES).as_posix()} {len(content)}\n".encode() + content)
    return held.hexdigest()


def code_folder() -> Path | None:
    """Name the folder of this version's machine code, which need not exist; None if there is no place for it.

    Loops of the same sources are compiled to the same code by the same versions of Numba, LLVM and NumPy.
    The processor and the version of Python are for Numba to tell apart: it keeps both with each loop.
    """
    chosen = numba.config.CACHE_DIR
    above = Path(chosen).absolute() / "vsmnp" if chosen else user_cache() / "machine-code"
    if not above.is_absolute():  # `~` could not be replaced: this user has no home folder
        return None
    made_by = digest(sources(), numba.__version__, llvmlite.__version__, np.__version__)
    return above / f"{VERSION}-{made_by}"


@cache
def claim(folder: Path) -> None:
    """Mark ``folder`` as in use, once a process; as it is created, remove what has long been out of use."""
    with suppress(OSError):
        if folder.exists():
            if time.time() - folder.stat().st_mtime > _MARK:
                folder.touch()
        else:
            folder.mkdir(parents=True, exist_ok=True)
            remove_unused(folder.parent)


def remove_unused(above: Path, age: float = UNUSED) -> None:
    """Remove machine code below ``above`` from folders that no process has marked for ``age`` seconds.

    A younger file stays in any case: it is being written, or was written by a process that still runs.
    Nothing but Numba's files in folders of our own naming is removed, and such a folder when it is empty.
    """
    oldest = time.time() - age
    for folder in above.iterdir():
        if not _NAME.fullmatch(folder.name) or folder.is_symlink() or folder.stat().st_mtime > oldest:
            continue
        for file in list(folder.rglob("*")):
            with suppress(OSError):
                if _FILE.fullmatch(file.name) and file.lstat().st_mtime <= oldest:
                    file.unlink()
        for emptied in (*sorted(folder.rglob("*"), reverse=True), folder):
            with suppress(OSError):  # it is a file, or not empty
                emptied.rmdir()
