"""Figure 8: test metrics of ResNets over the training."""

from __future__ import annotations

from . import curve_panels
from .claims import Alike, Claim, MostlyWorse, Worse
from .figure import ImageFigure, Part
from .methods import FISHER, KL
from .tables import final_metrics

_ALL = ("neg_elbo", "mse", "mmd", "posterior_fd")

CLAIMS = (
    Claim("K-M1 tracks K-ELBO", "Appendix B.2", _ALL, Alike("K-M1", "K-ELBO"), throughout=True),
    Claim("K-M2 is similar to K-ELBO", "Appendix B.2", _ALL, Alike("K-M2", "K-ELBO")),
    Claim("K-M3 is similar to K-ELBO", "Appendix B.2", _ALL, Alike("K-M3", "K-ELBO")),
    Claim(
        "KL inference is better than Fisher on all four metrics", "Appendix B.2", _ALL,
        MostlyWorse((("F-M1", "K-M1"), ("F-M2", "K-M2"), ("F-M3", "K-M3"))),
    ),
    Claim(
        "every F- is worse than every K-", "Section 5.2", ("neg_elbo", "mse", "posterior_fd"),
        Worse(FISHER, KL),
    ),
)  # fmt: skip

FIGURE = ImageFigure(
    "fig8", "test metrics over the training", (Part("resnet18", CLAIMS),), final_metrics, curve_panels.draw
)
