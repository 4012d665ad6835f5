"""Histograms of the posterior standard deviations of each latent, as in Figures 9 and 10 of the paper."""

from __future__ import annotations

from pathlib import Path

from .. import metrics
from ..runs.session import Run
from .canvas import drawing
from .labels import headline, model_names
from .panels import first_models, test_points
from .style import DATA, INK, SERIES


def posterior_sds(run: Run, path: str | Path) -> None:
    """Draw histograms of the posterior standard deviations on the test set, as PNG.

    Pale lines are the latents, the black one their average. An unused latent has its posterior at the
    prior, whose standard deviation (1, or 1/2 if it is binary) is the dashed line; an informative latent
    is near 0. An ensemble has a panel for each of its first four models.

    Parameters
    ----------
    run : Run
        The run to draw.
    path : path
        The PNG file.

    Raises
    ------
    ConfigError
        If the path does not end in .png.
    StorageError
        If the file cannot be written.
    """
    part = first_models(run)
    vae, models = part.vae, len(part.vae.seeds)
    sds = metrics.posterior_sds(part.vae.on(test_points(part)))
    edges, counts = metrics.sd_histogram(sds, bins=60)
    shares = counts / sds.shape[1]
    with drawing(path, headline(run, models), max(4.2, 3 * models), 3) as figure:
        panels = figure.subplots(1, models, sharex=True, sharey=True, squeeze=False)[0]
        for axes, latents, name in zip(panels, shares, model_names(part, models), strict=True):
            axes.axvline(
                vae.model.posterior.prior_sd, color=DATA, linewidth=0.9, linestyle=(0, (4, 2)), label="prior"
            )
            for j, share in enumerate(latents):
                label = None if j else "each latent"
                axes.stairs(
                    share, edges, color=SERIES[j % len(SERIES)], alpha=0.5, linewidth=0.8, label=label
                )
            axes.stairs(latents.mean(0), edges, color=INK, linewidth=1.5, label="average over latents")
            axes.set(title=name, xlabel="posterior standard deviation", xlim=(0, edges[-1]))
        panels[0].set(ylabel="share of the test points")
        panels[0].legend()
