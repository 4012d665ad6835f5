"""The optimisers of the ``cuda`` set: in place, and with the reference's rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vsmnp.types import Array

from .launching import Launching, volume


class Optimisers(Launching):
    """The kernels ``adam``, ``sgd`` and ``finite``."""

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, t: Array, lr: Array, beta1: float, beta2: float,
        eps: float, active: Array,
    ) -> None:  # fmt: skip
        """Step ``p -= lr m_hat / (sqrt(v_hat) + eps)`` with bias-corrected moments (Kingma & Ba 2015)."""
        if not p.size:
            t += active
            return
        g, lr = self.contiguous(g, p.dtype), self.contiguous(lr, p.dtype)
        active = self.contiguous(active, np.bool_)
        rates = [self.scalar(value, p) for value in (1 - beta1, 1 - beta2, eps)]
        with self.in_place(p, m, v, t) as (p_c, m_c, v_c, t_c):
            self._launch_adam(p_c, g, m_c, v_c, t_c, lr, (beta1, beta2), rates, active)

    def _launch_adam(
        self, p: Array, g: Array, m: Array, v: Array, t: Array, lr: Array, betas: tuple[float, float],
        rates: Sequence[Any], active: Array,
    ) -> None:  # fmt: skip
        """Launch the kernels; ``rates`` are ``1 - beta1``, ``1 - beta2`` and eps in the type of p."""
        models, size = p.shape
        corrections = self.empty((models,), p.dtype), self.empty((models,), p.dtype)
        self.launch("optim", p.dtype, "adam_advance", (self.flat_grid(models, 1)[0],),
                    t, active, *map(np.float64, betas), models, *corrections)  # fmt: skip
        self.launch("optim", p.dtype, "adam", self.flat_grid(size, models),
                    p, g, m, v, lr, *corrections, *rates, active, models, size)  # fmt: skip

    def sgd(self, p: Array, g: Array, t: Array, lr: Array, active: Array) -> None:
        """Step ``p -= lr g`` for every model that has not diverged."""
        if not p.size:
            t += active
            return
        models, size = p.shape
        g, lr, active = (
            self.contiguous(g, p.dtype),
            self.contiguous(lr, p.dtype),
            self.contiguous(active, np.bool_),
        )
        with self.in_place(p, t) as (p_c, t_c):
            self.launch("optim", p.dtype, "sgd", self.flat_grid(size, models),
                        p_c, g, t_c, lr, active, models, size)  # fmt: skip

    def finite(self, g: Array) -> Array:
        """Return for each model whether every entry of ``g[r]`` is finite."""
        models, size = g.shape[0], volume(g.shape[1:])
        bad = self.machine.xp.zeros(models, np.int32)
        if g.size:
            self.launch("optim", g.dtype, "find_infinite", self.flat_grid(size, models),
                        self.contiguous(g), models, size, bad)  # fmt: skip
        flags: Array = bad == 0
        return flags
