r"""Inference by the Fisher divergence between q(z|x) and the posterior, the first term of equation (6).

.. math:: D_F = \tfrac12 E_q |d|^2, \qquad
          d = \nabla_z \log q - \nabla_z \log p(z) - b = -\epsilon/s + z - b, \qquad
          b = J_g^T (x - g) / \gamma .
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.likelihood import precision
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Grads, Kernels, Tangents
from ..types.step_spec import InferenceSpec
from .objective import Outcome


@dataclass(frozen=True)
class PosteriorFisher:
    r"""The divergence ``D_F[q || p(z|x)]``, nats per sample.

    With z fixed, ``dmu = mean d/s^2`` and ``ds = mean 2 d eps/s^2``: the KL gradient times the
    Fisher information of q. Reparametrised, the Hessian H of the log-likelihood in z enters:
    ``c = d - H d``, ``dmu = mean c``, ``ds = mean (c eps + d eps/s^2)``; H d is the tangent of the
    decoder's backward sweep along ``dz = d``.

    Parameters
    ----------
    samples : int
        S, posterior samples per datum.
    reparametrised : bool
        Whether z is differentiated in phi.
    weight : float
        Factor of the loss; the paper's published toy script omits the 1/2, which is weight 2 here.
    """

    samples: int = 1
    reparametrised: bool = False
    weight: float = 1.0

    def fused_spec(self) -> InferenceSpec:
        return InferenceSpec("fisher", self.samples, self.reparametrised, self.weight)

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        n = x.shape[2]
        q, cache = model.encode(k, phi, x)
        g, decoder_cache = model.decode(k, theta, model.posterior.sample(k, key, q, self.samples))

        p = model.decoder_part(theta)
        tau = precision(model.log_sd(theta))[:, None, None, None]
        v = tau * (x - g)
        b = model.decoder.vjp(k, p, decoder_cache, v)
        assert b is not None
        eps = model.gaussian_posterior.noise(k, key, self.samples, x)
        d, loss, gmu, gs = k.posterior_fisher(q.mu, q.s, eps, b)

        if self.reparametrised:
            dg, dc = model.decoder.jvp(k, p, decoder_cache, None, d)
            assert dg is not None
            _, hessian_d = model.decoder.vjp_jvp(
                k, p, decoder_cache, v, Tangents(None, dc, -tau * dg), Grads()
            )
            assert hessian_d is not None
            c = d - hessian_d
            gmu = c.mean(1, keepdims=True)
            gs = ((c + d / q.s**2) * eps).mean(1, keepdims=True)

        g_phi = k.zeros(phi.shape, phi.dtype)
        features = model.gaussian_posterior.pull(k, q, gmu * (self.weight / n), gs * (self.weight / n))
        pe, gp = model.encoder_part(phi), model.encoder_part(g_phi)
        model.encoder.vjp(k, pe, cache, features, gp, want_x=False)
        total = self.weight * loss.mean(1)
        statistics = model.statistics(k, cache, decoder_cache)
        return Outcome(total, {"posterior_fisher": total}, g_phi=g_phi, statistics=statistics)
