"""Find which branches of the readers an input reaches: inputs that reach new ones are changed further."""

from __future__ import annotations

import json
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class Reached:
    """The branches that calls under :meth:`watch` have reached: pairs of lines, one after the other.

    Watched are the package, and the parsers in Python of the libraries that it reads files with.
    """

    def __init__(self) -> None:
        import numpy
        import PIL

        import vsmnp

        inside = (numpy.__file__, PIL.__file__, vsmnp.__file__, json.__file__, tomllib.__file__)
        folders = tuple(str(Path(name).parent) for name in inside)
        self._watched = (*folders[1:], str(Path(folders[0], "lib")), zipfile.__file__)
        self._codes: dict[CodeType, bool] = {}
        self.branches: set[tuple[CodeType, int, int]] = set()
        self.new = 0

    def _trace(self, frame: FrameType, event: str, value: Any) -> Any:
        code = frame.f_code
        watched = self._codes.get(code)
        if watched is None:
            watched = self._codes[code] = code.co_filename.startswith(self._watched)
        if not watched:
            return None
        branches, before = self.branches, 0

        def line(frame: FrameType, event: str, value: Any) -> Any:
            nonlocal before
            if event == "line":
                now = frame.f_lineno
                branches.add((code, before, now))
                before = now
            return line

        return line

    def watch(self, call: Callable[[], object]) -> None:
        """Make a call, and say in ``new`` how many branches it is the first to reach, also if it raises."""
        known = len(self.branches)
        sys.settrace(self._trace)
        try:
            call()
        finally:
            sys.settrace(None)
            self.new = len(self.branches) - known
