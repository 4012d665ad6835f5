"""JAX: one jitted step, its state donated."""

from __future__ import annotations

from vsmnp.bench import Problem

from ._jax_model import JaxContender, obstacle

__all__ = ["make", "obstacle"]


def make(problem: Problem) -> JaxContender:
    return JaxContender(problem, models=False)
