"""Measure the copy bandwidth within each level of the caches and in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...types import Array
from ..timing import Call

#: Where Linux describes the caches of the first core.
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
#: Bytes of each level where the system does not say them.
USUAL = {"L1": 2**15, "L2": 2**19, "L3": 2**24}
#: Share of a cache that source and target fill; the rest is for what else the core does.
FILLED = 0.5
#: The memory is measured by so many times the bytes of the largest cache.
BEYOND = 4
#: Bytes that one call copies at least, so that its start costs nothing.
LEAST = 2**21


def levels(folder: Path = CACHES) -> dict[str, int]:
    """Return the bytes of the data cache of each level."""
    found: dict[str, int] = {}
    try:
        for index in sorted(folder.glob("index*")):
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
            if kind != "Instruction" and size.endswith("K"):
                found[f"L{level}"] = 1024 * int(size[:-1])
    except (OSError, ValueError):
        return dict(USUAL)
    return found or dict(USUAL)


def working_sets() -> dict[str, int]:
    """Return the bytes of source and target together for each level, and for the memory."""
    sizes = levels()
    within = {name: int(FILLED * size) for name, size in sizes.items()}
    return {**within, "memory": BEYOND * max(sizes.values())}


def copies_within(size: int) -> tuple[Call, int]:
    """Return repeated copies back and forth between two arrays of ``size`` bytes together.

    Also returns the bytes that the call reads and writes.
    """
    source, target = np.ones(size // 8, np.float32), np.ones(size // 8, np.float32)
    repeats = max(1, LEAST // size)
    loop = _loop()
    return Call(lambda: loop(target, source, repeats)), 2 * repeats * 2 * source.nbytes


@cache
def _loop() -> Callable[[Array, Array, int], None]:
    """Compile the loop, which copies in both directions so that no copy can be left out."""
    import numba

    @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
    def copy(target: Any, source: Any, repeats: int) -> None:
        for _ in range(repeats):
            for i in range(target.size):
                target[i] = source[i]
            for i in range(target.size):
                source[i] = target[i]

    return copy  # type: ignore[no-any-return]
