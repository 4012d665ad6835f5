"""Keep the training data in the memory of the device, and gather minibatches there.

A fixed set is copied once, pixels as bytes; an epoch is then a row of indices. Data that are drawn anew are
copied once an epoch. In both cases one kernel makes a minibatch from its index, so that it can be part of a
recorded step.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np

from ..types import Array
from .batches import Batches
from .rows import Rows, Stored, pieces

_log = logging.getLogger(__name__)


@dataclass
class Store:
    """The epochs of which one step takes minibatches, in the memory of the device.

    Parameters
    ----------
    batches : Batches
        What the minibatches are.
    count : int
        Minibatches of a step.
    memory : int
        Bytes that the data may take.
    """

    batches: Batches
    count: int
    memory: int
    _table: Array | None = field(default=None, init=False)
    _order: Array | None = field(default=None, init=False)
    _divisor: float = field(default=1.0, init=False)
    _epochs: list[int] = field(default_factory=list, init=False)
    _too_large: bool = field(default=False, init=False)

    def bring(self, first: int) -> bool:
        """Copy the epochs of minibatches ``first .. first + count``; return false if the data do not fit."""
        epoch, last = (index // self.batches.per_epoch for index in (first, first + self.count - 1))
        if self._table is None and not self._too_large:
            self._lay_out(self.batches.rows(epoch))
        if self._too_large:
            return False
        for each in range(epoch, last + 1):
            slot = each % self._slots
            if self._epochs[slot] != each:
                self._fill(slot, self.batches.rows(each))
                self._epochs[slot] = each
        return True

    def clean(self, index: int) -> Array:
        """Gather minibatch ``index``, ``(1, 1, N, D)``, without noise."""
        assert self._table is not None
        assert self._order is not None
        batches = self.batches
        return batches.k.gather(
            self._table, self._order, index, batches.batch_size, self._divisor, batches.dtype
        )

    @property
    def _used(self) -> int:
        """Rows of an epoch that make its minibatches."""
        return self.batches.per_epoch * self.batches.batch_size

    @property
    def _slots(self) -> int:
        """The most epochs that a step takes minibatches of."""
        return 1 + -(-(self.count - 1) // self.batches.per_epoch)

    def _lay_out(self, rows: Rows) -> None:
        """Allocate the memory, if there is enough, and copy a fixed set."""
        k, batches, dim = self.batches.k, self.batches, self.batches.dataset.dim
        stored = rows if isinstance(rows, Stored) else None
        pixels = stored is not None and stored.values.dtype == np.uint8 and not stored.preprocessing
        dtype = np.dtype(np.uint8 if pixels else batches.dtype)
        count = self._slots * self._used if stored is None else len(stored.values)
        size = count * dim * dtype.itemsize + 4 * self._slots * self._used
        self._too_large = size > self.memory or count >= 2**31
        if self._too_large:
            _log.info(
                f"The training data take {size:,} bytes, and {self.memory:,} of the GPU's memory are for "
                "them: minibatches are sent step by step."
            )
            return
        _log.info(f"The training data, {size:,} bytes, lie on the GPU, where minibatches are gathered.")
        self._table, self._epochs = k.zeros((count, dim), dtype), [-1] * self._slots
        self._order = k.asarray(np.arange(self._slots * self._used, dtype=np.int32).reshape(self._slots, -1))
        if stored is not None:
            self._divisor = stored.divisor if pixels else 1.0
            numbers = replace(stored, order=None, checked=False)
            for piece in pieces(count, dim):
                here = np.asarray(stored.values[piece]).reshape(-1, dim) if pixels else numbers[piece]
                self._table[piece] = k.asarray(here)

    def _fill(self, slot: int, rows: Rows) -> None:
        """Copy an epoch: the order of stored samples, or the samples themselves."""
        assert self._table is not None
        assert self._order is not None
        k, used = self.batches.k, self._used
        if isinstance(rows, Stored):
            order = np.arange(len(rows)) if rows.order is None else rows.order
            self._order[slot] = k.asarray(order[:used].astype(np.int32))
        else:
            self._table[slot * used : (slot + 1) * used] = k.asarray(rows[:used])
