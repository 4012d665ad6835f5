"""All figures of R models on a test set, each a list over the models."""

from __future__ import annotations

import numpy as np

from ..model.vae import GaussianVAE
from ..rng import Key
from ..types import Array, Kernels
from .batches import Progress, check_count, check_seeds, checked, host
from .bounds import iwae_bound, negative_elbo
from .fisher import posterior_fisher
from .mmd import latent_mmd
from .prior import prior_estimate
from .reconstruction import corrupted, denoising_mse

#: The noise on the test inputs is part of the test set: equal for every model and every evaluation.
TEST_NOISE = Key((0,))

#: Progress is reported in thousandths of a figure, so that slow figures show progress too.
_PARTS = 1000


def evaluate_all(
    k: Kernels,
    model: GaussianVAE,
    phi: Array,
    theta: Array,
    x: Array,
    key: Key,
    *,
    noise_sd: float = 0.0,
    prior_draws: int = 100_000,
    iwae_samples: int = 100,
    by_prior: bool,
    progress: Progress | None = None,
) -> dict[str, list[float | None]]:
    """Evaluate R models on one test set.

    All figures except the denoising error, which compares with the clean data, are computed on the noisy
    data, because the model was trained on their distribution.

    Parameters
    ----------
    phi, theta : Array
        ``(R, P_e)`` and ``(R, P_d)``.
    x : Array
        ``(N, D)``, NumPy, clean, N > 1.
    key : Key
        R seeds; its stream and step are ignored.
    noise_sd : float
        Standard deviation of the input noise.
    prior_draws : int
        Number of prior draws for ``nll``, ``nll_se``, ``ess`` and ``sm_loss``.
    iwae_samples : int
        Posterior samples per datum for ``iwae``; 0 omits it.
    by_prior : bool
        Whether to estimate from prior draws, which fails on images.
    progress : callable, optional
        Called with the completed parts and their total.

    Returns
    -------
    dict of str to list
        ``nll, nll_se, ess, sm_loss, neg_elbo, iwae, mse, mmd, posterior_fd, gamma``, each a list over
        the models; None where a figure was not requested or is not finite.

    Raises
    ------
    DataError
        If x is not a test set for the model, or has a single datum.
    ConfigError
        If there is not one seed per model, or a number of draws or the noise is negative.
    """
    clean = checked(model, x)
    check_seeds(key, len(phi))
    check_count("importance samples", iwae_samples, least=0)
    unwanted = np.full(len(phi), np.nan)
    nll = nll_se = ess = sm_loss = iwae = fisher = unwanted
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged model gives None, not a warning
        mse = denoising_mse(k, model, phi, theta, clean, noise_sd, TEST_NOISE)
        x = corrupted(k, clean, noise_sd, TEST_NOISE)
        if by_prior:
            part = _part(progress, 0)
            prior = prior_estimate(k, model, theta, x, key, prior_draws, part)
            nll, nll_se, ess, sm_loss = prior.nll, prior.nll_se, prior.ess, prior.sm_loss
        if iwae_samples:
            iwae = iwae_bound(k, model, phi, theta, x, key, iwae_samples, _part(progress, 1))
        elbo = negative_elbo(k, model, phi, theta, x, key, progress=_part(progress, 2))
        if model.posterior.has_density:
            fisher = posterior_fisher(k, model, phi, theta, x, key, progress=_part(progress, 3))
        mmd = latent_mmd(k, model, phi, x, key) if len(x) > 1 else unwanted
        gamma = np.exp(2 * host(k, model.log_sd(theta)))
    figures = {
        "nll": nll, "nll_se": nll_se, "ess": ess, "sm_loss": sm_loss, "neg_elbo": elbo, "iwae": iwae,
        "mse": mse, "mmd": mmd, "posterior_fd": fisher, "gamma": gamma,
    }  # fmt: skip
    return {name: _column(values) for name, values in figures.items()}


def _part(progress: Progress | None, index: int) -> Progress | None:
    """Return a callback that reports the progress of one of the four slow figures as part of the total."""
    if progress is None:
        return None
    return lambda done, total: progress((index * total + done) * _PARTS // total, 4 * _PARTS)


def _column(values: Array) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
