"""Nobody is timed who computes something else: equal losses, equal gradients, and equal losses on the way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..types import Array
from .contender import Contender, Evaluation
from .problem import Problem

#: Steps that product and peer take with the same noise.
STEPS = 3
#: Largest relative difference of losses and of gradients, by dtype.
TOLERANCE = {"float32": 2e-3, "float64": 1e-8}


def disagreement(problem: Problem, product: Contender, peer: Contender) -> str | None:
    """What a peer computes differently, in half a sentence; None if it is the same.

    First both losses and both gradients at the initial parameters, each gradient array by array,
    since a large one would hide a small one; then both losses over some steps of the kind that is timed, from
    the same noise. Both contenders move.
    """
    tolerance = TOLERANCE[problem.case.dtype]
    first = problem.noise(0)
    mine, theirs = product.evaluate(first), peer.evaluate(first)
    for name, error in _errors(mine, theirs).items():
        if not error <= tolerance:
            return f"its {name} differs by {error:.1e} of its size"
    for t in range(STEPS):
        product.step()
        peer.step(problem.noise(t))
        for name, a, b in zip(("inference", "learning"), product.losses(), peer.losses(), strict=True):
            error = relative(a, b)
            if not error <= tolerance:
                return f"its {name} loss of step {t + 1} differs by {error:.1e} of its size"
    return None


def relative(a: Array, b: Array) -> float:
    """``|a - b| / |a|``; infinite where the shapes differ."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return float("inf")
    return float(np.linalg.norm((a - b).ravel()) / max(float(np.linalg.norm(a.ravel())), 1e-300))


def _errors(mine: Evaluation, theirs: Evaluation) -> dict[str, float]:
    return {
        "inference loss": relative(mine.inference, theirs.inference),
        "learning loss": relative(mine.learning, theirs.learning),
        "encoder's gradient": _of_gradients(mine.g_phi, theirs.g_phi),
        "decoder's gradient": _of_gradients(mine.g_theta, theirs.g_theta),
    }


def _of_gradients(mine: Mapping[str, Array], theirs: Mapping[str, Array]) -> float:
    if set(mine) != set(theirs) or any(mine[name].shape != theirs[name].shape for name in mine):
        return float("inf")
    return max(relative(mine[name], theirs[name]) for name in mine)
