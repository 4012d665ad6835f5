r"""Means over samples of the approximate posterior: two bounds of the likelihood, and a divergence.

.. math::
    -\log p(x) \le -E \log \tfrac1S \sum_i \frac{p(x|z_i)\, p(z_i)}{q(z_i|x)}
               \le E_q [-\log p(x|z)] + KL[q(z|x) || p(z)], \qquad z_i \sim q(z|x) .

The first is the importance-weighted bound of Burda, Grosse and Salakhutdinov, "Importance weighted
autoencoders", ICLR 2016; the second is minus equation (1). The Fisher divergence between q(z|x) and the
posterior is the first term of equation (6).

In every function ``samples`` is S, the posterior samples per datum; ``progress`` is called with the number of
data done and their total; a ConfigError is raised if there is no sample.
"""

from __future__ import annotations

import numpy as np

from ..model.likelihood import log_likelihood, precision
from ..settings.draws import IWAE_SAMPLES, POSTERIOR_SAMPLES
from ..types import Array, QuadraticForm
from ..types.progress import Progress
from .batches import Subject, host, hosted

#: Steps of the evaluation stream.
ELBO_NOISE, IWAE_NOISE, FISHER_NOISE = 1, 2, 3

_MEAN_SQUARE = QuadraticForm(c_each=1.0, c_mean=0.0)


def negative_elbo(
    subject: Subject, samples: int = POSTERIOR_SAMPLES, progress: Progress | None = None
) -> Array:
    """Compute the mean negative ELBO, ``(R,)`` nats: sampled reconstruction, closed-form KL."""
    k, model, theta = subject.k, subject.model, subject.theta
    log_sd = model.log_sd(theta)
    total = np.zeros(subject.models)
    for batch in subject.batches(samples, progress):
        g, _ = model.decode(k, theta, subject.draws(ELBO_NOISE, batch, samples))
        square, _, _ = k.residual_forms(
            batch.x, g, None, _MEAN_SQUARE, 0 * log_sd, 0 * log_sd, want_gradient=False
        )
        total -= log_likelihood(host(k, square), subject.log_sd[:, None], model.d_x).sum(1)
        total += model.posterior.kl(hosted(k, batch.q)).sum((1, 2))
    return total / len(subject.x)


def iwae_bound(subject: Subject, samples: int = IWAE_SAMPLES, progress: Progress | None = None) -> Array:
    """Compute the mean importance-weighted bound, ``(R,)`` nats, which is tighter for larger S."""
    k, model = subject.k, subject.model
    log_sd = subject.log_sd[:, None, None]
    total = np.zeros(subject.models)
    for batch in subject.batches(samples, progress):
        z = subject.draws(IWAE_NOISE, batch, samples)
        e = model.decode(k, subject.theta, z)[0] - batch.x
        square = host(k, (e * e).sum(-1, dtype=np.float64))
        # Use the rounded z: far from the prior, log q of the rounded noise would differ.
        q, placed = hosted(k, batch.q), host(k, z)
        log_w = log_likelihood(square, log_sd, model.d_x) + model.posterior.log_prior(placed)
        total -= _log_mean_exp(log_w - model.posterior.log_prob(q, placed)).sum(1)
    return total / len(subject.x)


def posterior_fisher(
    subject: Subject, samples: int = POSTERIOR_SAMPLES, progress: Progress | None = None
) -> Array:
    r"""Compute the mean of :math:`\tfrac12 E_q |\nabla_z \log q(z|x) - \nabla_z \log p(z|x)|^2`, ``(R,)``."""
    k, model, theta = subject.k, subject.model, subject.theta
    p, tau = model.decoder_part(theta), precision(model.log_sd(theta))[:, None, None, None]
    total = np.zeros(subject.models)
    for batch in subject.batches(samples, progress):
        eps = subject.normals(FISHER_NOISE, batch, samples)
        g, cache = model.decode(k, theta, batch.q.place(eps))
        b = model.decoder.vjp(k, p, cache, tau * (batch.x - g), None)
        assert b is not None
        _, loss, _, _ = k.posterior_fisher(batch.q.mu, batch.q.s, eps, b)
        total += host(k, loss).sum(1)
    return total / len(subject.x)


def _log_mean_exp(log_w: Array) -> Array:
    """Compute ``log mean_i exp(log_w_i)`` over the samples of ``(R, S, N)``."""
    top = log_w.max(1, keepdims=True)
    return np.asarray(np.log(np.exp(log_w - top).mean(1)) + top[:, 0])
