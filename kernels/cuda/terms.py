"""The Gaussian terms of the ``cuda`` set, in one pass over the data with means over S in registers."""

from __future__ import annotations

from typing import Any

import numpy as np

from vsmnp.types import Array, QuadraticForm, Shape

from .launching import Launching, blocks, common, flag, from_model_to_model

#: The largest S whose samples ``residual_forms_of_few`` keeps in registers.
FEW = 8


class Terms(Launching):
    """The kernels ``residual_forms`` and ``posterior_fisher``."""

    def _grid(self, models: int, batch: int, data: int) -> Shape:
        return blocks(batch, data), min(models, self.most_rows)

    def residual_forms(
        self, x: Array, g: Array, s_q: Array | None, form: QuadraticForm, w_square: Array, w_cross: Array,
        want_gradient: bool = True,
    ) -> tuple[Array, Array, Array | None]:  # fmt: skip
        """Compute a, h and the gradient of ``w_square a/2 + w_cross h``; see :class:`QuadraticForm`."""
        dtype = g.dtype
        models, _, batch, _ = shape = g.shape
        a, h = self.empty((models, batch), dtype), self.empty((models, batch), dtype)
        v = self.empty(shape, dtype) if want_gradient else None
        if a.size:
            g, x = self.contiguous(g), self.contiguous(x, dtype)
            q = g if s_q is None else self.broadcast(s_q, shape, dtype)
            coefficients = (form.c_each, form.c_mean, form.d_each, form.d_mean)
            weights = (self.broadcast(w, (models,), dtype) for w in (w_square, w_cross))
            flags = flag(s_q is not None), flag(want_gradient)
            how = (*flags, *(self.scalar(c, g) for c in coefficients), *weights)
            self._launch_forms(x, g, q, how, a, h, g if v is None else v)
        return a, h, v

    def _launch_forms(
        self, x: Array, g: Array, q: Array, how: tuple[Any, ...], a: Array, h: Array, v: Array
    ) -> None:
        """Launch the kernel; ``how`` is whether q is given and v wanted, 4 coefficients and 2 weights."""
        models, samples, batch, width = g.shape
        count = "one" if samples == 1 else "few" if samples <= FEW else "any"
        team = self.team(width)
        self.launch("terms", g.dtype, f"residual_forms_of_{count}", self._grid(models, batch, team.data),
                    x, from_model_to_model(x), g, q, *how, models, samples, batch, width,
                    np.int32(team.width), a, h, v)  # fmt: skip

    def posterior_fisher(
        self, mu: Array, s: Array, eps: Array, b: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Compute ``d = z - eps/s - b``, the loss, ``gmu = mean d/s^2`` and ``gs = mean 2 d eps/s^2``."""
        shape, dtype = np.broadcast_shapes(mu.shape, eps.shape, b.shape), common(mu, s, eps, b)
        models, _, batch, width = shape
        moment = (models, 1, batch, width)
        d, loss = self.empty(shape, dtype), self.empty((models, batch), dtype)
        gmu, gs = self.empty(moment, dtype), self.empty(moment, dtype)
        if loss.size:
            mu, s = (self.broadcast(array, moment, dtype) for array in (mu, s))
            eps, b = (self.broadcast(array, shape, dtype) for array in (eps, b))
            self._launch_fisher(mu, s, eps, b, d, loss, gmu, gs)
        return d, loss, gmu, gs

    def _launch_fisher(
        self, mu: Array, s: Array, eps: Array, b: Array, d: Array, loss: Array, gmu: Array, gs: Array
    ) -> None:
        models, samples, batch, width = d.shape
        team = self.team(width)
        self.launch("fisher", d.dtype, "posterior_fisher", self._grid(models, batch, team.data),
                    mu, s, eps, b, models, samples, batch, width, np.int32(team.width),
                    d, loss, gmu, gs)  # fmt: skip
