"""Figure 9: how the posterior standard deviations of ConvNets are spread."""

from __future__ import annotations

from . import sd_panels
from .claims import AtLeast, Claim
from .figure import ImageFigure, Part
from .latents import DECIDED
from .methods import NAMES
from .tables import decided_latents

CLAIMS = (
    Claim(
        "posterior sds concentrate around 0 and 1 on MNIST", "Appendix B.2", ("decided_sds",),
        AtLeast(NAMES, DECIDED), ("mnist",),
    ),
)  # fmt: skip

FIGURE = ImageFigure(
    "fig9", "posterior standard deviations", (Part("dcgan", CLAIMS),), decided_latents, sd_panels.draw
)
