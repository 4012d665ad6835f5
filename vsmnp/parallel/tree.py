"""Reduce the values of all ranks by one binary tree, whose result does not depend on the number of ranks.

With P parts in order, level d of the tree combines neighbouring blocks of ``2^d`` parts. A rank has a block
of consecutive parts, so the lower levels are inside the ranks; at each higher level two ranks exchange the
values of their blocks and both combine them, the lower first. All ranks then have the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import add, or_

import numpy as np

from ..types import Array
from ..types.division import Communicator


def reduced(
    ranks: Communicator, own: Sequence[Array], combine: Callable[[Array, Array], Array] = add
) -> Array:
    """Combine the values of all parts, given those of this rank in order; their number is a power of two."""
    values = list(own)
    while len(values) > 1:
        values = [combine(values[i], values[i + 1]) for i in range(0, len(values), 2)]
    value, distance = values[0], 1
    while distance < ranks.size:
        partner = ranks.rank ^ distance
        other = ranks.exchange(partner, value)
        value = combine(value, other) if ranks.rank < partner else combine(other, value)
        distance *= 2
    return value


def any_of(ranks: Communicator, flag: bool) -> bool:
    """Return whether the flag of any rank is true."""
    return flag if ranks.size == 1 else bool(reduced(ranks, [np.array([flag])], or_)[0])


def texts_of(ranks: Communicator, text: str) -> list[str]:
    """Return the texts of all ranks."""
    sent = np.frombuffer(text.encode(), np.uint8)
    longest = reduced(ranks, [np.array([sent.size])], np.maximum)
    table = np.zeros((ranks.size, int(longest[0])), np.uint8)
    table[ranks.rank, : sent.size] = sent
    return [bytes(row).rstrip(b"\0").decode() for row in reduced(ranks, [table], or_)]
