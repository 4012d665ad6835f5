"""Training steps as CUDA graphs, captured from a separate stream with a separate memory pool.

Memory that is freed while a stream is captured returns to its pool, and a replay writes to it again. The pool
of a recorder is used for nothing else, so only the graph itself reuses that memory, in the order of the
capture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from vsmnp.types import Array

T = TypeVar("T")


class CupyRecorder:
    """A recorder with a stream, a memory pool and the most recently captured graph."""

    def __init__(self) -> None:
        import cupy

        self._cupy = cupy
        self._pool, self._stream = cupy.cuda.MemoryPool(), cupy.cuda.Stream()
        self._graph: Any = None
        self.ticks: Array = cupy.zeros(1, np.uint32)

    @contextmanager
    def _private_memory(self) -> Iterator[None]:
        with self._cupy.cuda.using_allocator(self._pool.malloc), self._stream:
            yield

    def rehearse(self, work: Callable[[], T]) -> T:
        """Run the work once, so that kernels are compiled and the pool has the memory it needs."""
        with self._private_memory():
            result = work()
            self._count()
        return result

    def record(self, work: Callable[[], T]) -> T:
        """Capture the work without running it, with a last kernel that counts replays."""
        self.ticks[...] = 0
        with self._private_memory():
            self._stream.begin_capture(self._cupy.cuda.runtime.streamCaptureModeRelaxed)
            try:
                result = work()
                self._count()
            finally:
                self._graph = self._stream.end_capture()
        return result

    def _count(self) -> None:
        """Count a replay, by a kernel that :meth:`rehearse` compiles before the capture."""
        self.ticks += 1

    def replay(self) -> None:
        """Launch the graph on its stream; work on the default stream starts after it."""
        self._graph.launch(self._stream)
