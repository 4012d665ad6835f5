"""The Fisher divergence between q(z|x) and the posterior, the first term of equation (6), as a metric."""

from __future__ import annotations

import numpy as np

from ..model.likelihood import precision
from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Kernels
from .batches import Noise, Progress, batches, check_count, check_seeds, checked, host, posterior_noise


def posterior_fisher(
    k: Kernels,
    model: GaussianVAE,
    phi: Array,
    theta: Array,
    x: Array,
    key: Key,
    samples: int = 5,
    progress: Progress | None = None,
) -> Array:
    r"""Compute the mean of :math:`\tfrac12 E_q |\nabla_z \log q(z|x) - \nabla_z \log p(z|x)|^2`, ``(R,)``.

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
    key = Noise.POSTERIOR_FISHER.of(key)
    p, tau = model.decoder_part(theta), precision(model.log_sd(theta))[:, None, None, None]
    total = np.zeros(len(phi))
    for batch in batches(k, model, phi, x, samples, progress):
        eps = posterior_noise(k, key, batch, samples)
        g, cache = model.decode(k, theta, batch.q.place(eps))
        b = model.decoder.vjp(k, p, cache, tau * (batch.x - g), None)
        assert b is not None
        _, loss, _, _ = k.posterior_fisher(batch.q.mu, batch.q.s, eps, b)
        total += host(k, loss).sum(1)
    return total / len(x)
