"""Define the posteriors of equation (11), each with a half-plane whose mass distinguishes the runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....layers.families import NO_PARAMETERS
from ....model.likelihood import LOG_2PI
from ....types import Array, Kernels
from ..fig2.problems import PROBLEMS, ToyProblem


@dataclass(frozen=True)
class SidedPosterior:
    """A posterior in the plane and a half-plane."""

    #: Prior, likelihood and datum.
    problem: ToyProblem
    #: The half-plane is ``{z: z . side > 0}``.
    side: tuple[float, float]
    #: The half-plane as a formula for a picture.
    side_formula: str

    def log_joint(self, z: Array) -> Array:
        """Compute ``log p(z, x)`` of points ``(..., 2)`` in nats, its constants included."""
        return np.asarray(self.problem.log_joint(z) - np.log(self.problem.sd) - 1.5 * LOG_2PI)

    def score(self, k: Kernels, z: Array) -> Array:
        """Compute ``grad_z log p(z, x) = J^T (x - g(z)) / sd^2 - z``, J the decoder's, at ``(R, S, 2)``."""
        problem = self.problem
        rows = z[:, :, None]  # (R, S, N = 1, Z)
        g, c = problem.decoder.forward(k, NO_PARAMETERS, rows)
        b = problem.decoder.vjp(k, NO_PARAMETERS, c, (problem.x - g) / problem.sd**2, None)
        assert b is not None  # the gradient in z was requested
        return np.asarray(b[:, :, 0] - z)


#: p_I has a mode on either side; p_II, as printed and as the published code has it, bends on one side only.
TARGETS = tuple(
    SidedPosterior(problem, side, formula)
    for problem, (side, formula) in zip(
        PROBLEMS,
        (((1.0, 1.0), "$z_1 + z_2 > 0$"), ((0.0, 1.0), "$z_2 > 0$"), ((0.0, 1.0), "$z_2 > 0$")),
        strict=True,
    )
)
