"""The paper's claims about sample quality, for ConvNets and for ResNets."""

from __future__ import annotations

from .claims import Alike, Best, Claim, Worse, highest

_BOTH = ("fid", "kid")
_TEXT = "Section 5.2, Table 1"
_APPENDIX = "Appendix B.2, Table 2"

CONVNETS = (
    Claim("K-M1 is indistinguishable from K-ELBO", _TEXT, _BOTH, Alike("K-M1", "K-ELBO")),
    Claim(
        "M2 and M3 are worse than the ELBO and M1", _TEXT, _BOTH,
        Worse(("K-M2", "F-M2", "K-M3", "F-M3"), ("K-ELBO", "K-M1", "F-M1")),
    ),
    Claim("K-ELBO or an M1 is best", _TEXT, _BOTH, Best(("K-ELBO", "K-M1", "F-M1"))),
)  # fmt: skip

#: Claims about the three methods that Table 1 lists for ResNets.
RESNETS = (
    Claim("K-M1 is better than K-ELBO", _TEXT, _BOTH, Worse(("K-ELBO",), ("K-M1",))),
    Claim("F-M1 is better than K-ELBO on MNIST", _TEXT, _BOTH, Worse(("K-ELBO",), ("F-M1",)), ("mnist",)),
)

#: Claims about all seven methods, in Table 2.
ALL_RESNETS = (
    *RESNETS,
    Claim("F-M2 is best", _APPENDIX, _BOTH, Best(("F-M2",))),
    Claim("M2 is best", _APPENDIX, _BOTH, Best(("K-M2", "F-M2"))),
    Claim("M3 is worst", _APPENDIX, _BOTH, highest(("K-M3", "F-M3"))),
)
