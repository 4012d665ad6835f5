"""Arrays of another device: they know NumPy's operators and functions, and nothing else opens them.

While a tape is in the machine, what is done to them is noted on it as well: views and new arrays are made at
once, with numbers that do not matter; whatever fills or changes memory is done by whoever plays the tape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

Tape: TypeAlias = list[Callable[[], object]]


def opened(value: Any) -> Any:
    """Arrays of the device as NumPy's, inside tuples and lists too."""
    if isinstance(value, Remote):
        return value.inside
    if isinstance(value, tuple | list):
        return type(value)(opened(item) for item in value)
    return {name: opened(item) for name, item in value.items()} if isinstance(value, dict) else value


def shut(value: Any) -> Any:
    """NumPy's arrays as the device's."""
    if isinstance(value, np.ndarray | np.generic):
        return Remote(np.asarray(value))
    return tuple(shut(item) for item in value) if isinstance(value, tuple | list) else value


def _arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [a for item in value for a in _arrays(item)] if isinstance(value, tuple | list) else []


def made(function: Callable[..., Any], args: Any, options: Any) -> Any:
    """What a function returns; on a tape it is filled again each time."""
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
    """Change memory: now, or when the tape is played."""
    action() if Remote.tape is None else Remote.tape.append(action)


class Remote(NDArrayOperatorsMixin):
    """An array that lives elsewhere."""

    tape: ClassVar[Tape | None] = None

    def __init__(self, inside: np.ndarray) -> None:
        self.inside = inside

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("An array of another device becomes a NumPy array by to_host only.")

    def __bool__(self) -> bool:
        raise TypeError("The truth of an array of another device would wait for it.")

    __float__ = __int__ = __bool__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        for value in inputs:
            if isinstance(value, np.ndarray) and value.ndim:
                raise TypeError(f"{ufunc.__name__} mixes arrays of two devices.")
        function, target = getattr(ufunc, method), options.get("out")
        if not target:
            return made(function, inputs, options)
        given, named = opened(inputs), opened(options)
        do(lambda: function(*given, **named))
        return target[0]

    def __array_function__(self, function: Callable[..., Any], _: Any, args: Any, options: Any) -> Any:
        return made(function, args, options)

    def __getitem__(self, place: Any) -> Remote:
        return made(lambda a, where: np.asarray(a[where]), (self, place), {})  # type: ignore[no-any-return]

    def __setitem__(self, place: Any, value: Any) -> None:
        if isinstance(value, np.ndarray):
            raise TypeError("A NumPy array is written into an array of another device.")
        where, given = opened(place), opened(value)
        do(lambda: self.inside.__setitem__(where, given))

    def __len__(self) -> int:
        return len(self.inside)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inside, name)
        if not callable(found) or isinstance(found, np.dtype):
            return found
        return lambda *args, **options: made(found, args, options)
