"""Take the permissions of folders away, also from the administrator, whom the system refuses nothing."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: Functions of the operating system that need a permission of the folder in which their path lies.
_WITHIN = ("stat", "lstat", "open", "mkdir", "replace", "rename", "unlink")
#: Functions that need a permission of the folder itself.
_OF_ITSELF = ("scandir", "listdir")


@contextmanager
def closed(*folders: Path) -> Iterator[None]:
    """Let this process neither list folders nor look at what lies in them until the block ends."""

    def refusing(name: str, allowed: Any, outermost: int) -> Any:
        def refuse(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if isinstance(path, str | Path):
                lineage = (Path(path).absolute(), *Path(path).absolute().parents)
                if any(folder.absolute() in lineage[outermost:] for folder in folders):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return allowed(path, *arguments, **options)

        return refuse

    with pytest.MonkeyPatch.context() as patch:
        for outermost, names in ((1, _WITHIN), (0, _OF_ITSELF)):
            for name in names:
                patch.setattr(os, name, refusing(name, getattr(os, name), outermost))
        for module in (builtins, io):
            patch.setattr(module, "open", refusing("open", open, 1))
        yield
