r"""The term :math:`\tfrac12 E_q |s^q|^2` of the Fisher autoencoder, and its gradient in phi.

:math:`s^q = J_e^T a` is the vjp of the score of q in the encoder's features. With
:math:`a = (u/s, w S'/s)` the choice :math:`(u, w) = (\epsilon, \epsilon^2 - 1)` is the score at z, and
signs :math:`(\eta_1, \sqrt2\, \eta_2)` have the same second moments: one probe, with far less variance.

The gradient of :math:`|J_e^T a|^2 / 2` is the tangent of the encoder's backward sweep along
:math:`dx = s^q`, with cotangent a and for its tangent :math:`(\partial a/\partial f)^T J_e s^q`, f being the
encoder's features. With z fixed that Jacobian is a Hessian, and symmetric; with z reparametrised it is
not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..model.posterior import Moments
from ..model.vae import GaussianVAE
from ..rng import Key, Stream
from ..types import Array, Cache, Grads, Kernels, Tangents

ScoreNorm: TypeAlias = Literal["pathwise", "probe"]


@dataclass(frozen=True)
class ScoreNormTerm:
    """The term ``E_q |s^q|^2 / 2`` on one batch, and its gradient in phi.

    Parameters
    ----------
    estimator : {"pathwise", "probe"}
        From the samples z, or from one Rademacher probe per sample.
    reparametrised : bool
        Whether z is differentiated in phi; a probe does not depend on z.
    """

    estimator: ScoreNorm
    reparametrised: bool

    def directions(
        self, k: Kernels, model: GaussianVAE, q: Moments, eps: Array, key: Key
    ) -> tuple[Array, Array]:
        """Return the directions ``(u, w)``, each ``(R, S, N, Z)``."""
        if self.estimator == "pathwise":
            return eps, eps * eps - 1
        d_z = model.d_z
        signs = key.on(Stream.PROBE, key.step).signs(k, (*eps.shape[1:3], 2 * d_z), eps.dtype)
        return signs[..., :d_z], float(np.sqrt(2.0)) * signs[..., d_z:]

    def __call__(
        self, k: Kernels, model: GaussianVAE, phi: Array, q: Moments, cache: Cache, eps: Array, key: Key,
        g_phi: Array | None,
    ) -> Array:  # fmt: skip
        """Compute the term ``(R,)``, nats, and add its gradient to ``g_phi`` unless that is None."""
        u, w = self.directions(k, model, q, eps, key)
        a = model.gaussian_posterior.vjp(k, q, u / q.s, w / q.s)
        p = model.encoder_part(phi)
        s_q = model.encoder.vjp(k, p, cache, a)
        assert s_q is not None
        if g_phi is not None:
            rows = eps.shape[1] * eps.shape[2]
            y, dc = model.encoder.jvp(k, p, cache, None, s_q)
            assert y is not None
            da = self._tangent(k, model, q, u, w, y)
            model.encoder.vjp_jvp(
                k,
                p,
                cache,
                a / rows,
                Tangents(None, dc, da / rows),
                Grads(None, model.encoder_part(g_phi), want_x=False),
            )
        value: Array = 0.5 * (s_q * s_q).sum(-1).mean((1, 2))
        return value

    def _tangent(self, k: Kernels, model: GaussianVAE, q: Moments, u: Array, w: Array, y: Array) -> Array:
        """Compute the tangent of a along ``y = J_e s^q``; with z fixed, u and w have tangents too."""
        if self.estimator == "probe" or self.reparametrised:
            return model.gaussian_posterior.score_along(k, q, u, w, y)
        scale, s = model.gaussian_posterior.scale, q.s
        ds = k.activation_slope(scale, s, np.ones_like(s))  # S'
        dds = k.activation_curve(scale, s, ds, np.ones_like(s), None)  # S''
        y_mu, y_rho = y[..., : model.d_z], y[..., model.d_z :]
        # eps = (z - mu)/s varies: d eps = -(y_mu + eps S' y_rho)/s
        da_mu = -y_mu / s**2 - 2 * u * ds * y_rho / s**2
        square = (1 - 3 * u * u) * ds**2 / s**2 + w * dds / s
        da_rho = -2 * u * ds * y_mu / s**2 + y_rho * square
        return np.concatenate([da_mu, da_rho], axis=-1)
