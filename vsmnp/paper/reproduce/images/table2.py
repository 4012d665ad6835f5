"""Table 2: sample quality of ResNets by all methods."""

from __future__ import annotations

from .figure import ImageFigure, Part
from .quality import ALL_RESNETS
from .tables import sample_quality

FIGURE = ImageFigure(
    "table2", "sample quality", (Part("resnet18", ALL_RESNETS),), sample_quality, quality=True
)
