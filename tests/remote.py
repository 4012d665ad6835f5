"""Arrays of a simulated device: NumPy's operators and functions apply, and no other code can open them.

They refuse what CuPy refuses, with its messages, and what CuPy computes only after the host has waited for
the device: the truth and the value of an element, the addresses of elements, boolean masks and other results
whose shape depends on values. Masks are refused outside of a recorded step, too: ``where`` does the same
without a wait. Rows may be iterated over, since they are views; single numbers may not.

While a tape records, operations on them are noted on it: views and new arrays are made at once, with
arbitrary numbers; operations that fill or change memory are executed when the tape is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

Tape: TypeAlias = list[Callable[[], object]]


def opened(value: Any) -> Any:
    """Convert arrays of the device to NumPy's, inside tuples and lists too."""
    if isinstance(value, Remote):
        return value.inside
    if isinstance(value, tuple | list):
        return type(value)(opened(item) for item in value)
    return {name: opened(item) for name, item in value.items()} if isinstance(value, dict) else value


def shut(value: Any) -> Any:
    """Convert NumPy's arrays to the device's."""
    if isinstance(value, np.ndarray | np.generic):
        return Remote(np.asarray(value))
    return tuple(shut(item) for item in value) if isinstance(value, tuple | list) else value


#: CuPy's messages for a conversion to a NumPy array, and for a NumPy array among its own.
NO_CONVERSION = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
    "explicitly."
)
MIXED = "Unsupported type <class 'numpy.ndarray'>"
NO_FILL = "non-scalar numpy.ndarray cannot be used for fill"
#: Functions whose result CuPy has only after the host has waited.
WAITING = frozenset({
    np.shares_memory, np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.extract, np.compress,
    np.array_repr, np.array_str, np.array2string, np.histogram, np.setdiff1d, np.intersect1d,
})  # fmt: skip
#: Methods that fetch values to the host.
FETCHING = frozenset({"item", "tolist", "tobytes", "tofile", "dump", "dumps", "nonzero", "compress"})


class Waits(TypeError):
    """The error that the host would wait for the device."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} of an array of another device would make the host wait for it.")


def _arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [a for item in value for a in _arrays(item)] if isinstance(value, tuple | list) else []


def made(function: Callable[..., Any], args: Any, options: Any) -> Any:
    """Wrap the result of a function; at a replay it is computed again."""
    args, options = opened(args), opened(options)
    with np.errstate(all="ignore"):
        result = shut(function(*args, **options))
    kept, given = _arrays(opened(result)), _arrays((args, options))
    if Remote.tape is not None and not any(np.may_share_memory(a, b) for a in kept for b in given):

        def again() -> None:
            for place, value in zip(kept, _arrays(opened(shut(function(*args, **options)))), strict=True):
                place[...] = value

        Remote.tape.append(again)
    return result


def do(action: Callable[[], object]) -> None:
    """Execute a change of memory at once, or when the tape is replayed."""
    action() if Remote.tape is None else Remote.tape.append(action)


def _of_the_host(value: Any) -> bool:
    """Return whether NumPy's arrays are among the arguments."""
    return bool(_arrays(value))


def _check_place(place: Any) -> None:
    """Refuse masks, and indices that would be transferred while a step is recorded."""
    for part in place if isinstance(place, tuple) else (place,):
        array = opened(part) if isinstance(part, Remote | np.ndarray | list) else None
        if array is None:
            continue
        if np.asarray(array).dtype == bool:
            raise Waits("A boolean mask")
        if Remote.tape is not None and not isinstance(part, Remote):
            raise RuntimeError("Indices of the host are sent while a step is recorded.")


class Remote(NDArrayOperatorsMixin):
    """An array of the simulated device."""

    tape: ClassVar[Tape | None] = None

    def __init__(self, inside: np.ndarray) -> None:
        self.inside = inside

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(NO_CONVERSION)

    def _value(self, *_: Any) -> Any:
        raise Waits("The value")

    __bool__ = __float__ = __int__ = __complex__ = __index__ = _value
    __repr__ = __str__ = __format__ = _value

    def __iter__(self) -> Iterator[Remote]:
        if self.inside.ndim < 2:
            raise Waits("Each number")
        return (self[i] for i in range(len(self)))

    def __contains__(self, _: Any) -> bool:
        raise Waits("The content")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if _of_the_host((inputs, options)):
            raise TypeError(MIXED)
        if method not in ("__call__", "outer") and ufunc not in (np.add, np.multiply):
            raise NotImplementedError(f"`cupy_{ufunc.__name__}.{method}` is not supported yet")
        function, target = getattr(ufunc, method), options.get("out")
        if not target:
            return made(function, inputs, options)
        given, named = opened(inputs), opened(options)
        do(lambda: function(*given, **named))
        return target[0]

    def __array_function__(self, function: Callable[..., Any], _: Any, args: Any, options: Any) -> Any:
        if function in WAITING:
            raise Waits(function.__name__)
        if _of_the_host((args, options)):
            raise TypeError(MIXED)
        result = made(function, args, options)
        return bool(opened(result)) if function is np.may_share_memory else result

    def __getitem__(self, place: Any) -> Remote:
        _check_place(place)
        return made(lambda a, where: np.asarray(a[where]), (self, place), {})  # type: ignore[no-any-return]

    def __setitem__(self, place: Any, value: Any) -> None:
        _check_place(place)
        if isinstance(value, np.ndarray | list | tuple):
            raise ValueError(NO_FILL)
        where, given = opened(place), opened(value)
        do(lambda: self.inside.__setitem__(where, given))

    def __len__(self) -> int:
        return len(self.inside)

    def __getattr__(self, name: str) -> Any:
        if name in FETCHING:
            raise Waits(name)
        if name.startswith("__") or name in ("ctypes", "data"):  # the address would open it to NumPy
            raise AttributeError(name)
        found = getattr(self.inside, name)
        if not callable(found) or isinstance(found, np.dtype):
            return found
        return lambda *args, **options: made(found, args, options)
