"""Draw histograms of the posterior standard deviations of each latent, as in Figures 9 and 10."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import metrics
from ..runs.session import Run
from .panels import first_models, latent_histograms, model_panels, test_points
from .style import DATA

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def posterior_sds(run: Run, path: str | Path | None = None) -> Figure:
    """Draw histograms of the posterior standard deviations on the test set.

    Pale lines are the latents, the black one their average. An unused latent has its posterior at the
    prior, whose standard deviation (1, or 1/2 if it is binary) is the dashed line; an informative latent
    is near 0. An ensemble has a panel for each of its first four models.

    Parameters and errors are those of :class:`~vsmnp.figures.catalogue.FigureOfRun`.
    """
    part = first_models(run)
    vae, size = part.vae, (max(4.2, 3 * len(part.vae.seeds)), 3)
    sds = metrics.posterior_sds(vae.on(test_points(part)))
    edges, counts = metrics.sd_histogram(sds, bins=60)
    shares = counts / sds.shape[1]
    with model_panels(run, part, path, size) as (figure, panels):
        for axes, latents in zip(panels, shares, strict=True):
            prior = vae.model.posterior.prior_sd
            axes.axvline(prior, color=DATA, linewidth=0.9, linestyle=(0, (4, 2)), label="prior")
            latent_histograms(axes, latents, edges, alpha=0.5, linewidth=0.8, mean_width=1.5)
            axes.set(xlabel="posterior standard deviation", xlim=(0, edges[-1]))
        panels[0].set(ylabel="share of the test points")
        panels[0].legend()
    return figure
