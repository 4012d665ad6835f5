"""Assemble the CUDA C sources: one translation unit for each topic and number type.

Headers replace their ``#include`` lines; headers of codes and lists are generated from Python tables. CuPy
caches compiled modules on disk under a hash of the source text and does not read included files, so the
source of a module must contain its headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from vsmnp.types import DType
from vsmnp.types.step_spec import GAMMA_CODES, LOSS_CODES

from ..reference.activations import CODES
from .step_plan import NO_ACTIVATION, NUMBERS, WORDS, Finding, Side

FOLDER = Path(__file__).parent / "cu"
#: Names of all ``.cu`` files.
TOPICS = tuple(sorted(path.stem for path in FOLDER.glob("*.cu")))
#: The C type ``real`` for each dtype.
REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}

_INCLUDE = re.compile(r'#include "(\w+\.cuh)"')


def _enum(name: str, members: Iterable[str]) -> str:
    """Write a C enumeration whose members count up from 0, or from a value given with the first."""
    return f"enum {name} {{ {', '.join(members)} }};"


def _activation_table() -> Iterator[str]:
    """Yield the list of all activations: ``X(name, struct, code)`` for each of them."""
    listed = (f"X({name}, {name.title().replace('_', '')}, {name.upper()})" for name in CODES)
    yield f"#define ACTIVATIONS(X) {' '.join(listed)}"
    yield _enum("Activation", [f"NO_ACTIVATION = {NO_ACTIVATION}", *map(str.upper, CODES)])


def _step_codes() -> Iterator[str]:
    """Yield the enumerations by which the plan of a fused step is read."""
    yield _enum("PlanWord", [*WORDS, "PLAN_WORDS"])
    yield _enum("PlanNumber", NUMBERS)
    yield _enum("Loss", (f"{loss.name}_LOSS" for loss in LOSS_CODES))
    yield _enum("GammaRule", (f"{name.upper()}_GAMMA" for name in GAMMA_CODES))
    yield _enum("Side", (side.name for side in Side))
    yield _enum("Finding", [*(finding.name for finding in Finding), "FINDINGS"])


#: Headers that are generated from tables, by the names that the sources include.
_GENERATED = {"activation_table.cuh": _activation_table, "step_codes.cuh": _step_codes}


def _lines(file: str, seen: set[str]) -> Iterator[str]:
    """Yield the lines of a file with every header inserted once, and ``#line`` directives."""
    seen.add(file)
    yield f'#line 1 "{file}"'
    made = _GENERATED.get(file)
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines() if made is None else made()
    for number, line in enumerate(lines, 1):
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
