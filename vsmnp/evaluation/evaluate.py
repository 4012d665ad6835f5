"""The evaluation of a run on its test set, and the known lower bounds of its figures."""

from __future__ import annotations

import numpy as np

from ..metrics import MODEL_METRICS, Request, evaluate_all
from ..metrics.batches import Progress
from ..metrics.table import Need
from ..runs.session import Run
from ..settings.draws import IWAE_SAMPLES, PRIOR_DRAWS


def evaluate(
    run: Run,
    prior_draws: int = PRIOR_DRAWS,
    progress: Progress | None = None,
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
        For each name of :data:`vsmnp.metrics.table.MODEL_METRICS` a list over the models; None where a figure
        is undefined, such as the likelihood by the prior on images, or was omitted.
    """
    request = Request(
        run.vae.on(run.test_set), run.settings.noise,
        by_prior=not run.dataset.is_image, prior_draws=prior_draws, iwae_samples=iwae_samples,
    )  # fmt: skip
    return evaluate_all(request, progress)


def floors(run: Run) -> dict[str, float]:
    """Return the lower bound of each metric on this data, where it is known.

    The negative log-likelihood, and every bound of it, is at least the entropy of the data; with input
    noise on images it is at least the entropy of the noise.
    """
    bounds, noise = run.dataset.bounds, run.settings.noise
    known = {"nll": bounds.nll, "sm_loss": bounds.sm_loss} if noise == 0 else {}
    if run.dataset.is_image and noise > 0:
        known["nll"] = run.dataset.dim * float(np.log(noise) + 0.5 * np.log(2 * np.pi * np.e))
    found = {
        each.name: known.get(each.floor)
        for each in MODEL_METRICS
        if each.need is not Need.PRIOR_DRAWS or not run.dataset.is_image
    }
    return {name: floor for name, floor in found.items() if floor is not None}
