"""The known lower bounds of the figures of an evaluation."""

from __future__ import annotations

import numpy as np

from ..metrics import MODEL_METRICS
from ..metrics.table import Need
from ..runs.session import Run


def floors(run: Run) -> dict[str, float]:
    """Return the lower bound of each metric on this data, where it is known.

    The negative log-likelihood, and every bound of it, is at least the entropy of the data; with input
    noise on images it is at least the entropy of the noise.
    """
    bounds, noise = run.dataset.bounds, run.settings.noise
    preprocessing = run.vae.preprocessing
    known = {"nll": bounds.nll, "sm_loss": None if preprocessing else bounds.sm_loss} if noise == 0 else {}
    if run.dataset.is_image and noise > 0:
        entropy = run.dataset.dim * float(np.log(noise) + 0.5 * np.log(2 * np.pi * np.e))
        known["nll"] = entropy - preprocessing.log_abs_det
    found = {
        each.name: known.get(each.floor)
        for each in MODEL_METRICS
        if each.need is not Need.PRIOR_DRAWS or not run.dataset.is_image
    }
    return {name: floor for name, floor in found.items() if floor is not None}
