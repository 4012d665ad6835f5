"""Define a budget of the figures in the plane that takes seconds."""

from __future__ import annotations

from vsmnp.paper.reproduce.plane.budgets import PlaneBudget

#: Three steps of two models.
TINY = PlaneBudget(
    "tiny", "seconds", 0.0006, (), (0, 1), "paper-2d", (1, 2), (0, 1), points=40, draws=60,
    settings={"hidden": (4,), "batch_size": 20, "samples": 2, "kernels": "reference"},
)  # fmt: skip
