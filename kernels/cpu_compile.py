"""How the ``cpu`` set compiles its loops, and how any array becomes one that such a loop accepts.

Loops are compiled at their first call, for C-contiguous arrays only; the machine code is kept on disk,
and they run without the interpreter's lock, so that threads may train models side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

from vsmnp.types import Array, Shape

from .cpu_elementary import OPTIONS

_Function = TypeVar("_Function")

#: How a loop is compiled in which every operation rounds as NumPy's does; said aloud, as an option that is
#: not said is taken from the function that calls this one first.
ROUNDED: Any = {"error_model": "numpy", "fastmath": False}


@cache
def _sources() -> str:
    """What all files beside this one hold."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _digest(*what: Any) -> str:
    return sha256(repr(what).encode()).hexdigest()[:16]


def _keep(made: Any) -> None:
    """Keep machine code on disk for as long as no source of the set changes.

    Numba looks at the file of a loop alone, and would not see a change of a formula that the loop calls. It
    also numbers the files of machine code, and two processes that take a number at once would each write to
    the other's: here each is named after what it is for. A file that is cut short or cannot be written only
    means that a loop is compiled again.
    """
    try:
        made.enable_caching()
    except RuntimeError:  # there is no folder that Numba may write to: compile afresh in each process
        return
    file = made._cache._cache_file
    file._source_stamp = file._source_stamp, _sources()
    read, read_data, write = file._load_index, file._load_data, made._cache.save_overload

    def index() -> Any:
        try:
            return read()
        except Exception:  # it names what an older version had
            return {}

    def machine_code(name: str) -> Any:
        try:
            return read_data(name)
        except Exception as error:  # as if there were no such file
            raise OSError(f"{name} cannot be read") from error

    def save(key: Any, data: Any) -> None:
        name = f"{Path(file._index_name).stem}.{_digest(key, file._source_stamp)}.nbc"
        overloads = index()
        overloads[key] = name
        file._save_data(name, data)
        file._save_index(overloads)

    def save_overload(signature: Any, compiled: Any) -> None:
        with suppress(OSError):
            write(signature, compiled)

    file._load_index, file._load_data, file.save = index, machine_code, save
    made._cache.save_overload = save_overload


def _njit(function: _Function, options: Any) -> _Function:
    made = numba.njit(nogil=True, no_cfunc_wrapper=True, **options)(function)
    _keep(made)
    return cast(_Function, made)


def callback(function: Callable[..., None], signature: Any, options: Any = OPTIONS) -> Any:
    """Compile a loop for one signature, at once; what is returned has its ``address``."""
    made = CFunc(function, normalize_signature(signature), locals={}, options=options)
    _keep(made)
    made.compile()
    return made


def compiled(function: _Function) -> _Function:
    """Compile a loop; products and sums may contract to fused multiply-adds."""
    return _njit(function, OPTIONS)


def rounded(function: _Function) -> _Function:
    """Compile a loop in which every operation rounds as NumPy's does: bit-equal to the reference."""
    return _njit(function, ROUNDED)


def contiguous(x: Array, dtype: Any = None) -> Array:
    """``x`` itself if it is C-contiguous and of that type, else a copy."""
    return np.ascontiguousarray(x, dtype)


def stretched(x: Array, shape: Shape, dtype: Any = None) -> Array:
    """The same for ``x`` broadcast to ``shape``; a copy is writable, or each loop would compile once more."""
    return np.ascontiguousarray(x if x.shape == shape else np.array(np.broadcast_to(x, shape)), dtype)


@contextmanager
def in_place(*arrays: Array) -> Iterator[list[Array]]:
    """C-contiguous stand-ins for ``arrays``, whose changes are written back at the end."""
    stand_ins = [np.ascontiguousarray(x) for x in arrays]
    yield stand_ins
    for x, stand_in in zip(arrays, stand_ins, strict=True):
        if stand_in is not x:
            x[...] = stand_in
