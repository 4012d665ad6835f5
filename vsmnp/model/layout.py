"""A tree of parameter shapes laid out in one flat vector, and views into that vector."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..types import Array, Params, Shape, Shapes

#: Slots start at multiples of this many elements, so that vector loads and GEMM operands are aligned.
ALIGNMENT = 32

#: Slots without a gradient: the running statistics of a normalisation.
STATISTICS = ("mean", "variance")


@dataclass(frozen=True)
class Slot:
    """One array in the flat vector: its dotted name, shape and offset."""

    name: str
    shape: Shape
    start: int

    @property
    def size(self) -> int:
        """Number of elements of the array (1 for a scalar)."""
        return math.prod(self.shape)

    @cached_property
    def stop(self) -> int:
        """Offset one past the last element."""
        return self.start + self.size


def _leaves(shapes: Shapes, prefix: str = "") -> Iterator[tuple[str, Shape]]:
    for name, node in shapes.items():
        if isinstance(node, tuple):
            yield prefix + name, node
        else:
            yield from _leaves(node, f"{prefix}{name}.")


@dataclass(frozen=True)
class Layout:
    """The offsets of all parameters of one network in a vector ``(R, P)``.

    The padding between slots is zero and stays zero under every optimiser, because its gradient is.
    """

    shapes: Shapes

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Slots of all arrays, in the order of their offsets."""
        slots, start = [], 0
        for name, shape in _leaves(self.shapes):
            slots.append(Slot(name, shape, start))
            start = -(-slots[-1].stop // ALIGNMENT) * ALIGNMENT
        return tuple(slots)

    @cached_property
    def size(self) -> int:
        """P: the length of the vector, padding included."""
        return -(-self.slots[-1].stop // ALIGNMENT) * ALIGNMENT if self.slots else 0

    @property
    def count(self) -> int:
        """The number of parameters that are trained: padding and running statistics excluded."""
        return sum(slot.size for slot in self.slots if slot.name.rsplit(".", 1)[-1] not in STATISTICS)

    def views(self, vector: Array) -> Params:
        """Return the tree of arrays ``(R, *shape)`` as views into ``vector (R, P)``."""
        tree: dict[str, Any] = {}
        for dotted, array in self.named(vector):
            *path, leaf = dotted.split(".")
            node = tree
            for name in path:
                node = node.setdefault(name, {})
            node[leaf] = array
        return tree

    def named(self, vector: Array) -> Iterator[tuple[str, Array]]:
        """Yield ``(dotted name, array)`` for every slot."""
        for slot in self.slots:
            yield slot.name, vector[:, slot.start : slot.stop].reshape(vector.shape[0], *slot.shape)
