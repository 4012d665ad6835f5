"""List what the paper says of its experiments in the plane, each sentence with the rule that tests it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..conditions import SMALL, Condition
from ..rules import Rule, alike, little_worse, together, worse
from .variants import BILEVEL

#: A method is slightly worse if it loses less than this share.
SLIGHT = 0.5

_GOOD = ("K-ELBO", "K-M1")
_LOSSES = ("nll", "sm_loss")
_M3 = tuple(name for name in BILEVEL if name.endswith("M3"))
_FIRST_FIVE = ("K-ELBO", "K-M1", "F-M1", "K-M2", "F-M2")


@dataclass(frozen=True)
class At:
    """A method with its numbers J of encoder updates and K of bi-level updates."""

    method: str
    encoder_steps: int
    bilevel_steps: int = 0

    def __str__(self) -> str:
        bilevel = f", K={self.bilevel_steps}" if self.bilevel_steps else ""
        return f"{self.method} (J={self.encoder_steps}{bilevel})"


@dataclass(frozen=True)
class Axes:
    """The numbers J of encoder updates and K of bi-level updates, each ascending."""

    encoder_steps: tuple[int, ...]
    bilevel_steps: tuple[int, ...]

    @property
    def most(self) -> int:
        """The largest J, at which methods are compared."""
        return self.encoder_steps[-1]

    def at(self, names: Sequence[str]) -> list[At]:
        """Return the places of methods at the largest J, without bi-level updates."""
        return [At(name, self.most) for name in names]

    def every(self, names: Sequence[str]) -> list[At]:
        """Return the places of methods at the largest J, with every K if they have bi-level updates."""
        return [
            At(name, self.most, k)
            for name in names
            for k in (self.bilevel_steps if name in BILEVEL else (0,))
        ]


@dataclass(frozen=True)
class PlaneClaim:
    """A sentence of the paper and the rule by which it is tested."""

    #: The claim in a few words.
    text: str
    #: Section of the paper.
    source: str
    #: The paper's words.
    sentence: str
    #: Metrics on each of which it is tested.
    metrics: tuple[str, ...]
    #: The rule, given the axes.
    rule: Callable[[Axes], Rule]
    #: Whether it is about M2 or M3, which have several estimators.
    of_estimators: bool = True


def k_m1_and_k_elbo(axes: Axes) -> Rule:
    """Make the rule that K-M1 and K-ELBO are alike at the largest J."""
    return alike(At("K-M1", axes.most), At("K-ELBO", axes.most))


def does_not_fit(*names: str, than: Sequence[str] = _GOOD) -> Callable[[Axes], Rule]:
    """Make the rule that methods are more than a little worse than others at the largest J, with every K."""
    return lambda axes: worse(axes.every(names), axes.at(than), SMALL)


def falls(axes: Axes) -> Rule:
    """Make the rule that a metric of the ELBO and M1 is lower at the largest J, and rises nowhere between."""
    steps, places = axes.encoder_steps, [[At(name, j) for j in axes.encoder_steps] for name in _GOOD]
    ends = [Condition(each[0], each[-1]) for each in places]
    between = [Condition(a, b, unless_contradicted=True) for each in places for a, b in pairwise(each)]
    several = len(steps) > 1
    return Rule(
        f"for each of {' and '.join(_GOOD)} it is lower at J={steps[-1]} than at J={steps[0]}, and rises "
        "nowhere between",
        tuple(place for each in places for place in each) if several else (),
        lambda case: (*ends, *between) if several else (),
    )


def slightly_worse(axes: Axes) -> Rule:
    """Make the rule that F-M1 is worse than the ELBO and M1, by less than a share of the scale."""
    these, those = axes.at(("F-M1",)), axes.at(_GOOD)
    return together(worse(these, those), little_worse(these, those, SLIGHT))


def gains(name: str, strongly: bool) -> Callable[[Axes], Rule]:
    """Make the rule that bi-level updates lower a metric by more than a small share of the scale, or less."""

    def rule(axes: Axes) -> Rule:
        places = [At(name, axes.most, k) for k in axes.bilevel_steps]
        if len(places) < 2:
            return Rule(f"{name} is compared at the smallest K and the largest", (), lambda case: ())
        if strongly:
            return worse(places[:1], places[-1:], SMALL)
        return little_worse(places[:1], places[-1:], SMALL)

    return rule


def off_axis(axes: Axes) -> Rule:
    """Make the rule that M3 is worse at every J and K than one Gaussian and than every other method."""
    by_j = [
        worse([At(name, j, k) for name in _M3 for k in axes.bilevel_steps], [
            None, *(At(name, j) for name in _FIRST_FIVE)
        ])
        for j in axes.encoder_steps
    ]  # fmt: skip
    return together(*by_j)


def constrains(inference: str) -> Callable[[Axes], Rule]:
    """Make the rule that M2 has less variance of g(z) than M1, at the largest J and K = 0."""
    return lambda axes: replace(
        worse(axes.at((f"{inference}-M1",)), axes.at((f"{inference}-M2",))), describes=True
    )


FIG3: tuple[PlaneClaim, ...] = (
    PlaneClaim(
        "K-ELBO and K-M1 are almost equally good", "Section 5.1",
        "The ELBO objective (D_KL-ELBO) and D_KL-M1 produced almost equally good results",
        _LOSSES, k_m1_and_k_elbo, of_estimators=False,
    ),
    PlaneClaim(
        "K-ELBO and K-M1 improve with J", "Section 5.1",
        "both the NLL and FD decrease as the number of encoder updates J increases, as expected",
        _LOSSES, falls, of_estimators=False,
    ),
    PlaneClaim(
        "F-M1 is slightly worse", "Section 5.1",
        "On the other had, D_F-M1 is slightly worse", _LOSSES, slightly_worse, of_estimators=False,
    ),
    *(
        PlaneClaim(
            f"{name} does not fit", "Section 5.1",
            "The objectives involving M2 and M3 could not fit the model well", _LOSSES, does_not_fit(name),
        )
        for name in BILEVEL
    ),
    PlaneClaim(
        "M3 is off the axes", "Section 5.1",
        "The NLL and FD for M3 objectives were above the limits of the figure axis ranges",
        _LOSSES, off_axis,
    ),
    *(
        PlaneClaim(
            f"{name} gains little by bi-level updates", "Section 5.1",
            "On these two synthetic datasets, we did not observe strong positive effects of bi-level "
            "optimization", _LOSSES,
            gains(name, strongly=False),
        )
        for name in BILEVEL
    ),
    PlaneClaim(
        "M1 alone is similar to the ELBO", "Section 5",
        "we expect that M1 is the only learning objective that can produce results similar to ELBO, and the "
        "other learning objectives are worse",
        _LOSSES,
        lambda axes: together(
            k_m1_and_k_elbo(axes), does_not_fit("K-M2", "K-M3", than=("K-ELBO",))(axes)
        ),
    ),
    *(
        PlaneClaim(
            f"{inference}-M2 constrains the reconstruction", "Section 4",
            "the objective proposed by Swersky et al. [27] applied to semi-Gaussian VAEs overly constrains "
            "the reconstruction",
            ("decoder_variance",), constrains(inference),
        )
        for inference in "KF"
    ),
)  # fmt: skip

FIG6: tuple[PlaneClaim, ...] = (
    PlaneClaim(
        "K-ELBO and K-M1 are very similar", "Appendix B.1",
        "optimizing by ELBO and D_KL + M1 produced very similar results", _LOSSES,
        k_m1_and_k_elbo, of_estimators=False,
    ),
    PlaneClaim(
        "K-M1 is better than K-ELBO", "Appendix B.1", "with the latter being better",
        _LOSSES, lambda axes: worse(axes.at(("K-ELBO",)), axes.at(("K-M1",))), of_estimators=False,
    ),
    *(
        PlaneClaim(
            f"bi-level updates help {name}", "Appendix B.1",
            "for M2 and M3, the number of bi-level updates K had a substantial effect on NLL and FD",
            _LOSSES, gains(name, strongly=True),
        )
        for name in BILEVEL
    ),
    *(
        PlaneClaim(
            f"{name} is much worse", "Appendix B.1",
            "Nonetheless, the trained models were still much worse than ELBO and D_KL + M1",
            _LOSSES, does_not_fit(name),
        )
        for name in BILEVEL
    ),
)  # fmt: skip
