"""The activations of the ``cuda`` set and their first and second derivatives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vsmnp.types import ActivationName, Array, Shape

from .launching import Launching, common, flag, operand, volume


class _Folded(NamedTuple):
    """A common shape ``(R, S, M)``, and each array with its strides between models and samples."""

    shape: tuple[int, int, int]
    steps: tuple[tuple[Array, int, int], ...]


class Pointwise(Launching):
    """The kernels ``activation``, ``activation_slope`` and ``activation_curve``."""

    def _folded(self, shape: Shape, dtype: Any, *arrays: Array) -> _Folded:
        """Reshape ``arrays`` for a common ``shape (R, S, N, ...)``; their R and S may be 1."""
        if all(x.shape == shape for x in arrays):
            size = volume(shape)
            return _Folded((1, 1, size), tuple((self.contiguous(x, dtype), 0, 0) for x in arrays))
        models, samples, *sample = shape
        size = volume(tuple(sample))
        full = (self.broadcast(x, (*x.shape[:2], *sample), dtype) for x in arrays)
        return _Folded((models, samples, size), tuple(map(operand, full)))

    def activation(
        self, f: ActivationName, x: Array, slope: Array | None = None, shift: Array | None = None,
        out: Array | None = None,
    ) -> Array:  # fmt: skip
        """Compute ``y = f(slope x + shift)`` with slope and shift per channel."""
        small = [c for c in (slope, shift) if c is not None]
        lead = np.broadcast_shapes(x.shape[:2], *(c.shape[:2] for c in small))
        y = self.empty((*lead, *x.shape[2:]), x.dtype) if out is None else out
        if y.size:
            models, samples, size = (*lead, volume(x.shape[2:])) if small else (1, 1, x.size)
            channels, x = x.shape[-1], x if small else self.contiguous(x).reshape(1, 1, x.size)
            x_at, slope_at, shift_at = (
                operand(self.contiguous(v, x.dtype)) if v is not None else (y, 0, 0)
                for v in (x, slope, shift)
            )
            with self.in_place(y) as (whole,):
                self.launch("pointwise", x.dtype, f"{f}_value", self.flat_grid(size, models * samples),
                            *x_at, *slope_at, flag(slope is not None), *shift_at, flag(shift is not None),
                            models, samples, size, channels, whole)  # fmt: skip
        return y

    def activation_slope(self, f: ActivationName, y: Array, v: Array) -> Array:
        """Compute ``f'(x) v``, where ``f' = h(y)``."""
        shape, dtype = np.broadcast_shapes(y.shape, v.shape), common(y, v)
        out = self.empty(shape, dtype)
        if out.size:
            (models, samples, size), steps = self._folded(shape, dtype, y, v)
            self.launch("pointwise", dtype, f"{f}_slope", self.flat_grid(size, models * samples),
                        *steps[0], *steps[1], models, samples, size, out)  # fmt: skip
        return out

    def activation_curve(
        self, f: ActivationName, y: Array, dy: Array | None, gy: Array, dgy: Array | None
    ) -> Array:
        """Compute ``f' dgy + f'' dx gy``, where ``f'' dx = h'(y) dy``; a term that is zero is skipped."""
        given = [x for x in (y, dy, gy, dgy) if x is not None]
        shape, dtype = np.broadcast_shapes(*(x.shape for x in given)), common(*given)
        out = self.empty(shape, dtype)
        if out.size:
            filled = (y, y if dy is None else dy, gy, y if dgy is None else dgy)
            (models, samples, size), (y_at, dy_at, gy_at, dgy_at) = self._folded(shape, dtype, *filled)
            self.launch("pointwise", dtype, f"{f}_curve", self.flat_grid(size, models * samples),
                        *y_at, *dy_at, flag(dy is not None), *gy_at, *dgy_at, flag(dgy is not None),
                        models, samples, size, out)  # fmt: skip
        return out
