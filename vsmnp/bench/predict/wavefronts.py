"""Count the wavefronts by which shared memory serves one access of a warp.

Shared memory has 32 banks of 4 bytes; a wavefront serves one word of each bank, to any number of lanes. An
access of 4 bytes a lane takes as many wavefronts as the bank with the most different words. For 8 bytes the
lanes are served in two halves of the warp, for 16 bytes in four quarters. Neighbouring parts are served
together if every lane has the address of the lane whose number differs in the lowest bit, or if every lane
has that of the lane whose number differs in the second bit. The last rule is an assumption: the vendor does
not document it, and it has not been measured on this generation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

WARP, BANKS = 32, 32


def wavefronts(addresses: Sequence[int | None], words: int = 1) -> int:
    """Count the wavefronts of an access of a warp.

    Parameters
    ----------
    addresses : sequence of int or None
        The first word that each lane accesses; None for a lane that takes no part.
    words : int
        Words of each lane: 1, 2 or 4.
    """
    lanes = [*addresses, *[None] * (WARP - len(addresses))]
    parts = [lanes[i : i + WARP // words] for i in range(0, WARP, WARP // words)]
    if words == 4:
        halves = [lanes[:16], lanes[16:]]
        parts = [part for half in halves for part in ([half] if _paired(half) else [half[:8], half[8:]])]
    if words == 2 and _paired(lanes):
        parts = [lanes]
    return sum(_conflicts(part, words) for part in parts)


def _paired(lanes: Sequence[int | None]) -> bool:
    return any(all(lanes[i] == lanes[i ^ bit] for i in range(len(lanes))) for bit in (1, 2))


def _conflicts(lanes: Sequence[int | None], words: int) -> int:
    banks = defaultdict[int, set[int]](set)
    for first in lanes:
        if first is not None:
            for word in range(first, first + words):
                banks[word % BANKS].add(word)
    return max(map(len, banks.values()), default=0)
