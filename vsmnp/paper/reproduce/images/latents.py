"""Count how certain the encoder is of each latent, in the histograms of Figures 9 to 11."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....figures.panels import test_points
from ....metrics import sd_histogram
from ....runs.session import Run
from ....types import Array

BINS = 60
#: A posterior standard deviation within this distance of 0 or 1 marks a latent that is used, or not used.
NEAR = 0.2
#: Share of such standard deviations from which the latents count as decided; the paper gives no number.
DECIDED = 0.8
#: Share of them that has to be near 0, and near 1, if they are said to be around both.
SOME = 0.05
#: A binary latent is idle if its posterior mean is within this distance of one half for this share of data.
STAYS, NEAR_HALF = 0.9, 0.1


class Latents(NamedTuple):
    """Histograms ``counts (Z, B)`` over ``edges (B + 1,)``, and the figures computed from them."""

    edges: Array
    counts: Array
    figures: dict[str, float]


def latents(run: Run) -> Latents:
    """Count the posterior standard deviations of the first model, or the means of binary latents.

    The figures of the histograms are ``sds_near_0`` and ``sds_near_1``, the shares of standard deviations
    near 0 and near 1, and ``decided_sds``, their sum; or of binary latents ``idle_means``, the share of
    latents whose means stay near one half.
    """
    vae = run.vae
    moments = [each.q for each in vae.some(slice(1)).on(test_points(run)).batches()]
    if vae.model.posterior.has_density:
        sds = np.concatenate([vae.k.to_host(q.s)[:, 0] for q in moments], 1)  # (1, N, Z)
        edges, counts = sd_histogram(sds, BINS)
        near = {
            f"sds_near_{end}": float((np.abs(sds - end) < NEAR).mean()) for end in (0, 1)
        }  # fmt: skip
        return Latents(edges, counts[0], {"decided_sds": sum(near.values()), **near})
    means = np.concatenate([vae.k.to_host(q.mu)[0, 0] for q in moments])  # (N, Z)
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.stack([np.histogram(each, edges)[0] for each in means.T])
    stays = (np.abs(means - 0.5) < NEAR_HALF).mean(0) >= STAYS
    return Latents(edges, counts, {"idle_means": float(stays.mean())})
