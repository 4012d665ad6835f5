"""Assemble the CUDA C sources: one translation unit for each topic and number type.

Headers replace their ``#include`` lines. CuPy caches compiled modules on disk under a hash of the source text
and does not read included files, so the source of a module must contain its headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from vsmnp.types import DType

FOLDER = Path(__file__).parent / "cu"
#: Names of all ``.cu`` files.
TOPICS = (
    "channels", "fisher", "gather", "linear", "optim", "pointwise", "random", "sample", "step", "step_joint",
    "step_joint_tiled", "step_second", "step_second_tiled", "step_tiled", "terms", "windows",
)  # fmt: skip
#: The C type ``real`` for each dtype.
REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}

_INCLUDE = re.compile(r'#include "(\w+\.cuh)"')


def _lines(file: str, seen: set[str]) -> Iterator[str]:
    """Yield the lines of a file with every header inserted once, and ``#line`` directives."""
    seen.add(file)
    yield f'#line 1 "{file}"'
    for number, line in enumerate((FOLDER / file).read_text(encoding="utf-8").splitlines(), 1):
        include = _INCLUDE.fullmatch(line)
        if include is None:
            yield line
        elif include[1] not in seen:
            yield from _lines(include[1], seen)
            yield f'#line {number + 1} "{file}"'


@cache
def joined(topic: str, dtype: DType) -> str:
    """Return the whole source of ``<topic>.cu`` for a dtype.

    Raises
    ------
    KeyError
        If the dtype is neither float32 nor float64.
    """
    return "\n".join([f"typedef {REALS[np.dtype(dtype)]} real;", *_lines(f"{topic}.cu", set()), ""])
