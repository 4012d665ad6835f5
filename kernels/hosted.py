"""Wrap a kernel set of another device so that it takes and returns NumPy's arrays, to test it on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vsmnp.types import Kernels

#: Functions of seeds, whose arrays stay on the host.
_DRAWN = ("words", "uniform", "normal", "sample")


class Hosted:
    """The functions of ``k``: arguments are copied to its device, changes and results are copied back.

    Arrays inside tuples and lists are copied, too. A fused step and a recorder are not wrapped: a trainer
    gives them arrays of the device, which ``asarray`` and ``zeros`` made.
    """

    def __init__(self, k: Kernels) -> None:
        self._k = k

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._k, name)
        return self._carried(name, function) if callable(function) else function

    def _carried(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if name in ("to_host", "asarray", "zeros"):
            return function

        def carried(*args: Any, **options: Any) -> Any:
            there: list[tuple[np.ndarray, Any]] = []

            def send(value: Any) -> Any:
                if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
                    return type(value)(send(item) for item in value)
                if not isinstance(value, np.ndarray) or (name in _DRAWN and value.dtype == np.uint64):
                    return value
                there.append((value, self._k.asarray(np.array(value))))
                return there[-1][1]

            result = function(*send(args), **{key: send(value) for key, value in options.items()})
            if not there and name not in _DRAWN:
                return result  # all arguments lie on the device, and so does the result
            homes = {id(copy): here for here, copy in there}

            def fetch(value: Any) -> Any:
                if isinstance(value, tuple):
                    return tuple(fetch(item) for item in value)
                if not hasattr(value, "dtype"):
                    return value  # a fused step, a recorder, or None
                return homes[id(value)] if id(value) in homes else self._k.to_host(value)

            for here, copy in there:
                back = self._k.to_host(copy)
                if not np.array_equal(back, here, equal_nan=True):
                    here[...] = back
            return fetch(result)

        return carried
