"""Table 1: sample quality of ConvNets, and of ResNets by three of the methods."""

from __future__ import annotations

from .figure import ImageFigure, Part
from .quality import CONVNETS, RESNETS
from .tables import sample_quality

FIGURE = ImageFigure(
    "table1", "sample quality",
    (Part("dcgan", CONVNETS), Part("resnet18", RESNETS, ("K-ELBO", "K-M1", "F-M1"))), sample_quality,
    quality=True,
)  # fmt: skip
