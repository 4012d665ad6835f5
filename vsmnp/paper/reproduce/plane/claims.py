"""List what the paper says of its experiments in the plane, each sentence with the rule that tests it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from ..conditions import SMALL, Condition
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

    def every(self, names: Sequence[str]) -> list[At]:
        """Return the places of methods at the largest J, with every K if they have bi-level updates."""
        return [
            At(name, self.most, k)
            for name in names
            for k in (self.bilevel_steps if name in BILEVEL else (0,))
        ]


Conditions: TypeAlias = Callable[[Axes], tuple[Condition, ...]]


@dataclass(frozen=True)
class PlaneClaim:
    """A sentence of the paper and the rule by which it is tested."""

    #: The claim in a few words.
    text: str
    #: Section of the paper.
    source: str
    #: The paper's words.
    sentence: str
    #: The rule in words.
    rule: str
    #: Metrics on each of which it is tested.
    metrics: tuple[str, ...]
    #: The conditions that have to hold together, given the axes.
    conditions: Conditions
    #: Whether it is about M2 or M3, which have several estimators.
    of_estimators: bool = True


def alike(one: str, other: str) -> Conditions:
    """Make the rule that two methods differ by less than a small share of the scale."""

    def conditions(axes: Axes) -> tuple[Condition, ...]:
        a, b = At(one, axes.most), At(other, axes.most)
        return Condition(a, b, -SMALL), Condition(b, a, -SMALL)

    return conditions


def worse(names: Sequence[str], than: Sequence[str], share: float = 0.0) -> Conditions:
    """Make the rule that methods, with every K, are worse than others by more than a share of the scale."""
    return lambda axes: tuple(Condition(a, At(b, axes.most), share) for a in axes.every(names) for b in than)


def falls(names: Sequence[str]) -> Conditions:
    """Make the rule that a metric falls from the smallest J to the largest and rises nowhere between."""

    def conditions(axes: Axes) -> tuple[Condition, ...]:
        steps = axes.encoder_steps
        if len(steps) < 2:
            return ()
        places = [[At(name, j) for j in steps] for name in names]
        ends = [Condition(each[0], each[-1]) for each in places]
        between = [
            Condition(a, b, unless_contradicted=True)
            for each in places for a, b in pairwise(each)
        ]  # fmt: skip
        return (*ends, *between)

    return conditions


def gains(name: str, strongly: bool) -> Conditions:
    """Make the rule that bi-level updates lower a metric by more than a small share of the scale, or less."""

    def conditions(axes: Axes) -> tuple[Condition, ...]:
        if len(axes.bilevel_steps) < 2:
            return ()
        first, last = (At(name, axes.most, axes.bilevel_steps[end]) for end in (0, -1))
        return (Condition(first, last, SMALL) if strongly else Condition(last, first, -SMALL),)

    return conditions


def off_axis(axes: Axes) -> tuple[Condition, ...]:
    """Make the rule that M3 is worse at every J and K than one Gaussian and than every other method."""
    places = [At(name, j, k) for name in _M3 for j in axes.encoder_steps for k in axes.bilevel_steps]
    beyond = [Condition(place, None) for place in places]
    return (*beyond, *(Condition(a, At(b, a.encoder_steps)) for a in places for b in _FIRST_FIVE))


_FIT_RULE = (
    "at the largest J and for every K, its metric exceeds those of K-ELBO and K-M1 by more than "
    f"{SMALL:g} of the scale"
)
_ALIKE_RULE = f"at the largest J the two differ by less than {SMALL:g} of the scale"

FIG3: tuple[PlaneClaim, ...] = (
    PlaneClaim(
        "K-ELBO and K-M1 are almost equally good", "Section 5.1",
        "The ELBO objective (D_KL-ELBO) and D_KL-M1 produced almost equally good results", _ALIKE_RULE,
        _LOSSES, alike("K-M1", "K-ELBO"), of_estimators=False,
    ),
    PlaneClaim(
        "K-ELBO and K-M1 improve with J", "Section 5.1",
        "both the NLL and FD decrease as the number of encoder updates J increases, as expected",
        "for K-ELBO and K-M1 the metric is lower at the largest J than at the smallest, and rises nowhere "
        "between", _LOSSES, falls(_GOOD), of_estimators=False,
    ),
    PlaneClaim(
        "F-M1 is slightly worse", "Section 5.1",
        "On the other had, D_F-M1 is slightly worse",
        "at the largest J the metric of F-M1 exceeds those of K-ELBO and K-M1, by less than "
        f"{SLIGHT:g} of the scale", _LOSSES,
        lambda axes: (
            *worse(("F-M1",), _GOOD)(axes),
            *(Condition(At(name, axes.most), At("F-M1", axes.most), -SLIGHT) for name in _GOOD),
        ), of_estimators=False,
    ),
    *(
        PlaneClaim(
            f"{name} does not fit", "Section 5.1",
            "The objectives involving M2 and M3 could not fit the model well", _FIT_RULE, _LOSSES,
            worse((name,), _GOOD, SMALL),
        )
        for name in BILEVEL
    ),
    PlaneClaim(
        "M3 is off the axes", "Section 5.1",
        "The NLL and FD for M3 objectives were above the limits of the figure axis ranges",
        "K-M3 and F-M3 exceed one Gaussian and, at the same J, every other method with K = 0",
        _LOSSES, off_axis,
    ),
    *(
        PlaneClaim(
            f"{name} gains little by bi-level updates", "Section 5.1",
            "On these two synthetic datasets, we did not observe strong positive effects of bi-level "
            "optimization",
            f"at the largest J the largest K lowers the metric by less than {SMALL:g} of the scale", _LOSSES,
            gains(name, strongly=False),
        )
        for name in BILEVEL
    ),
    PlaneClaim(
        "M1 alone is similar to the ELBO", "Section 5",
        "we expect that M1 is the only learning objective that can produce results similar to ELBO, and the "
        "other learning objectives are worse",
        f"K-M1 and K-ELBO: {_ALIKE_RULE}; K-M2 and K-M3: {_FIT_RULE}", _LOSSES,
        lambda axes: (
            *alike("K-M1", "K-ELBO")(axes), *worse(("K-M2", "K-M3"), ("K-ELBO",), SMALL)(axes),
        ),
    ),
    *(
        PlaneClaim(
            f"{inference}-M2 constrains the reconstruction", "Section 4",
            "the objective proposed by Swersky et al. [27] applied to semi-Gaussian VAEs overly constrains "
            "the reconstruction",
            f"at the largest J and K = 0 the variance of g(z) is smaller with {inference}-M2 than with "
            f"{inference}-M1", ("decoder_variance",),
            lambda axes, q=inference: (  # type: ignore[misc]
                Condition(At(f"{q}-M1", axes.most), At(f"{q}-M2", axes.most)),
            ),
        )
        for inference in "KF"
    ),
)  # fmt: skip

FIG6: tuple[PlaneClaim, ...] = (
    PlaneClaim(
        "K-ELBO and K-M1 are very similar", "Appendix B.1",
        "optimizing by ELBO and D_KL + M1 produced very similar results", _ALIKE_RULE, _LOSSES,
        alike("K-M1", "K-ELBO"), of_estimators=False,
    ),
    PlaneClaim(
        "K-M1 is better than K-ELBO", "Appendix B.1", "with the latter being better",
        "at the largest J the metric of K-ELBO exceeds that of K-M1", _LOSSES, worse(("K-ELBO",), ("K-M1",)),
        of_estimators=False,
    ),
    *(
        PlaneClaim(
            f"bi-level updates help {name}", "Appendix B.1",
            "for M2 and M3, the number of bi-level updates K had a substantial effect on NLL and FD",
            f"at the largest J the largest K lowers the metric by more than {SMALL:g} of the scale", _LOSSES,
            gains(name, strongly=True),
        )
        for name in BILEVEL
    ),
    *(
        PlaneClaim(
            f"{name} is much worse", "Appendix B.1",
            "Nonetheless, the trained models were still much worse than ELBO and D_KL + M1", _FIT_RULE,
            _LOSSES, worse((name,), _GOOD, SMALL),
        )
        for name in BILEVEL
    ),
)  # fmt: skip
