"""A batch in parts: each is some tiles in a row, whose gradients are gathered in the part's own memory.

The parts are summed in their order at the end, so that it never shows which thread did which.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from vsmnp.arrays import Array

from .cpu_elementary import formula
from .cpu_tiles import WIDTH, Noise

#: A batch is cut into at most so many parts.
PARTS = 8


class Room(NamedTuple):
    """What is gathered of an update: ``parts, plain (parts, P)``, ``g (P,)``, ``sums (parts, 4)``.

    ``plain`` is what the joint Fisher divergence multiplies by tau at the end; for others it is empty.
    """

    parts: Array
    plain: Array
    g: Array
    sums: Array


class Source(NamedTuple):
    """Noise of one model's update, and of its probe."""

    seed: int
    stream: int
    probe: int
    step: int


@formula
def begin(room: Any, tile: Any, tiles: int, p: int, batch: int) -> Any:
    """Forget part p; the first rows of its tiles."""
    room.parts[p] = 0
    room.plain[p] = 0
    room.sums[p] = 0
    start = p * tiles * tile.at[WIDTH]
    return range(start, min(batch, start + tiles * tile.at[WIDTH]), tile.at[WIDTH])


@formula
def noise_of(source: Any) -> Any:
    """The noise of the samples."""
    return Noise(source.seed, source.stream, source.step)


@formula
def probe_of(source: Any) -> Any:
    """The noise of the probe."""
    return Noise(source.seed, source.probe, source.step)
