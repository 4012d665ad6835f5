"""JAX with one jitted step, whose state is donated."""

from __future__ import annotations

from vsmnp.bench import Problem

from . import _jax_model
from ._jax_model import JaxContender

__all__ = ["make", "obstacle"]


def obstacle(problem: Problem) -> str | None:
    if problem.case.models > 1:
        return "it trains one model; jax-vmap trains several side by side."
    return _jax_model.obstacle(problem)


def make(problem: Problem) -> JaxContender:
    return JaxContender(problem, models=False)
