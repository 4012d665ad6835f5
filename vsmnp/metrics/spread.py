"""Posterior standard deviations: near 1 for an unused latent, near 0 for an informative one."""

from __future__ import annotations

import numpy as np

from ..types import Array
from .batches import Subject, check_count, host

#: Least upper end of the histogram, so that unused latents, at 1, are inside.
UPPER_EDGE = 1.2


def posterior_sds(subject: Subject) -> Array:
    """Compute ``s(x)`` of every datum, ``(R, N, Z)`` float64."""
    return np.concatenate([host(subject.k, batch.q.s)[:, 0] for batch in subject.batches()], axis=1)


def sd_histogram(sds: Array, bins: int = 50) -> tuple[Array, Array]:
    """Compute histograms of the standard deviations of each latent over the data.

    Parameters
    ----------
    sds : Array
        ``(R, N, Z)``, from :func:`posterior_sds`.
    bins : int
        B, bins of equal width from 0 to the largest finite value, or to 1.2 if that is larger.

    Returns
    -------
    edges : Array
        ``(B + 1,)``.
    counts : Array
        ``(R, Z, B)``, integers; values that are not finite are not counted.

    Raises
    ------
    ConfigError
        If there is no bin.
    """
    check_count("bins", bins)
    finite = np.isfinite(sds)
    edges = np.linspace(0, max(UPPER_EDGE, sds.max(initial=0, where=finite)), bins + 1)
    models, _, d_z = sds.shape
    counts = np.empty((models, d_z, bins), np.int64)
    for r in range(models):
        for j in range(d_z):
            counts[r, j], _ = np.histogram(sds[r, finite[r, :, j], j], edges)
    return edges, counts
