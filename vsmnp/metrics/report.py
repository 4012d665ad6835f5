"""All figures of R models on a test set, each a list over the models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..settings.draws import IWAE_SAMPLES, PRIOR_DRAWS
from .batches import Progress, Subject, check_count
from .reconstruction import corrupted
from .table import MODEL_METRICS, Request

#: Progress is reported in thousandths of a figure, so that slow figures show progress too.
_PARTS = 1000


def evaluate_all(
    clean: Subject,
    *,
    noise_sd: float = 0.0,
    prior_draws: int = PRIOR_DRAWS,
    iwae_samples: int = IWAE_SAMPLES,
    by_prior: bool,
    progress: Progress | None = None,
) -> dict[str, list[float | None]]:
    """Compute every metric of R models on one test set.

    All figures except the denoising error, which compares with the clean data, are computed on the noisy
    data, because the model was trained on their distribution.

    Parameters
    ----------
    clean : Subject
        The models and the clean test set.
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
        For each name of :data:`vsmnp.metrics.table.MODEL_METRICS` a list over the models; None where a figure
        was not requested, lacks what it needs, or is not finite.

    Raises
    ------
    ConfigError
        If a number of draws or the noise is negative.
    """
    check_count("importance samples", iwae_samples, least=0)
    figures: dict[str, list[float | None]] = {}
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged model gives None, not a warning
        noisy = replace(clean, x=corrupted(clean.k, clean.x, noise_sd))
        request = Request(clean, noisy, noise_sd, prior_draws, iwae_samples, by_prior)
        wanted = {each.name for each in MODEL_METRICS if request.meets(each.need)}
        slow = [each.name for each in MODEL_METRICS if each.slow and each.name in wanted]
        for each in MODEL_METRICS:
            if each.name not in wanted:
                figures[each.name] = [None] * clean.models
                continue
            done = slow.index(each.name) if each.slow else 0
            values = each.compute(request, _part(progress, done, len(slow)) if each.slow else None)
            figures[each.name] = [float(value) if np.isfinite(value) else None for value in values]
    return figures


def _part(progress: Progress | None, index: int, parts: int) -> Progress | None:
    """Return a callback that reports the progress of one of the slow figures as part of the total."""
    if progress is None:
        return None
    return lambda done, total: progress((index * total + done) * _PARTS // total, parts * _PARTS)
