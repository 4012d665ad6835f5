"""Check that a peer's losses and gradients equal the engine's; others are not timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ...types import Array
from ..problem import Problem
from .contender import Contender, Engine, Evaluation

#: Steps that the engine and a peer take with the same noise.
STEPS = 3
#: Largest relative difference of losses and of gradients, by dtype.
TOLERANCE = {"float32": 2e-3, "float64": 1e-8}


#: An array whose gradient is smaller by this factor than the largest one of its layer is zero up to rounding,
#: as a bias before a normalisation.
NOTHING = 1e-6


def disagreement(problem: Problem, make: Callable[[Problem], Contender]) -> str | None:
    """Describe how a peer's results differ in half a sentence; return None if they agree.

    Compared are first both losses and both gradients at the initial parameters, each gradient array by array,
    since a large one would hide a small one; then both losses over some steps as they are timed, from
    the same noise, and the parameters after them. Networks of images are compared in double precision on a
    small batch, and then by one step as it is timed: a relu at zero takes either side by rounding, and one of
    millions changes every gradient before it, from which Adam makes steps of full size. Their parameters are
    not compared: those that no gradient trains, as running statistics, are the engine's alone.
    """
    if problem.case.image is None:
        return _at_the_start(problem, make) or _on_the_way(problem, make, STEPS)
    exact = _in_double(problem)
    return _at_the_start(exact, make) or _on_the_way(exact, make, STEPS) or _on_the_way(problem, make, 1)


def _at_the_start(problem: Problem, make: Callable[[Problem], Contender]) -> str | None:
    first = problem.noise(0)
    mine, theirs = Engine(problem).evaluate(first), make(problem).evaluate(first)
    for name, error in _errors(mine, theirs).items():
        if not error <= TOLERANCE[problem.case.dtype]:
            return f"its {name} differs by {error:.1e} of its size"
    return None


def _on_the_way(problem: Problem, make: Callable[[Problem], Contender], steps: int) -> str | None:
    product, peer = Engine(problem), make(problem)
    for t in range(steps):
        product.step()
        peer.step(problem.noise(t))
        for name, a, b in zip(("inference", "learning"), product.losses(), peer.losses(), strict=True):
            error = relative(a, b)
            if not error <= TOLERANCE[problem.case.dtype]:
                return f"its {name} loss of step {t + 1} differs by {error:.1e} of its size"
    if problem.case.image is not None:
        return None
    for name, mine, theirs in zip(
        ("encoder", "decoder"), product.parameters(), peer.parameters(), strict=True
    ):
        error = _of_parameters(mine, theirs)
        if not error <= TOLERANCE[problem.case.dtype]:
            return f"its {name}'s parameters after step {steps} differ by {error:.1e} of their size"
    return None


def _in_double(problem: Problem) -> Problem:
    """Return the problem with ten samples in float64."""
    return Problem(replace(problem.case, dtype="float64", batch_size=10))


def relative(a: Array, b: Array, least: float = 0.0) -> float:
    """Compute ``|a - b| / max(|a|, least)``; infinite if the shapes differ."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return float("inf")
    return float(np.linalg.norm((a - b).ravel()) / max(float(np.linalg.norm(a.ravel())), least, 1e-300))


def _errors(mine: Evaluation, theirs: Evaluation) -> dict[str, float]:
    return {
        "inference loss": relative(mine.inference, theirs.inference),
        "learning loss": relative(mine.learning, theirs.learning),
        "encoder's gradient": _of_gradients(mine.g_phi, theirs.g_phi),
        "decoder's gradient": _of_gradients(mine.g_theta, theirs.g_theta),
    }


def _of_parameters(mine: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    """Compare all arrays as one vector, since Adam makes a full step of a gradient that is rounding alone."""
    if set(mine) != set(theirs) or any(mine[name].shape != theirs[name].shape for name in mine):
        return float("inf")
    a, b = (np.concatenate([p[name].ravel() for name in mine]) for p in (mine, theirs))
    return relative(a, b)


def _of_gradients(mine: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    if set(mine) != set(theirs) or any(mine[name].shape != theirs[name].shape for name in mine):
        return float("inf")
    largest: dict[str, float] = {}
    for name, g in mine.items():
        layer = name.rpartition(".")[0]
        largest[layer] = max(largest.get(layer, 0.0), float(np.linalg.norm(g)))
    return max(
        relative(g, theirs[name], NOTHING * largest[name.rpartition(".")[0]]) for name, g in mine.items()
    )
