"""List what the paper says about the objectives on images, each claim with the rule that tests it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..methods import FISHER, KL, NAMES
from ..rules import Rule, alike, worse
from .latents import DECIDED, SOME
from .rules import at_least, best, highest, worse_on_average


@dataclass(frozen=True)
class ImageClaim:
    """A sentence of the paper with the rule, metrics and datasets by which it is tested."""

    #: The claim in a few words.
    text: str
    #: Section or table in which the paper makes the claim.
    source: str
    #: Metrics on each of which it is tested.
    metrics: tuple[str, ...]
    #: Rule that has to hold.
    rule: Rule
    #: Datasets on each of which it is tested; empty for every dataset.
    datasets: tuple[str, ...] = ()
    #: Whether it is tested at every evaluation of the training instead of the last only.
    throughout: bool = False
    #: Rules on further metrics that have to hold as well.
    also: tuple[tuple[str, Rule], ...] = ()

    @property
    def words(self) -> str:
        """The rules in words, each with its metric if there are several."""
        if not self.also:
            return self.rule.words
        return "; ".join(f"{name}: {rule.words}" for name, rule in ((self.metrics[0], self.rule), *self.also))


#: The methods of Figure 11.
BINARY_METHODS = ("K-ELBO", "K-M1")
#: The methods with KL inference that differ from ``FISHER`` in the inference alone.
_COUNTERPARTS = ("K-M1", "K-M2", "K-M3")
_ALL = ("neg_elbo", "mse", "mmd", "posterior_fd")

FIG4 = (
    ImageClaim("K-M1 tracks K-ELBO", "Section 5.2", _ALL, alike("K-M1", "K-ELBO", NAMES), throughout=True),
    ImageClaim(
        "F-M1 has the best negative ELBO of the F-", "Section 5.2", ("neg_elbo",), best(("F-M1",), FISHER)
    ),
    ImageClaim(
        "F-M1 has a worse negative ELBO than K-ELBO and K-M1", "Section 5.2", ("neg_elbo",),
        worse(("F-M1",), ("K-ELBO", "K-M1")),
    ),
    ImageClaim(
        "K-M2 and K-M3 are worse than K-ELBO and K-M1", "Section 5.2", ("neg_elbo", "mmd"),
        worse(("K-M2", "K-M3"), ("K-ELBO", "K-M1")),
    ),
    ImageClaim(
        "F-M2 and F-M3 are worse than F-M1", "Section 5.2", ("neg_elbo", "mmd"),
        worse(("F-M2", "F-M3"), ("F-M1",)),
    ),
    ImageClaim("M2 has the highest reconstruction error", "Section 5.2", ("mse",), highest(("K-M2", "F-M2"))),
    ImageClaim("M3 has the lowest on MNIST", "Section 5.2", ("mse",), best(("K-M3", "F-M3")), ("mnist",)),
    ImageClaim(
        "F-M1 has the lowest latent MMD", "Section 5.2", ("mmd",), best(("F-M1",)), ("fashion", "celeba")
    ),
    ImageClaim(
        "F-M3 has the lowest posterior FD", "Section 5.2", ("posterior_fd",), best(("F-M3",)), ("celeba",)
    ),
    ImageClaim(
        "Fisher inference is worse than KL overall", "Section 5.2", ("mmd", "posterior_fd"),
        worse_on_average(FISHER, _COUNTERPARTS),
    ),
)  # fmt: skip

FIG8 = (
    ImageClaim("K-M1 tracks K-ELBO", "Appendix B.2", _ALL, alike("K-M1", "K-ELBO", NAMES), throughout=True),
    ImageClaim("K-M2 is similar to K-ELBO", "Appendix B.2", _ALL, alike("K-M2", "K-ELBO", NAMES)),
    ImageClaim("K-M3 is similar to K-ELBO", "Appendix B.2", _ALL, alike("K-M3", "K-ELBO", NAMES)),
    ImageClaim(
        "KL inference is better than Fisher on all four metrics", "Appendix B.2", _ALL,
        worse_on_average(FISHER, _COUNTERPARTS),
    ),
    ImageClaim(
        "every F- is worse than every K-", "Section 5.2", ("neg_elbo", "mse", "posterior_fd"),
        worse(FISHER, KL),
    ),
)  # fmt: skip


def _around_both(
    text: str, source: str, methods: Sequence[str], datasets: tuple[str, ...] = ()
) -> ImageClaim:
    """Make the claim that most standard deviations are near 0 or 1, some near 0 and some near 1."""
    some = at_least(methods, SOME)
    return ImageClaim(
        text, source, ("decided_sds",), at_least(methods, DECIDED), datasets,
        also=(("sds_near_0", some), ("sds_near_1", some)),
    )  # fmt: skip


FIG9 = (_around_both("posterior sds concentrate around 0 and 1 on MNIST", "Appendix B.2", NAMES, ("mnist",)),)

FIG10 = (
    _around_both("posterior sds concentrate around 0 and 1 with M1", "Section 5.2", ("K-M1", "F-M1")),
    _around_both(
        "they do so with the other learning objectives as well", "Section 5.2",
        ("K-ELBO", "K-M2", "F-M2", "K-M3", "F-M3"),
    ),
)  # fmt: skip

#: Share of the latents that counts as many; the paper gives no number.
_MANY = 0.2

FIG11 = (
    ImageClaim(
        "many latents have posterior mean 0.5", "Appendix B.2", ("idle_means",),
        at_least(BINARY_METHODS, _MANY),
    ),
)  # fmt: skip

_BOTH = ("fid", "kid")
_TEXT = "Section 5.2, Table 1"
_APPENDIX = "Appendix B.2, Table 2"

CONVNETS = (
    ImageClaim("K-M1 is indistinguishable from K-ELBO", _TEXT, _BOTH, alike("K-M1", "K-ELBO", NAMES)),
    ImageClaim(
        "M2 and M3 are worse than the ELBO and M1", _TEXT, _BOTH,
        worse(("K-M2", "F-M2", "K-M3", "F-M3"), ("K-ELBO", "K-M1", "F-M1")),
    ),
    ImageClaim("K-ELBO or an M1 is best", _TEXT, _BOTH, best(("K-ELBO", "K-M1", "F-M1"))),
)  # fmt: skip

#: Claims about the three methods that Table 1 lists for ResNets.
RESNETS = (
    ImageClaim("K-M1 is better than K-ELBO", _TEXT, _BOTH, worse(("K-ELBO",), ("K-M1",))),
    ImageClaim(
        "F-M1 is better than K-ELBO on MNIST", _TEXT, _BOTH, worse(("K-ELBO",), ("F-M1",)), ("mnist",)
    ),
)

#: Claims about all seven methods, in Table 2.
ALL_RESNETS = (
    *RESNETS,
    ImageClaim("F-M2 is best", _APPENDIX, _BOTH, best(("F-M2",))),
    ImageClaim("M2 is best", _APPENDIX, _BOTH, best(("K-M2", "F-M2"))),
    ImageClaim("M3 is worst", _APPENDIX, _BOTH, highest(("K-M3", "F-M3"))),
)
