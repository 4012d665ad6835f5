"""Training data on the card: how much of its memory they may take, and minibatches of them."""

from __future__ import annotations

import numpy as np

from vsmnp.types import Array, DType

from .launching import Launching

#: Training data are kept on the card where they take at most this part of its free memory: the rest is for
#: parameters, activations and other programs on the card.
PART_FOR_DATA = 1 / 4


class Gather(Launching):
    """Implement ``data_memory`` and ``gather``: the memory for data, and minibatches of them."""

    def data_memory(self) -> int:
        """Return a quarter of the memory that is free now, in bytes."""
        return int(PART_FOR_DATA * self.machine.launcher.free_memory())

    def gather(
        self, table: Array, order: Array, index: int, batch: int, divisor: float, dtype: DType
    ) -> Array:
        """Gather a minibatch by one kernel; a replayed graph advances ``index`` on the device."""
        pixels = table.dtype == np.uint8
        out = self.empty((1, 1, batch, table.shape[1]), dtype)
        if out.size:
            self.launch("gather", out.dtype, "gather_pixels" if pixels else "gather_numbers",
                        self.flat_grid(out.size, 1)[:1], self.contiguous(table, None if pixels else dtype),
                        self.contiguous(order, np.int32), *order.shape, batch, table.shape[1],
                        *self.machine.step(index), self.scalar(divisor, out), out)  # fmt: skip
        return out
