"""Random numbers of the ``cuda`` set, and samples of the posterior."""

from __future__ import annotations

import numpy as np

from vsmnp.types import Array, DType, Shape

from .launching import Launching, blocks, volume


class Random(Launching):
    """The kernels ``words``, ``uniform``, ``normal``, and ``sample``, which does not store its noise."""

    def _draw(
        self, kernel: str, seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int
    ) -> Array:
        out = self.empty((len(seeds), *shape), dtype)
        if out.size:
            grid = self.flat_grid(blocks(first % 4 + volume(shape), 4), len(seeds))
            real = np.dtype(np.float32 if kernel == "words" else dtype)
            self._launch_draw(kernel, real, grid, self.machine.seeds(seeds), stream, step, first, out)
        return out

    def _launch_draw(
        self, kernel: str, real: DType, grid: Shape, seeds: Array, stream: int, step: int, first: int,
        out: Array,
    ) -> None:  # fmt: skip
        self.launch("random", real, kernel, grid, seeds, np.uint32(stream), *self.machine.step(step), first,
                    volume(out.shape[1:]), len(out), out)  # fmt: skip

    def words(self, seeds: Array, stream: int, step: int, count: int, first: int = 0) -> Array:
        """Generate random words: i is lane ``i % 4`` of block ``(i // 4, step, stream, i // 2**34)``."""
        return self._draw("words", seeds, stream, step, (count,), np.uint32, first)

    def uniform(
        self, seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0
    ) -> Array:
        """Draw uniforms: the top 24 bits of each word over 2**24, exact in float32."""
        return self._draw("uniform", seeds, stream, step, shape, dtype, first)

    def normal(
        self, seeds: Array, stream: int, step: int, shape: Shape, dtype: DType, first: int = 0
    ) -> Array:
        """Draw normals 2j and 2j+1 by Box-Muller from uniforms 2j (radius) and 2j+1 (angle)."""
        return self._draw("normal", seeds, stream, step, shape, dtype, first)

    def sample(
        self, mu: Array, s: Array, seeds: Array, stream: int, step: int, samples: int, first: int = 0
    ) -> Array:
        """Compute ``z = mu + s eps``, ``(R, S, N, Z)``, for ``mu, s (R, 1, N, Z)``.

        eps equals the result of ``normal`` for the same arguments, which recomputes it where it is needed.
        """
        models, moment = len(seeds), (len(seeds), 1, *mu.shape[2:])
        batch, width = mu.shape[2:]
        moments = batch * width
        z = self.empty((models, samples, batch, width), mu.dtype)
        if z.size:
            grid = self.flat_grid(blocks(first % 4 + samples * moments, 4), models)
            self._launch_sample(grid, self.broadcast(mu, moment), self.broadcast(s, moment, mu.dtype),
                                self.machine.seeds(seeds), stream, step, first, z)  # fmt: skip
        return z

    def _launch_sample(
        self, grid: Shape, mu: Array, s: Array, seeds: Array, stream: int, step: int, first: int, z: Array
    ) -> None:
        self.launch("sample", z.dtype, "sample", grid, mu, s, seeds, np.uint32(stream),
                    *self.machine.step(step), first, volume(mu.shape[1:]), volume(z.shape[1:]), len(z),
                    z)  # fmt: skip
