"""Define Figures 4 and 8 to 17, Tables 1 and 2: their runs, pictures, tables and claims."""

from __future__ import annotations

from .claims import (
    ALL_RESNETS,
    BINARY_METHODS,
    CONVNETS,
    FIG4,
    FIG8,
    FIG9,
    FIG10,
    FIG11,
    RESNETS,
)  # fmt: skip
from .figure import FigurePart, ImageFigure
from .panels import curves, histograms, samples
from .tables import decided_latents, final_metrics, idle_latents, sample_quality

_FIG4 = ImageFigure(
    "fig4", "test metrics over the training", (FigurePart("dcgan", FIG4),), final_metrics, curves.draw
)

_FIG8 = ImageFigure(
    "fig8", "test metrics over the training", (FigurePart("resnet18", FIG8),), final_metrics, curves.draw
)

_FIG9 = ImageFigure(
    "fig9",
    "posterior standard deviations",
    (FigurePart("dcgan", FIG9),),
    decided_latents,
    histograms.draw_sds,
)

_FIG10 = ImageFigure(
    "fig10",
    "posterior standard deviations",
    (FigurePart("resnet18", FIG10),),
    decided_latents,
    histograms.draw_sds,
)

#: Appendix B.2: z in {0, 1}^30 with a factorised Bernoulli posterior; the network is this project's choice.
#: Larger encoder steps than the paper's would drive the latents to certainty, from which they cannot return.
_BINARY = {"posterior": "bernoulli", "latent": 30, "encoder_lr": 1e-4}
_FIG11 = ImageFigure(
    "fig11", "binary latents", (FigurePart("dcgan", FIG11, BINARY_METHODS, _BINARY, "binary"),), idle_latents,
    histograms.draw_binary, each_dataset=True,
)  # fmt: skip

_SAMPLES = ImageFigure(
    "samples", "samples", (FigurePart("dcgan"), FigurePart("resnet18")), sample_quality, samples.draw,
    each_dataset=True, quality=True,
)  # fmt: skip

_TABLE1 = ImageFigure(
    "table1", "sample quality",
    (FigurePart("dcgan", CONVNETS), FigurePart("resnet18", RESNETS, ("K-ELBO", "K-M1", "F-M1"))),
    sample_quality, quality=True,
)  # fmt: skip

_TABLE2 = ImageFigure(
    "table2", "sample quality", (FigurePart("resnet18", ALL_RESNETS),), sample_quality, quality=True
)

FIGURES = {
    figure.name: figure for figure in (_FIG4, _FIG8, _FIG9, _FIG10, _FIG11, _SAMPLES, _TABLE1, _TABLE2)
}
