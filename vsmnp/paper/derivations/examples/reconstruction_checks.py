"""Check M1, M2 and M3 as functions of a reconstruction's moments: a claim maps the moments to a loss."""

from __future__ import annotations

from ....objectives import M1, M2, M3, FixedGamma, OptimalGamma
from ....objectives.quadratic import Learning
from ..checks import value_check
from ..statement import Check, Kind
from . import moments
from .moments import SAMPLES, evaluate, toy_reconstruction, toy_scores, wide
from .toy import Toy

_NAMES: dict[type[Learning], moments.LossName] = {M1: "m1", M2: "m2", M3: "m3"}


def _accuracy(objective: type[Learning]) -> tuple[Kind, float]:
    """Return kind and tolerance against the engine; the score of q, in M3 alone, is by differences."""
    return ("finite differences", 1e-9) if objective is M3 else ("closed form", 1e-12)


def least_of_the_toy(objective: type[Learning]) -> Check:
    """Make a check of ``claim(r)``, the least mean over gamma, against a search for the toy's."""
    detail = f"min over gamma of the mean of {objective.__name__}, three data"
    return value_check(
        "search",
        1e-10,
        detail,
        lambda claim: claim(toy_reconstruction(Toy())),
        lambda: moments.toy_least(_NAMES[objective]),
    )


def least_of_the_engine(objective: type[Learning]) -> Check:
    """Make a check of ``claim(r)``, the least mean over gamma, against the engine's optimal gamma."""
    return value_check(
        *_accuracy(objective),
        f"the engine's {objective.__name__} at its optimal gamma",
        lambda claim: claim(wide()[1]),
        lambda: evaluate(wide()[0], objective(SAMPLES, OptimalGamma())).loss[0],
    )


def least_by_search(objective: type[Learning]) -> Check:
    """Make a check of ``claim(r)``, the least mean over gamma, against a search for the engine's."""
    return value_check(
        "search",
        1e-11,
        f"the engine's {objective.__name__}, least over a search in gamma",
        lambda claim: claim(wide()[1]),
        lambda: moments.engine_least(objective(SAMPLES, FixedGamma())),
    )


def expansion_of_the_toy(objective: type[Learning]) -> Check:
    """Make a check of ``claim(r, gamma)``, the loss of each datum, against its definition for the toy."""
    return value_check(
        "quadrature",
        1e-10,
        f"{objective.__name__} of three data",
        lambda claim: claim(toy_reconstruction(Toy()), Toy().gamma),
        lambda: getattr(toy_scores(Toy()), _NAMES[objective]),
    )


def expansion_of_the_engine(objective: type[Learning]) -> Check:
    """Make a check of the mean of ``claim(r, gamma)`` against the engine's loss on given samples."""
    return value_check(
        *_accuracy(objective),
        f"the engine's {objective.__name__}",
        lambda claim: claim(wide()[1], wide()[0].gamma).mean(),
        lambda: evaluate(wide()[0], objective(SAMPLES)).loss[0],
    )
