"""The ``cuda`` kernel set: CUDA C through CuPy, and cuBLAS for matrix products.

The set takes float32 and float64. It agrees with ``reference`` up to rounding; words and uniforms agree to
the last bit. Only ``to_host`` synchronises with the GPU. Importing this file needs neither CuPy nor a GPU;
making the first array does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import Array, DType, Recorder, Shape

from ..reference.likelihood import likelihood_sums
from .conv import Images
from .gather import Gather
from .machine import card
from .optimizers import Optimisers
from .pointwise import Pointwise
from .random import Random
from .step import Stepping
from .terms import Terms


class CudaKernels(Images, Pointwise, Random, Terms, Optimisers, Stepping, Gather):
    """Every kernel of the protocol, in CUDA C for float32 and float64."""

    name = "cuda"

    def asarray(self, x: Any, dtype: DType | None = None) -> Array:
        """Copy ``x`` to an array of the machine, unless it is one already."""
        return self.machine.xp.asarray(x, dtype=dtype)  # type: ignore[no-any-return]

    def to_host(self, x: Array) -> Array:
        """Copy ``x`` to a NumPy array, and synchronise with the GPU."""
        get = getattr(x, "get", None)
        return np.asarray(x) if get is None else np.asarray(get())

    def zeros(self, shape: Shape, dtype: DType) -> Array:
        """Allocate an array of zeros on the machine."""
        return self.machine.xp.zeros(shape, dtype)  # type: ignore[no-any-return]

    def likelihood_sums(self, x: Array, g: Array, tau: Array) -> tuple[Array, Array]:
        """Compute the weighted sums on the host by NumPy, as the reference does."""
        least, sums = likelihood_sums(*(self.to_host(each) for each in (x, g, tau)))
        return self.asarray(least), self.asarray(sums)

    def parts(self) -> int:
        """Return 1: the minibatch is whole."""
        return 1

    def mean_over_parts(self, *values: Array) -> tuple[Array, ...]:
        """Return the values: the only part is the whole minibatch."""
        return values

    def recorder(self) -> Recorder | None:
        """Return the launcher's recorder, which captures training steps as CUDA graphs."""
        return self.machine.launcher.recorder()


def on_card(tf32: bool = False) -> CudaKernels:
    """Make the set for the current CUDA device; ``tf32`` rounds the factors of its products to TF32."""
    return CudaKernels(card(tf32))
