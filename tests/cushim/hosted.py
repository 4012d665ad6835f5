"""A kernel set of another device that takes and gives NumPy's arrays, so that the laws can be put to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vsmnp.types import Kernels

#: Drawn from seeds, which stay on the host.
_DRAWN = ("words", "uniform", "normal", "sample")


class Hosted:
    """The functions of ``k``: arrays go to its device, and what it changed or returned comes back."""

    def __init__(self, k: Kernels) -> None:
        self._k = k

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._k, name)
        return self._carried(name, function) if callable(function) else function

    def _carried(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if name in ("to_host", "asarray", "zeros"):
            return function

        def carried(*args: Any, **options: Any) -> Any:
            there: dict[int, tuple[Any, Any]] = {}

            def send(value: Any, place: int) -> Any:
                stays = not isinstance(value, np.ndarray) or (name in _DRAWN and value.dtype == np.uint64)
                if stays:
                    return value
                there[place] = value, self._k.asarray(np.array(value))
                return there[place][1]

            sent = [send(value, i) for i, value in enumerate(args)]
            named = {key: send(value, len(args) + i) for i, (key, value) in enumerate(options.items())}
            result = function(*sent, **named)
            for here, copy in there.values():
                back = self._k.to_host(copy)
                if not np.array_equal(back, here, equal_nan=True):
                    here[...] = back
            homes = {id(copy): here for here, copy in there.values()}
            if isinstance(result, tuple):
                return tuple(x if x is None else self._k.to_host(x) for x in result)
            return (
                homes[id(result)]
                if id(result) in homes
                else None
                if result is None
                else self._k.to_host(result)
            )

        return carried
