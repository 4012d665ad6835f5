r"""Upper bounds of the negative log-likelihood from samples of the approximate posterior.

.. math::
    -\log p(x) \le -E \log \tfrac1S \sum_i \frac{p(x|z_i)\, p(z_i)}{q(z_i|x)}
               \le E_q [-\log p(x|z)] + KL[q(z|x) || p(z)], \qquad z_i \sim q(z|x) .

The first is the importance-weighted bound of Burda, Grosse and Salakhutdinov, "Importance weighted
autoencoders", ICLR 2016; the second is minus equation (1).
"""

from __future__ import annotations

import numpy as np

from ..model.likelihood import log_likelihood
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Kernels, QuadraticForm
from .batches import (
    Noise,
    Progress,
    batches,
    check_count,
    check_seeds,
    checked,
    host,
    hosted,
    posterior_draws,
)

_MEAN_SQUARE = QuadraticForm(c_each=1.0, c_mean=0.0)


def negative_elbo(
    k: Kernels,
    model: GaussianVAE,
    phi: Array,
    theta: Array,
    x: Array,
    key: Key,
    samples: int = 5,
    progress: Progress | None = None,
) -> Array:
    """Compute the mean negative ELBO, ``(R,)`` nats: sampled reconstruction, closed-form KL.

    Parameters
    ----------
    phi, theta : Array
        ``(R, P_e)`` and ``(R, P_d)``.
    x : Array
        ``(N, D)``, NumPy.
    key : Key
        R seeds; its stream and step are ignored.
    samples : int
        S, posterior samples per datum.
    progress : callable, optional
        Called with the number of data done and their total.

    Raises
    ------
    DataError
        If x is not a test set for the model.
    ConfigError
        If there is not one seed per model, or no sample.
    """
    x = checked(model, x)
    check_seeds(key, len(phi))
    check_count("posterior samples", samples)
    key = Noise.NEGATIVE_ELBO.of(key)
    log_sd = model.log_sd(theta)
    total = np.zeros(len(phi))
    for batch in batches(k, model, phi, x, samples, progress):
        z = posterior_draws(k, model, key, batch, samples)
        g, _ = model.decode(k, theta, z)
        square, _, _ = k.residual_forms(
            batch.x, g, None, _MEAN_SQUARE, 0 * log_sd, 0 * log_sd, want_gradient=False
        )
        total -= log_likelihood(host(k, square), host(k, log_sd)[:, None], model.d_x).sum(1)
        total += model.posterior.kl(hosted(k, batch.q)).sum((1, 2))
    return total / len(x)


def iwae_bound(
    k: Kernels,
    model: GaussianVAE,
    phi: Array,
    theta: Array,
    x: Array,
    key: Key,
    samples: int = 100,
    progress: Progress | None = None,
) -> Array:
    """Compute the mean importance-weighted bound, ``(R,)`` nats, which is tighter for larger S.

    Parameters and errors are those of :func:`negative_elbo`.
    """
    x = checked(model, x)
    check_seeds(key, len(phi))
    check_count("posterior samples", samples)
    key = Noise.IWAE.of(key)
    log_sd = host(k, model.log_sd(theta))[:, None, None]
    total = np.zeros(len(phi))
    for batch in batches(k, model, phi, x, samples, progress):
        z = posterior_draws(k, model, key, batch, samples)
        e = model.decode(k, theta, z)[0] - batch.x
        square = host(k, (e * e).sum(-1, dtype=np.float64))
        # Use the rounded z: far from the prior, log q of the rounded noise would differ.
        q, placed = hosted(k, batch.q), host(k, z)
        log_w = log_likelihood(square, log_sd, model.d_x) + model.posterior.log_prior(placed)
        total -= _log_mean_exp(log_w - model.posterior.log_prob(q, placed)).sum(1)
    return total / len(x)


def _log_mean_exp(log_w: Array) -> Array:
    """Compute ``log mean_i exp(log_w_i)`` over the samples of ``(R, S, N)``."""
    top = log_w.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(log_w - top).mean(1)) + top[:, 0])
