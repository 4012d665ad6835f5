"""Figure 11: binary latents, of which many are not used."""

from __future__ import annotations

from . import binary_panels
from .claims import AtLeast, Claim
from .figure import ImageFigure, Part
from .tables import idle_latents

_METHODS = ("K-ELBO", "K-M1")
#: Appendix B.2: z in {0, 1}^30 with a factorised Bernoulli posterior; the network is this project's choice.
#: Larger steps of the encoder than the paper's would make its latents certain, with no way back.
_BINARY = {"posterior": "bernoulli", "latent": 30, "encoder_lr": 1e-4}
#: What counts as many; the paper names no number.
_MANY = 0.2

CLAIMS = (
    Claim(
        "many latents have posterior mean 0.5", "Appendix B.2", ("idle_means",), AtLeast(_METHODS, _MANY)
    ),
)  # fmt: skip

FIGURE = ImageFigure(
    "fig11", "binary latents", (Part("dcgan", CLAIMS, _METHODS, _BINARY, "binary"),), idle_latents,
    binary_panels.draw, each_dataset=True,
)  # fmt: skip
