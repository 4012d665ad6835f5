r"""M2 and M3 as the paper's published toy script computes them.

The script draws one z per datum and takes the mean over the *minibatch* where the paper has the mean over
posterior samples: the roles of the axes S and N are exchanged. With S > 1 it is the average of S such
losses. In M3 it also differentiates through z, so that :math:`-\nabla_x \sum \log s(x)` replaces
:math:`s^q`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.posterior import Moments
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Cache, Kernels, QuadraticForm
from ..types.step_spec import StepLoss
from .quadratic import Learning


@dataclass(frozen=True)
class _OverMinibatch(Learning):
    """A learning objective whose inner mean runs over N and whose outer mean runs over S."""

    def apply(
        self, k: Kernels, form: QuadraticForm, x: Array, g: Array, s_q: Array | None, tau: Array,
        want_gradient: bool,
    ) -> tuple[Array, Array, Array | None]:  # fmt: skip
        residual = (g - x).swapaxes(1, 2)  # the forms depend on g - x alone, and x may not vary along S
        origin = k.zeros((1, 1, *residual.shape[2:]), g.dtype)
        swapped = None if s_q is None else s_q.swapaxes(1, 2)
        a, h, gg = super().apply(k, form, origin, residual, swapped, tau, want_gradient)
        return a, h, None if gg is None else gg.swapaxes(1, 2)


@dataclass(frozen=True)
class M2AsPublished(_OverMinibatch):
    r""":math:`\overline{|s_n|^2} - \frac12 |\bar s|^2 - \tau d_x`, means over the minibatch."""

    fused_loss = StepLoss.AS_PUBLISHED

    def form(self) -> QuadraticForm:
        return QuadraticForm(c_each=2.0, c_mean=-1.0)


@dataclass(frozen=True)
class M3AsPublished(_OverMinibatch):
    r""":math:`\frac12 |\bar s|^2 - \overline{\nabla_x(\sum \log s(x_n)) \cdot s_n} - \tau d_x`."""

    fused_loss = StepLoss.AS_PUBLISHED

    def form(self) -> QuadraticForm:
        return QuadraticForm(c_each=0.0, c_mean=1.0, d_each=1.0)

    def score_q(
        self, k: Kernels, model: GaussianVAE, phi: Array, x: Array, q: Moments, cache: Cache, key: Key
    ) -> Array | None:
        """Compute ``-grad_x sum log s(x)``, which is equal for all S samples."""
        u, w = self.score_directions(q.s)
        features = model.gaussian_posterior.vjp(k, q, u / q.s, w / q.s)
        total = model.encoder.vjp(k, model.encoder_part(phi), cache, features, None)
        assert total is not None
        return total.repeat(self.samples, axis=1)

    def score_directions(self, eps: Array) -> tuple[Array, Array]:
        """Return ``(0, -1)``: z is differentiated in x, which leaves ``-grad_x sum log s``."""
        one = np.ones_like(eps[:, :1])
        return 0 * one, -one
