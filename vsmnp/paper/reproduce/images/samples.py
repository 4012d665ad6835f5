"""Figures 12 to 17: samples of every method, beside the data."""

from __future__ import annotations

from . import sample_panels
from .figure import ImageFigure, Part
from .tables import sample_quality

FIGURE = ImageFigure(
    "samples", "samples", (Part("dcgan"), Part("resnet18")), sample_quality, sample_panels.draw,
    each_dataset=True, quality=True,
)  # fmt: skip
