r"""The negative evidence lower bound, equation (1).

.. math:: L = \tau A / 2 + d_x (l + \tfrac12 \log 2\pi) + KL[q(z|x) || p(z)],
          \qquad A = E_q |x - g(z)|^2 .
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..gaussian import kl_to_normal, log_likelihood
from ..posteriors import Moments
from ..types import Array, QuadraticForm
from .learning import Learning


@dataclass(frozen=True)
class ELBO(Learning):
    """Maximum likelihood for theta; ``gamma* = A / d_x``, nats per sample."""

    def form(self) -> QuadraticForm:
        return QuadraticForm(c_each=1.0, c_mean=0.0)

    def weights(self, tau: Array) -> tuple[Array, Array]:
        return tau, np.zeros_like(tau)

    def terms(self, q: Moments, a: Array, h: Array, log_sd: Array, d_x: int) -> Mapping[str, Array]:
        return {"reconstruction": -log_likelihood(a, log_sd, d_x), "kl": kl_to_normal(q.mu, q.s).mean((1, 2))}

    def slope(self, a: Array, h: Array, tau: Array, d_x: int) -> Array:
        return d_x - tau * a

    def optimum(self, a: Array, h: Array, d_x: int) -> tuple[Array, Array]:
        return a, np.full_like(a, d_x)
