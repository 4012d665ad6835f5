"""The evaluation of a run on its test set, and the known lower bounds of its figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..metrics import evaluate_all
from ..rng import Key, Stream
from ..runs.session import Run

#: Number of prior draws for log p(x) and its gradient, as in the paper.
PRIOR_DRAWS = 100_000
#: Posterior samples per datum for the importance-weighted bound.
IWAE_SAMPLES = 100


def evaluate(
    run: Run,
    prior_draws: int = PRIOR_DRAWS,
    progress: Callable[[int, int], None] | None = None,
    iwae_samples: int = IWAE_SAMPLES,
) -> dict[str, list[float | None]]:
    """Compute every metric on the test set, one number per model; nats and per-sample means.

    Parameters
    ----------
    run : Run
        The run to evaluate.
    prior_draws : int
        Number of prior draws for the likelihood; not used on images.
    progress : callable, optional
        Called with the completed and the total amount.
    iwae_samples : int
        Posterior samples per datum for ``iwae``, most of the time on images; 0 omits it.

    Returns
    -------
    dict
        ``nll, nll_se (over test points), ess, sm_loss, neg_elbo, iwae, mse, mmd, posterior_fd, gamma``;
        None where a figure is undefined, such as the likelihood by the prior on images, or was omitted.
    """
    vae, settings = run.vae, run.settings
    test = run.dataset.test(settings.data_seed, np.dtype(settings.dtype))
    return evaluate_all(
        vae.k, vae.model, vae.phi, vae.theta, test, Key(vae.seeds, Stream.EVALUATION),
        noise_sd=settings.noise, prior_draws=prior_draws, iwae_samples=iwae_samples,
        by_prior=not run.dataset.is_image, progress=progress,
    )  # fmt: skip


def floors(run: Run) -> dict[str, float]:
    """Return the lower bound of each metric on this data, where it is known.

    The negative log-likelihood, and every bound of it, is at least the entropy of the data; with input
    noise on images it is at least the entropy of the noise.
    """
    bounds = run.dataset.bounds
    found: dict[str, float] = {}
    if bounds.nll is not None and run.settings.noise == 0:
        found |= {"nll": bounds.nll, "neg_elbo": bounds.nll, "iwae": bounds.nll}
    if bounds.sm_loss is not None and run.settings.noise == 0:
        found["sm_loss"] = bounds.sm_loss
    if run.dataset.is_image and run.settings.noise > 0:
        entropy = run.dataset.dim * float(np.log(run.settings.noise) + 0.5 * np.log(2 * np.pi * np.e))
        found |= {"neg_elbo": entropy, "iwae": entropy}
    return found
