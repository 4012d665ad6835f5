"""The common base of the learning objectives: encode, sample, decode, and the vjp of a quadratic form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from ..errors import ConfigError
from ..model.likelihood import precision, score_matching_terms
from ..model.posterior import Moments
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Cache, Grads, Kernels, QuadraticForm, Tangents
from ..types.step_spec import LearningLoss, LearningSpec
from .gamma import GammaRule, LearnedGamma
from .objective import Outcome


@dataclass(frozen=True)
class Learning(ABC):
    """A score-matching objective for theta; subclasses give the quadratic form of their equation.

    The loss of a datum is ``tau^2 a/2 + tau h - tau d_x`` with ``a`` and ``h`` of
    :class:`~vsmnp.types.QuadraticForm`; its gradient in g is ``tau^2 a'/2 + tau h'``, and in l it is
    ``-2 tau (tau a + h - d_x)``.

    Parameters
    ----------
    samples : int
        S, posterior samples per datum.
    gamma : GammaRule
        Rule for gamma.

    Attributes
    ----------
    fused_loss : str or None
        The loss of a fused step that has the terms, weights and slope of this class. A subclass that has them
        too states it again: without it, training is composed of kernels.
    """

    samples: int = 1
    gamma: GammaRule = field(default_factory=LearnedGamma)
    fused_loss: ClassVar[LearningLoss | None] = None

    @abstractmethod
    def form(self) -> QuadraticForm:
        """Return the quadratic form whose gradient trains theta."""

    def form_for_gamma(self) -> QuadraticForm:
        """Return the quadratic form that gives the optimal gamma; its ``a`` must not be negative."""
        return self.form()

    def fused_spec(self) -> LearningSpec | None:
        loss = vars(type(self)).get("fused_loss")
        rule = self.gamma.fused_rule()
        if loss is None or rule is None:
            return None
        return LearningSpec(loss, self.samples, self.form(), self.form_for_gamma(), *rule)

    def score_q(
        self, k: Kernels, model: GaussianVAE, phi: Array, x: Array, q: Moments, cache: Cache, key: Key
    ) -> Array | None:
        """Compute ``s^q`` if the form contains it."""
        if not self.form().crosses:
            return None
        return model.score_q(k, phi, q, cache, model.gaussian_posterior.noise(k, key, self.samples, x))

    def apply(
        self, k: Kernels, form: QuadraticForm, x: Array, g: Array, s_q: Array | None, tau: Array,
        want_gradient: bool,
    ) -> tuple[Array, Array, Array | None]:  # fmt: skip
        """Compute ``a``, ``h`` averaged over the batch, ``(R,)``, and the gradient of the loss in g."""
        w_square, w_cross = self.weights(tau)
        n = g.shape[2]
        a, h, gg = k.residual_forms(x, g, s_q, form, w_square / n, w_cross / n, want_gradient)
        return a.mean(1), h.mean(1), gg

    def weights(self, tau: Array) -> tuple[Array, Array]:
        """Return the factors of ``a/2`` and ``h`` in the loss."""
        square: Array = tau**2
        return square, tau

    def terms(self, model: GaussianVAE, q: Moments, a: Array, h: Array, log_sd: Array) -> Mapping[str, Array]:
        """Compute the terms of the loss, each ``(R,)`` in nats."""
        terms = score_matching_terms(a, h, precision(log_sd), model.d_x)
        return (
            terms if self.form().crosses else {name: terms[name] for name in ("score_square", "divergence")}
        )

    def slope(self, a: Array, h: Array, tau: Array, d_x: int) -> Array:
        """Compute the derivative ``dL/dl``."""
        slope: Array = -2 * tau * (tau * a + h - d_x)
        return slope

    def optimum(self, a: Array, h: Array, d_x: int) -> tuple[Array, Array]:
        """Return ``(a, b)`` such that ``gamma* = a / b``."""
        return a, d_x - h

    def score_directions(self, eps: Array) -> tuple[Array, Array]:
        """Return ``(u, w)`` of ``s^q = J_e' (u/s, w S'/s)``: the score of q at ``z = mu + s eps``."""
        return eps, eps * eps - 1

    def prior_weight(self, update: int) -> float:
        """Return the weight of ``KL[q || p(z)]`` in the loss."""
        return 0.0

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        return self._evaluated(k, model, phi, theta, x, key, wants_phi=False)

    def with_g_phi(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key
    ) -> Outcome:
        return self._evaluated(k, model, phi, theta, x, key, wants_phi=True)

    def _evaluated(
        self, k: Kernels, model: GaussianVAE, phi: Array, theta: Array, x: Array, key: Key, wants_phi: bool
    ) -> Outcome:
        q, cache = model.encode(k, phi, x)
        g, decoder_cache = model.decode(k, theta, model.posterior.sample(k, key, q, self.samples))
        s_q = self.score_q(k, model, phi, x, q, cache, key)

        log_sd, choice = model.log_sd(theta), None
        if self.gamma.closed_form:
            form = self.form_for_gamma()
            a, h, _ = self.apply(k, form, x, g, s_q, precision(log_sd), want_gradient=False)
            a, h = k.mean_over_parts(a, h)
            choice = self.gamma.choose(log_sd, *self.optimum(a, h, model.d_x))
            log_sd = choice.log_sd
        tau = precision(log_sd)
        a, h, gg = self.apply(k, self.form(), x, g, s_q, tau, want_gradient=True)
        assert gg is not None

        g_theta = k.zeros(theta.shape, theta.dtype)
        p, gp = model.decoder_part(theta), model.decoder_part(g_theta)
        gz = model.decoder.vjp(k, p, decoder_cache, gg, gp, want_x=wants_phi)
        g_phi = None
        if gz is not None:
            g_phi = self._g_phi(k, model, phi, x, g, q, cache, s_q, tau, gz, key)
        if self.gamma.learns:
            model.log_sd(g_theta)[:] = self.slope(a, h, tau, model.d_x)
        terms = self.terms(model, q, a, h, log_sd)
        loss = sum(terms.values(), start=k.zeros(a.shape, a.dtype))
        statistics = model.statistics(k, cache, decoder_cache)
        return Outcome(loss, terms, g_phi, g_theta, choice, statistics)

    def _g_phi(
        self, k: Kernels, model: GaussianVAE, phi: Array, x: Array, g: Array, q: Moments, cache: Cache,
        s_q: Array | None, tau: Array, gz: Array, key: Key,
    ) -> Array:  # fmt: skip
        """Compute the gradient in phi, of the samples ``z = mu + s eps`` and of ``s^q``.

        The loss is bilinear in ``e = g - x`` and ``s^q``, so its gradient ``y`` in ``s^q`` is the one in
        ``e`` with the two exchanged. That of ``y . s^q`` in phi, ``s^q = J_e' a``, is the tangent of the
        encoder's backward sweep along ``dx = y``, as in :mod:`vsmnp.objectives.score_norm`.
        """
        posterior = model.gaussian_posterior
        g_phi = k.zeros(phi.shape, phi.dtype)
        p, gp = model.encoder_part(phi), model.encoder_part(g_phi)
        weight = self.prior_weight(key.step) / x.shape[2]
        model.encoder.vjp(k, p, cache, posterior.pathwise(k, key, q, gz, weight), gp, want_x=False)
        if s_q is None:
            return g_phi
        form, origin = self.form(), k.zeros((1, 1, *x.shape[2:]), x.dtype)
        crossing = QuadraticForm(0.0, 0.0, form.d_each, form.d_mean)
        _, _, y = self.apply(k, crossing, origin, s_q, g - x, tau, want_gradient=True)
        assert y is not None
        u, w = self.score_directions(posterior.noise(k, key, self.samples, x))
        if u.shape[1] == 1:  # equal for all samples
            y = y.sum(1, keepdims=True)
        df, dc = model.encoder.jvp(k, p, cache, None, y)
        assert df is not None
        a, da = posterior.vjp(k, q, u / q.s, w / q.s), posterior.score_along(k, q, u, w, df)
        model.encoder.vjp_jvp(k, p, cache, a, Tangents(None, dc, da), Grads(None, gp, want_x=False))
        return g_phi


SquaredMean: TypeAlias = Literal["u-statistic", "biased"]


def squared_mean(estimator: SquaredMean, samples: int) -> tuple[float, float]:
    r"""Return the coefficients ``(c_each, c_mean)`` of an estimator of the squared mean.

    The biased estimator is :math:`|\bar v|^2`; the u-statistic is
    :math:`(|\sum v_i|^2 - \sum |v_i|^2) / (S (S-1)) = (S |\bar v|^2 - \overline{|v|^2}) / (S-1)`.

    Raises
    ------
    ConfigError
        If the u-statistic is chosen with one sample.
    """
    if estimator == "biased":
        return 0.0, 1.0
    if samples < 2:
        raise ConfigError(
            "The u-statistic needs at least 2 posterior samples: raise --samples or use biased."
        )
    return -1.0 / (samples - 1), samples / (samples - 1)
