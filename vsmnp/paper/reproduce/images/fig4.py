"""Figure 4: test metrics of ConvNets over the training."""

from __future__ import annotations

from . import curve_panels
from .claims import Alike, Best, Claim, MostlyWorse, Worse, highest
from .figure import ImageFigure, Part
from .methods import FISHER
from .tables import final_metrics

_ALL = ("neg_elbo", "mse", "mmd", "posterior_fd")
_WHERE = "Section 5.2"

CLAIMS = (
    Claim("K-M1 tracks K-ELBO", _WHERE, _ALL, Alike("K-M1", "K-ELBO"), throughout=True),
    Claim("F-M1 has the best negative ELBO of the F-", _WHERE, ("neg_elbo",), Best(("F-M1",), FISHER)),
    Claim(
        "F-M1 has a worse negative ELBO than K-ELBO and K-M1", _WHERE, ("neg_elbo",),
        Worse(("F-M1",), ("K-ELBO", "K-M1")),
    ),
    Claim(
        "K-M2 and K-M3 are worse than K-ELBO and K-M1", _WHERE, ("neg_elbo", "mmd"),
        Worse(("K-M2", "K-M3"), ("K-ELBO", "K-M1")),
    ),
    Claim(
        "F-M2 and F-M3 are worse than F-M1", _WHERE, ("neg_elbo", "mmd"),
        Worse(("F-M2", "F-M3"), ("F-M1",)),
    ),
    Claim("M2 has the highest reconstruction error", _WHERE, ("mse",), highest(("K-M2", "F-M2"))),
    Claim("M3 has the lowest on MNIST", _WHERE, ("mse",), Best(("K-M3", "F-M3")), ("mnist",)),
    Claim("F-M1 has the lowest latent MMD", _WHERE, ("mmd",), Best(("F-M1",)), ("fashion", "celeba")),
    Claim("F-M3 has the lowest posterior FD", _WHERE, ("posterior_fd",), Best(("F-M3",)), ("celeba",)),
    Claim(
        "Fisher inference is worse than KL overall", _WHERE, ("mmd", "posterior_fd"),
        MostlyWorse((("F-M1", "K-M1"), ("F-M2", "K-M2"), ("F-M3", "K-M3"))),
    ),
)  # fmt: skip


FIGURE = ImageFigure(
    "fig4", "test metrics over the training", (Part("dcgan", CLAIMS),), final_metrics, curve_panels.draw
)
