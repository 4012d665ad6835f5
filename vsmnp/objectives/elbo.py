r"""The negative evidence lower bound, equation (1).

.. math:: L = \tau A / 2 + d_x (l + \tfrac12 \log 2\pi) + KL[q(z|x) || p(z)],
          \qquad A = E_q |x - g(z)|^2 .
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..model.likelihood import log_likelihood
from ..model.posterior import Moments
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Kernels, QuadraticForm
from ..types.kl_weight import WEIGHTING, is_weighted, weight_at, weighted
from ..types.step_spec import LearningSpec, StepLoss
from .objective import Outcome
from .quadratic import Learning


@dataclass(frozen=True)
class ELBO(Learning):
    """Maximum likelihood for theta by the ELBO; ``gamma* = A / d_x``, nats per sample.

    The weight of the divergence (:mod:`vsmnp.types.kl_weight`) is in the loss and its gradient in phi,
    not in its gradient in theta.
    """

    kl_weight: float = 1.0
    kl_warmup: float = 0.0
    fused_loss = StepLoss.ELBO

    def fused_spec(self) -> LearningSpec | None:
        spec = super().fused_spec()
        return spec and replace(spec, kl_weight=self.kl_weight, kl_warmup=self.kl_warmup)

    def _evaluated(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key, wants_phi: bool
    ) -> Outcome:
        outcome = super()._evaluated(k, model, phi, theta, x, key, wants_phi)
        if not is_weighted(self.kl_weight, self.kl_warmup):
            return outcome
        terms = weighted(outcome.terms, weight_at(self.kl_weight, self.kl_warmup, key.step))
        return replace(outcome, loss=outcome.loss + terms[WEIGHTING], terms=terms)

    def form(self) -> QuadraticForm:
        return QuadraticForm(c_each=1.0, c_mean=0.0)

    def prior_weight(self, update: int) -> float:
        return weight_at(self.kl_weight, self.kl_warmup, update)

    def weights(self, tau: Array) -> tuple[Array, Array]:
        return tau, np.zeros_like(tau)

    def terms(self, model: GaussianVAE, q: Moments, a: Array, h: Array, log_sd: Array) -> Mapping[str, Array]:
        reconstruction = -log_likelihood(a, log_sd, model.d_x)
        return {"reconstruction": reconstruction, "kl": model.posterior.kl(q).mean((1, 2))}

    def slope(self, a: Array, h: Array, tau: Array, d_x: int) -> Array:
        return d_x - tau * a

    def optimum(self, a: Array, h: Array, d_x: int) -> tuple[Array, Array]:
        return a, np.full_like(a, d_x)
