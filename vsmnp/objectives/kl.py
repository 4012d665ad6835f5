r"""Inference by the Kullback-Leibler divergence, reparametrised: the phi-gradient of the negative ELBO.

With :math:`\bar z_i = \partial L/\partial z_i`, the gradients of a Gaussian q are
:math:`d\mu = \sum_i \bar z_i + \mu` and :math:`ds = \sum_i \bar z_i \epsilon_i + s - 1/s`; those of a
Bernoulli q are in :mod:`vsmnp.model.bernoulli`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.likelihood import log_likelihood, precision
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Grads, Kernels, QuadraticForm, Tangents
from ..types.kl_weight import WEIGHTING, is_weighted, weight_at, weighted
from ..types.step_spec import InferenceSpec, StepLoss
from .objective import Outcome


@dataclass(frozen=True)
class KL:
    """The divergence ``KL[q || p(z|x)]`` up to ``log p(x)``: minus equation (1), nats per sample.

    Parameters
    ----------
    samples : int
        S, posterior samples per datum.
    kl_weight, kl_warmup : float
        Weight of the divergence from the prior, and the number of updates in which it grows from 0; see
        :mod:`vsmnp.types.kl_weight`.
    """

    samples: int = 1
    kl_weight: float = 1.0
    kl_warmup: float = 0.0

    def fused_spec(self) -> InferenceSpec:
        return InferenceSpec(StepLoss.KL, self.samples, kl_weight=self.kl_weight, kl_warmup=self.kl_warmup)

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        n = x.shape[2]
        q, cache = model.encode(k, phi, x)
        g, decoder_cache = model.decode(k, theta, model.posterior.sample(k, key, q, self.samples))

        log_sd = model.log_sd(theta)
        tau = precision(log_sd)
        a, _, gg = k.residual_forms(x, g, None, QuadraticForm(1.0, 0.0), tau / n, 0 * tau)
        assert gg is not None
        gz = model.decoder.vjp(k, model.decoder_part(theta), decoder_cache, gg, None)
        assert gz is not None

        weight = weight_at(self.kl_weight, self.kl_warmup, key.step)
        features = model.posterior.pathwise(k, key, q, gz, weight / n)
        g_phi = k.zeros(phi.shape, phi.dtype)
        p, gp = model.encoder_part(phi), model.encoder_part(g_phi)
        model.encoder.vjp(k, p, cache, features, gp, want_x=False)

        terms = {
            "reconstruction": -log_likelihood(a, log_sd[:, None], model.d_x).mean(1),
            "kl": model.posterior.kl(q).mean((1, 2)),
        }
        loss = terms["reconstruction"] + terms["kl"]
        if is_weighted(self.kl_weight, self.kl_warmup):
            terms = weighted(terms, weight)
            loss = loss + terms[WEIGHTING]
        statistics = model.statistics(k, cache, decoder_cache)
        return Outcome(loss, terms, g_phi=g_phi, statistics=statistics)

    def gradient_along(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key, dphi: Array,
        want_phi: bool = True,
    ) -> tuple[Array | None, Array]:  # fmt: skip
        r"""Compute the derivatives of both gradients along ``dphi``, of a Gaussian q.

        With :math:`\dot z = \dot\mu + \epsilon \dot s` and dots for the tangents of the decoder's sweeps,
        :math:`d\dot\mu = \sum_i \dot{\bar z}_i + \dot\mu`,
        :math:`d\dot s = \sum_i \dot{\bar z}_i \epsilon_i + \dot s + \dot s/s^2`, and in l it is
        :math:`2 \tau\, \overline{(x - g) \cdot \dot g}`.
        """
        n, posterior = x.shape[2], model.gaussian_posterior
        eps = posterior.noise(k, key, self.samples, x)
        q, cache = model.encode(k, phi, x)
        g, decoder_cache = model.decode(k, theta, q.place(eps))
        pe, pd = model.encoder_part(phi), model.decoder_part(theta)

        df, dc = model.encoder.jvp(k, pe, cache, model.encoder_part(dphi), None)
        assert df is not None
        dq = posterior.moments_along(k, q, df)
        dg, decoder_dc = model.decoder.jvp(k, pd, decoder_cache, None, dq.place(eps))
        assert dg is not None

        tau = precision(model.log_sd(theta))
        share = (tau / (n * self.samples))[:, None, None, None]
        e = g - x
        m = k.zeros(theta.shape, theta.dtype)
        gz, dgz = model.decoder.vjp_jvp(
            k, pd, decoder_cache, share * e, Tangents(None, decoder_dc, share * dg),
            Grads(None, model.decoder_part(m), want_phi),
        )  # fmt: skip
        model.log_sd(m)[:] = -2 * (share * e * dg).sum((1, 2, 3))
        if not want_phi:
            return None, m

        assert gz is not None
        assert dgz is not None
        weight = weight_at(self.kl_weight, self.kl_warmup, key.step) / n
        gmu = gz.sum(1, keepdims=True) + weight * q.mu
        gs = (gz * eps).sum(1, keepdims=True) + weight * (q.s - 1 / q.s)
        dgmu = dgz.sum(1, keepdims=True) + weight * dq.mu
        dgs = (dgz * eps).sum(1, keepdims=True) + weight * (dq.s + dq.s / q.s**2)
        features = posterior.vjp(k, q, gmu, gs)
        dfeatures = posterior.vjp_along(k, q, dq, gs, dgmu, dgs)
        h = k.zeros(phi.shape, phi.dtype)
        model.encoder.vjp_jvp(
            k, pe, cache, features, Tangents(model.encoder_part(dphi), dc, dfeatures),
            Grads(None, model.encoder_part(h), want_x=False),
        )  # fmt: skip
        return h, m
