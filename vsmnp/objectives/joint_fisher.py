r"""The Fisher autoencoder: the joint Fisher divergence (6) with the complete practical objective (8).

.. math:: L = \tfrac12 E_q |d|^2 + \tfrac12 \tau^2 E_q |e|^2 - \tau d_x + \tfrac12 E_q |s^q|^2 .

One first-order sweep and one tangent sweep through each network give every gradient. Through the
decoder the sweep runs along ``dz = d`` with cotangent ``tau e``: its weight gradient is M1's gradient
over tau, the tangent of that is minus the gradient of ``d . b``, and the tangent of its input gradient
is ``-H d``. Through the encoder it runs along ``dx = s^q``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..model.likelihood import precision
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Cache, Grads, Kernels, Tangents
from ..types.step_spec import NO_FORM, InferenceSpec, LearningSpec, StepLoss
from .gamma import GammaRule, LearnedGamma
from .objective import Outcome
from .score_norm import ScoreNorm, ScoreNormTerm


@dataclass(frozen=True)
class JointFisher:
    """Both gradients of the joint Fisher divergence, in nats per sample.

    Parameters
    ----------
    samples : int
        S, posterior samples per datum.
    reparametrised : bool
        Whether z is differentiated in phi; with z fixed, the phi-gradient is biased, as in equation (32).
    score_norm : {"pathwise", "probe"}
        Estimator of ``E_q |s^q|^2``: from the same z, or by one Rademacher probe per sample, which is exact
        in expectation over z and has far less variance.
    gamma : GammaRule
        Rule for gamma.
    """

    samples: int = 1
    reparametrised: bool = True
    score_norm: ScoreNorm = "pathwise"
    gamma: GammaRule = field(default_factory=LearnedGamma)
    trains_phi: ClassVar[bool] = True
    trains_theta: ClassVar[bool] = True

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        n, rows = x.shape[2], self.samples * x.shape[2]
        eps = model.gaussian_posterior.noise(k, key, self.samples, x)
        q, cache = model.encode(k, phi, x)
        z = q.place(eps)
        g, decoder_cache = model.decode(k, theta, z)

        e = g - x
        minus_b0 = model.decoder.vjp(k, model.decoder_part(theta), decoder_cache, e)  # J' (g - x)
        assert minus_b0 is not None
        c0 = z - eps / q.s
        square_e = (e * e).sum(-1).mean((1, 2))
        log_sd, choice = model.log_sd(theta), None
        if self.gamma.closed_form:
            square_b0 = (minus_b0 * minus_b0).sum(-1).mean((1, 2))
            alignment = -(c0 * minus_b0).sum(-1).mean((1, 2))
            whole, aligned = k.mean_over_parts(square_b0 + square_e, alignment)
            choice = self.gamma.choose(log_sd, whole, aligned + model.d_x)
            log_sd = choice.log_sd
        tau = precision(log_sd)
        tau4 = tau[:, None, None, None]
        b = -tau4 * minus_b0
        d = c0 - b

        g_theta, minus_hessian_d = self._decoder_sweep(k, model, theta, decoder_cache, tau, e, d, rows)
        if g_theta is not None and self.gamma.learns:
            slope = 2 * (d * b).sum(-1).mean((1, 2)) - 2 * tau * (tau * square_e - model.d_x)
            model.log_sd(g_theta)[:] = slope

        g_phi = k.zeros(phi.shape, phi.dtype) if self.trains_phi else None
        if g_phi is not None:  # the posterior Fisher divergence and M1 through (mu, s)
            if minus_hessian_d is not None:
                gz = (d - tau4 * b) / rows + minus_hessian_d
                gmu = gz.sum(1, keepdims=True)
                gs = ((gz + d / q.s**2 / rows) * eps).sum(1, keepdims=True)
            else:
                _, _, gmu, gs = k.posterior_fisher(q.mu, q.s, eps, b)
                gmu, gs = gmu / n, gs / n
            features = model.gaussian_posterior.vjp(k, q, gmu, gs)
            p, gp = model.encoder_part(phi), model.encoder_part(g_phi)
            model.encoder.vjp(k, p, cache, features, gp, want_x=False)

        norm = ScoreNormTerm(self.score_norm, self.reparametrised)
        terms = {
            "posterior_fisher": 0.5 * (d * d).sum(-1).mean((1, 2)),
            "score_square": 0.5 * tau**2 * square_e,
            "divergence": -tau * model.d_x,
            "score_norm": norm(k, model, phi, q, cache, eps, key, g_phi),
        }
        loss = sum(terms.values(), start=k.zeros(tau.shape, tau.dtype))
        return Outcome(loss, terms, g_phi, g_theta, choice, model.statistics(k, cache, decoder_cache))

    def fused_spec(self) -> InferenceSpec | LearningSpec | None:
        """Return None: a fused step has the two parts of this objective."""
        return None

    def _decoder_sweep(
        self, k: Kernels, model: GaussianVAE, theta: Array, cache: Cache, tau: Array, e: Array, d: Array,
        rows: int,
    ) -> tuple[Array | None, Array | None]:  # fmt: skip
        """Compute the theta-gradient except its slot l, and ``-H d / rows`` if z is reparametrised."""
        follows = self.trains_phi and self.reparametrised
        if not (self.trains_theta or follows):
            return None, None
        tau4, p = tau[:, None, None, None], model.decoder_part(theta)
        dg, dc = model.decoder.jvp(k, p, cache, None, d)
        assert dg is not None
        g_theta, gp, dgp = None, None, None
        if self.trains_theta:
            m1_over_tau, g_theta = k.zeros(theta.shape, theta.dtype), k.zeros(theta.shape, theta.dtype)
            gp, dgp = model.decoder_part(m1_over_tau), model.decoder_part(g_theta)
        _, minus_hessian_d = model.decoder.vjp_jvp(
            k, p, cache, tau4 * e / rows, Tangents(None, dc, tau4 * dg / rows), Grads(gp, dgp, follows)
        )
        if g_theta is not None:
            g_theta += tau[:, None] * m1_over_tau
        return g_theta, minus_hessian_d


@dataclass(frozen=True)
class JointFisherLearning(JointFisher):
    """The joint Fisher divergence with the theta-gradient alone."""

    trains_phi: ClassVar[bool] = False

    def fused_spec(self) -> LearningSpec | None:
        """Return the record of the loss for a fused step; None where gamma needs the whole batch first."""
        rule = self.gamma.fused_rule()
        if rule is None or self.gamma.closed_form:
            return None
        return LearningSpec(StepLoss.JOINT, self.samples, NO_FORM, NO_FORM, *rule, self.score_norm == "probe")


@dataclass(frozen=True)
class JointFisherInference(JointFisher):
    """The joint Fisher divergence with the phi-gradient alone."""

    trains_theta: ClassVar[bool] = False

    def fused_spec(self) -> InferenceSpec:
        probe = self.score_norm == "probe"
        return InferenceSpec(StepLoss.JOINT, self.samples, self.reparametrised, probe=probe)
