"""Figure 10: how the posterior standard deviations of ResNets are spread."""

from __future__ import annotations

from . import sd_panels
from .claims import AtLeast, Claim
from .figure import ImageFigure, Part
from .latents import DECIDED
from .tables import decided_latents

CLAIMS = (
    Claim(
        "posterior sds concentrate around 0 and 1 with M1", "Section 5.2", ("decided_sds",),
        AtLeast(("K-M1", "F-M1"), DECIDED),
    ),
    Claim(
        "they do so with the other learning objectives as well", "Section 5.2", ("decided_sds",),
        AtLeast(("K-ELBO", "K-M2", "F-M2", "K-M3", "F-M3"), DECIDED),
    ),
)  # fmt: skip

FIGURE = ImageFigure(
    "fig10", "posterior standard deviations", (Part("resnet18", CLAIMS),), decided_latents, sd_panels.draw
)
