r"""The Fisher autoencoder: the joint Fisher divergence (6) with the practical objective (8), all of it.

.. math:: L = \tfrac12 E_q |d|^2 + \tfrac12 \tau^2 E_q |e|^2 - \tau d_x + \tfrac12 E_q |s^q|^2 .

One first-order sweep and one tangent sweep through each network give every gradient. Through the
decoder the sweep runs along ``dz = d`` with cotangent ``tau e``: its plain weight output is M1's
gradient over tau, its tangent is minus the gradient of ``d . b``, and the tangent of its input output
is ``-H d``. Through the encoder it runs along ``dx = s^q``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np

from ..gaussian import precision
from ..model import GaussianVAE
from ..posteriors import Moments
from ..rng import Key, Stream
from ..types import Array, Cache, Kernels
from .gamma import GammaRule, LearnedGamma
from .outcome import Outcome

ScoreNorm: TypeAlias = Literal["pathwise", "probe"]


@dataclass(frozen=True)
class JointFisher:
    """Both gradients of the joint Fisher divergence, nats per sample.

    Parameters
    ----------
    samples : int
        S, posterior samples a datum.
    reparametrised : bool
        Whether z follows phi; held fixed, the phi-gradient is biased, as in equation (32).
    score_norm : {"pathwise", "probe"}
        ``E_q |s^q|^2`` from the same z, or exactly in expectation over z by one Rademacher probe a
        sample: far less variance.
    gamma : GammaRule
        How gamma is found.
    """

    samples: int = 1
    reparametrised: bool = True
    score_norm: ScoreNorm = "pathwise"
    gamma: GammaRule = field(default_factory=LearnedGamma)

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        n, rows = x.shape[2], self.samples * x.shape[2]
        eps = key.normal(k, (self.samples, n, model.d_z), x.dtype)
        q, cache = model.encode(k, phi, x)
        z = q.place(eps)
        g, decoder_cache = model.decode(k, theta, z)
        p = model.decoder_part(theta)

        e = g - x
        minus_b0 = model.decoder.vjp(k, p, decoder_cache, e, None)  # J' (g - x)
        assert minus_b0 is not None
        c0 = z - eps / q.s
        square_b0 = (minus_b0 * minus_b0).sum(-1).mean((1, 2))
        square_e = (e * e).sum(-1).mean((1, 2))
        alignment = -(c0 * minus_b0).sum(-1).mean((1, 2))
        log_sd, kept = self.gamma.choose(model.log_sd(theta), square_b0 + square_e, alignment + model.d_x)
        tau = precision(log_sd)
        tau4 = tau[:, None, None, None]
        b = -tau4 * minus_b0
        d = c0 - b

        # Decoder: one tangent sweep along dz = d.
        dg, dc = model.decoder.jvp(k, p, decoder_cache, None, d)
        assert dg is not None
        m1_over_tau, g_theta = k.zeros(theta.shape, theta.dtype), k.zeros(theta.shape, theta.dtype)
        _, minus_hessian_d = model.decoder.vjp_jvp(
            k, p, decoder_cache, tau4 * e / rows, model.decoder_part(m1_over_tau),
            None, dc, tau4 * dg / rows, model.decoder_part(g_theta),
        )  # fmt: skip
        assert minus_hessian_d is not None
        g_theta += tau[:, None] * m1_over_tau
        if self.gamma.learns:
            slope = 2 * (d * b).sum(-1).mean((1, 2)) - 2 * tau * (tau * square_e - model.d_x)
            model.log_sd(g_theta)[:] = slope

        # Encoder: the posterior Fisher divergence and M1 through (mu, s), |s^q|^2 through x.
        g_phi = k.zeros(phi.shape, phi.dtype)
        if self.reparametrised:
            gz = (d - tau4 * b) / rows + minus_hessian_d
            gmu = gz.sum(1, keepdims=True)
            gs = ((gz + d / q.s**2 / rows) * eps).sum(1, keepdims=True)
        else:
            _, _, gmu, gs = k.posterior_fisher(q.mu, q.s, eps, b)
            gmu, gs = gmu / n, gs / n
        features = model.posterior.pull(k, q, gmu, gs)
        pe, gp = model.encoder_part(phi), model.encoder_part(g_phi)
        model.encoder.vjp(k, pe, cache, features, gp, want_x=False)
        score_norm = self._score_norm(k, model, phi, q, cache, eps, key, g_phi)

        terms = {
            "posterior_fisher": 0.5 * (d * d).sum(-1).mean((1, 2)),
            "score_square": 0.5 * tau**2 * square_e,
            "divergence": -tau * model.d_x,
            "score_norm": score_norm,
        }
        loss = sum(terms.values(), start=k.zeros(tau.shape, tau.dtype))
        return Outcome(loss, terms, g_phi, g_theta, log_sd, kept)

    def _score_norm(
        self,
        k: Kernels,
        model: GaussianVAE,
        phi: Array,
        q: Moments,
        cache: Cache,
        eps: Array,
        key: Key,
        g_phi: Array,
    ) -> Array:
        """``E|s^q|^2 / 2``, ``(R,)``; its gradient accumulates into ``g_phi``.

        ``s^q = J_e' a`` with ``a = (u/s, w S'/s)`` and ``(u, w) = (eps, eps^2 - 1)``, or signs
        ``(eta_1, sqrt(2) eta_2)`` with the same second moments.
        """
        d_z, rows = model.d_z, eps.shape[1] * eps.shape[2]
        if self.score_norm == "probe":
            signs = key.on(Stream.PROBE, key.step).signs(k, (*eps.shape[1:3], 2 * d_z), eps.dtype)
            u, w = signs[..., :d_z], np.sqrt(2.0) * signs[..., d_z:]
            w = w.astype(eps.dtype)
        else:
            u, w = eps, eps * eps - 1
        a = model.posterior.pull(k, q, u / q.s, w / q.s)
        p = model.encoder_part(phi)
        s_q = model.encoder.vjp(k, p, cache, a, None)
        assert s_q is not None
        y, dc = model.encoder.jvp(k, p, cache, None, s_q)
        assert y is not None
        y_mu, y_rho = y[..., :d_z], y[..., d_z:]

        scale, s = model.posterior.scale, q.s
        ds = k.activation_slope(scale, s, np.ones_like(s))  # S'
        dds = k.activation_curve(scale, s, ds, np.ones_like(s), None)  # S''
        if self.reparametrised or self.score_norm == "probe":
            da_mu = np.zeros_like(y_mu)
            da_rho = -y_mu * u * ds / s**2 + y_rho * w * (dds / s - ds**2 / s**2)
        else:
            da_mu = -y_mu / s**2 - 2 * eps * ds * y_rho / s**2
            da_rho = (
                -2 * eps * ds * y_mu / s**2
                + y_rho * ((1 - 3 * eps**2) * ds**2 / s**2 + (eps**2 - 1) * dds / s)
            )  # fmt: skip
        da = np.concatenate([da_mu, da_rho], axis=-1)
        model.encoder.vjp_jvp(
            k, p, cache, a / rows, None, None, dc, da / rows, model.encoder_part(g_phi), want_x=False
        )
        return np.asarray(0.5 * (s_q * s_q).sum(-1).mean((1, 2)))


@dataclass(frozen=True)
class JointFisherLearning(JointFisher):
    """The theta-gradient alone."""

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        return replace(super().__call__(k, model, phi, theta, x, key), g_phi=None)


@dataclass(frozen=True)
class JointFisherInference(JointFisher):
    """The phi-gradient alone."""

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        outcome = super().__call__(k, model, phi, theta, x, key)
        return replace(outcome, g_theta=None, log_sd=None, gamma_kept=None)
