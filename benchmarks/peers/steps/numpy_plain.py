"""Plain NumPy: the formulas of vsmnp on its reference kernel set, nothing compiled or fused."""

from __future__ import annotations

from dataclasses import replace

from vsmnp.bench import Problem
from vsmnp.bench.contenders.contender import Engine

__all__ = ["make", "obstacle"]


def obstacle(problem: Problem) -> str | None:
    return "NumPy runs on the CPU." if problem.case.device == "gpu" else None


def make(problem: Problem) -> Engine:
    return Engine(Problem(replace(problem.case, kernels="reference")))
