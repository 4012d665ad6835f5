"""The communicator of ranks that train on a GPU each: arrays of the device are exchanged by NCCL."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any, cast

import numpy as np

from ..errors import DeviceError
from ..types import Array
from ..types.division import Communicator
from .tree import texts_of

_log = logging.getLogger(__name__)


class CardRanks:
    """The ranks of ``host``, each on the GPU of its own that it chooses by its place on its machine.

    Where CuPy has no NCCL, arrays are exchanged through the memory of the host.

    Raises
    ------
    DeviceError
        If a machine has fewer GPUs than ranks.
    """

    def __init__(self, host: Communicator) -> None:
        import cupy

        self._host, self.rank, self.size, self._cupy = host, host.rank, host.size, cupy
        names = texts_of(host, socket.gethostname())
        machine, cards = names[self.rank], cupy.cuda.runtime.getDeviceCount()
        if names.count(machine) > cards:
            raise DeviceError(
                f"{machine} has {cards} GPU(s) for {names.count(machine)} ranks, and each rank needs one of "
                "its own: start fewer ranks there."
            )
        cupy.cuda.Device(names[: self.rank].count(machine)).use()
        self._link = self._linked()

    def _linked(self) -> Any:
        """Return NCCL's communicator of all ranks, or None where CuPy has no NCCL."""
        from cupy.cuda import nccl

        if not nccl.available:
            _log.info("CuPy has no NCCL: gradients are exchanged through the memory of the host.")
            return None
        own = list(nccl.get_unique_id()) if self.rank == 0 else []
        identity = json.loads(texts_of(self._host, json.dumps(own))[0])
        return nccl.NcclCommunicator(self.size, tuple(identity), self.rank)

    def exchange(self, partner: int, x: Array) -> Array:
        """Exchange arrays of the device without waiting for it, and those of the host as ``host`` does."""
        if isinstance(x, np.ndarray):
            return self._host.exchange(partner, x)
        cupy, link = self._cupy, self._link
        if link is None:
            return cast(Array, cupy.asarray(self._host.exchange(partner, cupy.asnumpy(x))))
        from cupy.cuda import nccl

        sent, stream = cupy.ascontiguousarray(x), cupy.cuda.get_current_stream().ptr
        received = cupy.empty_like(sent)
        nccl.groupStart()
        link.send(sent.data.ptr, sent.nbytes, nccl.NCCL_UINT8, partner, stream)
        link.recv(received.data.ptr, received.nbytes, nccl.NCCL_UINT8, partner, stream)
        nccl.groupEnd()
        return cast(Array, received)

    def close(self) -> None:
        """End the communication when all ranks have called this."""
        self._cupy.cuda.get_current_stream().synchronize()
        self._host.close()

    def fail(self, error: BaseException) -> None:
        """Tell all ranks that this one fails."""
        self._host.fail(error)
