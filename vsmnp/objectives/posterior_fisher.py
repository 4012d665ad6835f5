r"""Inference by the Fisher divergence between q(z|x) and the posterior, the first term of equation (6).

.. math:: D_F = \tfrac12 E_q |d|^2, \qquad
          d = \nabla_z \log q - \nabla_z \log p(z) - b = -\epsilon/s + z - b, \qquad
          b = J_g^T (x - g) / \gamma .

Weighted by the covariance of q it is :math:`\tfrac12 E_q |s \odot d|^2`, the divergence of Batch-and-Match
variational inference.

References
----------
Cai et al., "Batch and match: black-box variational inference with a score-based divergence", ICML 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..errors import ConfigError
from ..model.likelihood import precision
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Grads, Kernels, Tangents
from ..types.step_spec import InferenceSpec, StepLoss
from .objective import Outcome

FisherWeight: TypeAlias = Literal["identity", "covariance"]


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
    fisher_weight : {"identity", "covariance"}
        Matrix that weights ``|d|^2``. The covariance of q is held fixed as z is, so that ``dmu = mean d`` and
        ``ds = mean 2 d eps``: the pathwise KL gradient in mu, and twice that in s.

    Raises
    ------
    ConfigError
        If z is reparametrised and the weight is the covariance.
    """

    samples: int = 1
    reparametrised: bool = False
    weight: float = 1.0
    fisher_weight: FisherWeight = "identity"

    def __post_init__(self) -> None:
        if self.reparametrised and self.fisher_weight == "covariance":
            raise ConfigError(
                "The covariance weight is for a Fisher divergence with z held fixed: use --inference fisher."
            )

    def fused_spec(self) -> InferenceSpec:
        covariance = self.fisher_weight == "covariance"
        return InferenceSpec(
            StepLoss.FISHER, self.samples, self.reparametrised, self.weight, covariance=covariance
        )

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
        if self.fisher_weight == "covariance":
            gmu, gs = d.mean(1, keepdims=True), 2 * (d * eps).mean(1, keepdims=True)
            loss = 0.5 * ((q.s * d) ** 2).sum(-1).mean(1)

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
        features = model.gaussian_posterior.vjp(k, q, gmu * (self.weight / n), gs * (self.weight / n))
        pe, gp = model.encoder_part(phi), model.encoder_part(g_phi)
        model.encoder.vjp(k, pe, cache, features, gp, want_x=False)
        total = self.weight * loss.mean(1)
        statistics = model.statistics(k, cache, decoder_cache)
        return Outcome(total, {"posterior_fisher": total}, g_phi=g_phi, statistics=statistics)

    def gradient_along(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key, dphi: Array,
        want_phi: bool = True,
    ) -> tuple[Array | None, Array]:  # fmt: skip
        r"""Compute the derivatives of both gradients along ``dphi``, with z (and the weight W) held fixed.

        With :math:`\dot d = \dot\mu/s^2 + 2 (z - \mu) \dot s/s^3`,
        :math:`d\dot\mu = \overline{W (\dot d/s^2 - 2 d \dot s/s^3)}` and
        :math:`d\dot s = \overline{W (2 (z - \mu) \dot d/s^3 - 2 \dot\mu d/s^3 - 6 (z - \mu) d \dot s/s^4)}`.
        In theta it is minus the gradient of :math:`\overline{b \cdot W \dot d}`, one tangent sweep of the
        decoder along :math:`W \dot d`, and in l :math:`2\, \overline{b \cdot W \dot d}`.

        Raises
        ------
        ConfigError
            If z is reparametrised: this derivative would need third derivatives of the decoder.
        """
        if self.reparametrised:
            raise ConfigError(
                "Bi-level updates by the reparametrised Fisher divergence need third derivatives: use fisher."
            )
        n, posterior = x.shape[2], model.gaussian_posterior
        eps = posterior.noise(k, key, self.samples, x)
        q, cache = model.encode(k, phi, x)
        g, decoder_cache = model.decode(k, theta, q.place(eps))
        pe, pd = model.encoder_part(phi), model.decoder_part(theta)

        df, dc = model.encoder.jvp(k, pe, cache, model.encoder_part(dphi), None)
        assert df is not None
        dq, s = posterior.moments_along(k, q, df), q.s
        weight = s**2 if self.fisher_weight == "covariance" else np.ones_like(s)
        dd = dq.mu / s**2 + 2 * eps * dq.s / s**2
        direction = weight * dd

        tau = precision(model.log_sd(theta))[:, None, None, None]
        v, share = tau * (x - g), self.weight / (n * self.samples)
        dg, decoder_dc = model.decoder.jvp(k, pd, decoder_cache, None, direction)
        assert dg is not None
        m = k.zeros(theta.shape, theta.dtype)
        b, _ = model.decoder.vjp_jvp(
            k, pd, decoder_cache, -share * v, Tangents(None, decoder_dc, share * tau * dg),
            Grads(None, model.decoder_part(m)),
        )  # fmt: skip
        assert b is not None
        b = b / -share
        model.log_sd(m)[:] = 2 * share * (b * direction).sum((1, 2, 3))
        if not want_phi:
            return None, m

        d = q.place(eps) - eps / s - b
        dgmu = share * (weight * (dd - 2 * d * dq.s / s) / s**2).sum(1, keepdims=True)
        dgs = 2 * eps * dd - (2 * dq.mu + 6 * eps * dq.s) * d / s
        dgs = share * (weight * dgs / s**2).sum(1, keepdims=True)
        gmu = share * (weight * d / s**2).sum(1, keepdims=True)
        gs = share * (weight * 2 * d * eps / s**2).sum(1, keepdims=True)
        h = k.zeros(phi.shape, phi.dtype)
        model.encoder.vjp_jvp(
            k, pe, cache, posterior.vjp(k, q, gmu, gs),
            Tangents(model.encoder_part(dphi), dc, posterior.vjp_along(k, q, dq, gs, dgmu, dgs)),
            Grads(None, model.encoder_part(h), want_x=False),
        )  # fmt: skip
        return h, m
