"""Assemble the CUDA C sources: one translation unit for each topic and number type.

Those of fused steps are assembled for each shape. Headers replace their ``#include`` lines; headers of codes
and lists are generated from Python tables. CuPy caches compiled modules on disk under a hash of the source
text and does not read included files, so the source of a module must contain its headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from vsmnp.types import DType
from vsmnp.types.step_spec import GAMMA_CODES, LOSS_CODES

from ..reference.activations import CODES
from .step_plan import Finding, Side
from .step_shape import NO_ACTIVATION, NUMBERS

FOLDER = Path(__file__).parent / "cu"
#: Names of all ``.cu`` files.
TOPICS = tuple(sorted(path.stem for path in FOLDER.glob("*.cu")))
#: Names of those of fused steps, which are compiled for each shape.
STEPS = tuple(topic for topic in TOPICS if topic.startswith("step"))
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
    """Yield the enumerations of the numbers and codes of a fused step."""
    yield _enum("PlanNumber", NUMBERS)
    yield _enum("Loss", (f"{loss.name}_LOSS" for loss in LOSS_CODES))
    yield _enum("GammaRule", (f"{name.upper()}_GAMMA" for name in GAMMA_CODES))
    yield _enum("Side", (side.name for side in Side))
    yield _enum("Finding", [*(finding.name for finding in Finding), "FINDINGS"])


#: Headers that are generated from tables, by the names that the sources include.
_GENERATED = {"activation_table.cuh": _activation_table, "step_codes.cuh": _step_codes}
#: The header of the shape of a step, which the caller provides.
_SHAPE = "step_shape.cuh"


def _lines(file: str, seen: set[str], shape: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a file with every header inserted once, and ``#line`` directives."""
    seen.add(file)
    yield f'#line 1 "{file}"'
    made = (lambda: shape) if file == _SHAPE else _GENERATED.get(file)
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines() if made is None else made()
    for number, line in enumerate(lines, 1):
        include = _INCLUDE.fullmatch(line)
        if include is None:
            yield line
        elif include[1] not in seen:
            yield from _lines(include[1], seen, shape)
            yield f'#line {number + 1} "{file}"'


@cache
def joined(topic: str, dtype: DType, shape: tuple[str, ...] = ()) -> str:
    """Return the whole source of ``<topic>.cu`` for a dtype.

    Parameters
    ----------
    topic : str
        Name of a source; those of :data:`STEPS` need a shape.
    dtype : dtype
        The C type ``real``.
    shape : tuple of str
        Constants of a fused step: ``StepPlan.shape``.

    Raises
    ------
    KeyError
        If the dtype is neither float32 nor float64.
    """
    assert bool(shape) == (topic in STEPS), f"{topic}: a fused step alone has a shape"
    lines = _lines(f"{topic}.cu", set(), shape)
    return "\n".join([f"typedef {REALS[np.dtype(dtype)]} real;", *lines, ""])
