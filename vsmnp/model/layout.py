"""A tree of parameter shapes laid out in one flat vector, and views back into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..types import Array, Params, Shape, Shapes

#: Slots start at multiples of this many elements, so that vector loads and GEMM operands are aligned.
ALIGNMENT = 32

#: Slots that no gradient moves: what a normalisation remembers of the batches.
STATISTICS = ("mean", "variance")


@dataclass(frozen=True)
class Slot:
    """One array in the flat vector: its dotted name, shape and place."""

    name: str
    shape: Shape
    start: int

    @property
    def size(self) -> int:
        """Elements of the array (1 for a scalar)."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def stop(self) -> int:
        """One past the last element."""
        return self.start + self.size


def _leaves(shapes: Shapes, prefix: str = "") -> Iterator[tuple[str, Shape]]:
    for name, node in shapes.items():
        if isinstance(node, tuple):
            yield prefix + name, node
        else:
            yield from _leaves(node, f"{prefix}{name}.")


@dataclass(frozen=True)
class Layout:
    """The places of all parameters of one network in a vector ``(R, P)``.

    The padding between slots is zero and stays zero under every optimiser, because its gradient is.
    """

    shapes: Shapes

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every array, in order."""
        slots, start = [], 0
        for name, shape in _leaves(self.shapes):
            slots.append(Slot(name, shape, start))
            start = -(-slots[-1].stop // ALIGNMENT) * ALIGNMENT
        return tuple(slots)

    @cached_property
    def size(self) -> int:
        """P: elements of the vector, padding included."""
        return -(-self.slots[-1].stop // ALIGNMENT) * ALIGNMENT if self.slots else 0

    @property
    def count(self) -> int:
        """The number of parameters that are trained: padding and running statistics excluded."""
        return sum(slot.size for slot in self.slots if slot.name.rsplit(".", 1)[-1] not in STATISTICS)

    def views(self, vector: Array) -> Params:
        """The tree of arrays ``(R, *shape)`` that live in ``vector (R, P)``; writing writes through."""
        tree: dict[str, Any] = {}
        for slot in self.slots:
            *path, leaf = slot.name.split(".")
            node = tree
            for name in path:
                node = node.setdefault(name, {})
            node[leaf] = vector[:, slot.start : slot.stop].reshape(vector.shape[0], *slot.shape)
        return tree

    def named(self, vector: Array) -> Iterator[tuple[str, Array]]:
        """``(dotted name, array)`` for every slot."""
        for slot in self.slots:
            yield slot.name, vector[:, slot.start : slot.stop].reshape(vector.shape[0], *slot.shape)
