"""The folder of cached machine code: in the user's cache, one for each version and its sources.

Nothing is written next to the sources, as uninstalling the package would leave such files behind.
``NUMBA_CACHE_DIR`` names a folder to use instead of the user's cache.
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

from vsmnp.errors import StorageError
from vsmnp.storage import user_cache
from vsmnp.version import VERSION

#: The folder of all kernel sources.
SOURCES = Path(__file__).parents[1]
#: Seconds without use after which the machine code of another version or of other sources is removed.
UNUSED = 30 * 86_400.0
#: Seconds after which the mark of a folder in use is renewed.
_MARK = 86_400.0
#: The name of a folder: a version and a digest.
_NAME = re.compile(r"[^-]+-[0-9a-f]{16}")
#: Names of Numba's files: indices, machine code, and the temporary files of both.
_FILE = re.compile(r".+\.(nbi|nbc)(\.tmp\.[0-9a-f]+)?")


def digest(*what: Any) -> str:
    """Compute a digest of 16 hexadecimal digits of values with a faithful ``repr``."""
    return sha256(repr(what).encode()).hexdigest()[:16]


@cache
def sources() -> str:
    """Compute a digest of the names and contents of all Python files of the kernels and sub-folders."""
    held = sha256()
    for path in sorted(SOURCES.rglob("*.py")):
        content = path.read_bytes()
        held.update(f"{path.relative_to(SOURCES).as_posix()} {len(content)}\n".encode() + content)
    return held.hexdigest()


def code_folder() -> Path | None:
    """Return the folder of this version's machine code, which need not exist, or None if there is none.

    Loops of the same sources are compiled to the same code by the same versions of Numba, LLVM and NumPy.
    Numba itself distinguishes processors and versions of Python, which it stores with each loop.
    """
    chosen = numba.config.CACHE_DIR
    try:
        above = Path(chosen).absolute() / "vsmnp" if chosen else user_cache() / "machine-code"
    except StorageError:
        return None
    if not above.is_absolute():  # `~` could not be expanded: this user has no home folder
        return None
    made_by = digest(sources(), numba.__version__, llvmlite.__version__, np.__version__)
    return above / f"{VERSION}-{made_by}"


@cache
def claim(folder: Path) -> None:
    """Mark ``folder`` as in use, once per process; on its creation, remove folders that are long unused."""
    with suppress(OSError):
        if folder.exists():
            if time.time() - folder.stat().st_mtime > _MARK:
                folder.touch()
        else:
            folder.mkdir(parents=True, exist_ok=True)
            remove_unused(folder.parent)


def remove_unused(above: Path, age: float = UNUSED) -> None:
    """Remove machine code below ``above`` from folders that no process has marked for ``age`` seconds.

    A younger file is kept in any case: it may be in use by a process that still runs.
    Only Numba's files in folders whose names match ``_NAME`` are removed, and such a folder if it is empty.
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
