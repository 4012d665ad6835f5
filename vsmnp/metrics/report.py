"""All figures of R models on a test set, each a list over the models."""

from __future__ import annotations

import numpy as np

from ..types.progress import Progress
from .table import MODEL_METRICS, Request

#: Progress is reported in thousandths of a figure, so that slow figures show progress too.
_PARTS = 1000


def evaluate_all(request: Request, progress: Progress | None = None) -> dict[str, list[float | None]]:
    """Compute every metric of R models on one test set.

    All figures except the denoising error, which compares with the clean data, are computed on the noisy
    data, because the model was trained on their distribution.

    Parameters
    ----------
    request : Request
        The models, the test set, and the numbers of draws.
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
        If there is no draw, or the noise is negative.
    """
    figures: dict[str, list[float | None]] = {
        each.name: [None] * request.clean.models for each in MODEL_METRICS
    }
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged model gives None, not a warning
        wanted = [each for each in MODEL_METRICS if request.meets(each.need)]
        slow = [each.name for each in wanted if each.slow]
        for each in wanted:
            part = _part(progress, slow.index(each.name), len(slow)) if each.slow else None
            values = each.compute(request, part)
            if each.of_density:  # -log p(x) = -log p(y) - log |det dy/dx|
                values = values - request.clean.log_abs_det
            figures[each.name] = [float(value) if np.isfinite(value) else None for value in values]
    return figures


def _part(progress: Progress | None, index: int, parts: int) -> Progress | None:
    """Return a callback that reports the progress of one of the slow figures as part of the total."""
    if progress is None:
        return None
    return lambda done, total: progress((index * total + done) * _PARTS // total, parts * _PARTS)
