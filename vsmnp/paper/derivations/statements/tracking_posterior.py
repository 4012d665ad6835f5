"""Beyond the paper: where M1, M2 and M3 lead a linear VAE with the exact posterior of the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....objectives import M1, M2, M3
from ....objectives.quadratic import Learning
from ....types import Array
from ..checks import symbolic_sides, value_check
from ..evidence import gradient
from ..examples.linear_modes import Modes, coefficients, mean_loss
from ..statement import Statement

# M1 has B + c T with c = 1, M2 with 2 and its biased estimator with 2 - 1/S.

# A claim maps the variances of the data, those in the directions of the decoder and the others, and c to the
# squared widths and gamma.


def _tracking(active: Any, rest: Any, c: Any) -> tuple[Any, Any]:
    gamma = rest.sum() / (len(active) + len(rest) - c * len(active))
    return active / c - gamma, gamma


@symbolic_sides("slopes of E[M], q = p(z|x) held fixed in the slope, one latent in three dimensions")
def _tracking_symbolic(claim: Any, sympy: Any) -> tuple[Any, Any]:
    w, moving, gamma, v, c = sympy.symbols("w w_moving gamma gamma_moving c", positive=True)
    active, rest = (
        np.array([sympy.Symbol("a", positive=True)]),
        np.array(sympy.symbols("b1 b2", positive=True)),
    )
    mode = (active[0], moving, w / (w**2 + gamma), gamma / (w**2 + gamma))
    loss = mean_loss(sympy, c, 3, v, mode, rest.sum())
    here = {moving: w, v: gamma}
    in_w = sympy.cancel(sympy.diff(loss, moving).subs(here) / w)  # the slope in w is odd in it
    (square,), at_gamma = claim(active, rest, c)
    there = {w: sympy.sqrt(square), gamma: at_gamma}
    slopes = [each.subs(there, simultaneous=True) for each in (in_w, sympy.diff(loss, v).subs(here))]
    return coefficients(sympy, slopes, (*active, *rest, c))


_DATA = Modes(active=(5.1, 3.7), rest=(0.2, 0.4, 0.3))
_OTHER = Modes(active=(2.6,), rest=(0.5, 0.3))


def _by_alternating(modes: Modes, c: float) -> Array:
    """Compute in turn the posterior and the minimum of ``E (B + c T)`` over W and gamma, by matrices."""
    x = modes.data - modes.mean
    covariance, z = x.T @ x / len(x), len(modes.active)
    w, gamma = modes.axes[:, :z] * 1.5, 0.5
    for _ in range(4_000):
        p = np.eye(z) + w.T @ w / gamma
        gain, spread = np.linalg.solve(p, w.T) / gamma, np.linalg.inv(p)
        square = gain @ covariance @ gain.T + c * spread
        w = np.linalg.solve(square, gain @ covariance).T
        gamma = (np.trace(covariance) - np.trace(w @ square @ w.T)) / len(covariance)
    return np.append((w**2).sum(0), gamma)


def _by_the_engine(objective: type[Learning], modes: Modes, c: float, limit: bool = False) -> Array:
    """Search for the fixed point of the engine's objective for ``K = 0`` or in the limit."""
    squares, gamma = _tracking(np.array(modes.active), np.array(modes.rest), c)
    ready = objective(2 ** len(modes.active))

    def limiting(w: Array, gamma: float) -> Array:
        def loss(at: Array) -> float:
            return modes.loss(ready, modes.vae(at[:-1], float(np.exp(2 * at[-1]))))

        return gradient(loss, np.append(w, 0.5 * np.log(gamma)))

    def at_once(w: Array, gamma: float) -> Array:
        return modes.slope(ready, modes.vae(w, gamma))

    start = list(1.05 * np.sqrt(squares))
    found = modes.stationary(limiting if limit else at_once, start, 0.95 * gamma)
    return np.append(found[:-1] ** 2, found[-1])


def _tracked(claim: Any, *cases: tuple[Modes, float]) -> list[float]:
    points = [claim(np.array(modes.active), np.array(modes.rest), c) for modes, c in cases]
    return [value for squares, gamma in points for value in (*squares, gamma)]


STATEMENTS = (
    Statement(
        id="engine-tracking-posterior",
        title="Fixed points with the exact posterior of the model, without bi-level updates and with many",
        assumptions="Linear VAE; data of variances a along main axes, which are the columns of the decoder, "
            "and b along the others; q = p(z|x) at every theta. K = 0: c = 1 for M1 and M3, 2 for M2. K to "
            "infinity: c = 1 for M2 and M3, 1/2 for M1.",
        latex=r"\gamma = \tfrac{\sum b}{d_x - c d_z}, \quad w^2 = \tfrac{a}{c} - \gamma",
        claim=_tracking,
        checks=(
            _tracking_symbolic,
            value_check("search", 1e-9, "where alternating posterior and minimum ends, c = 1 and c = 2",
                lambda claim: _tracked(claim, (_DATA, 1), (_DATA, 2), (_OTHER, 2)),
                lambda: np.concatenate([_by_alternating(modes, c)
                    for modes, c in ((_DATA, 1), (_DATA, 2), (_OTHER, 2))])),
            value_check("search", 1e-8, "stationary points of the engine's M1, M2 and M3, K = 0",
                lambda claim: _tracked(claim, (_DATA, 1), (_DATA, 2), (_DATA, 1)),
                lambda: np.concatenate(
                    [_by_the_engine(each, _DATA, c) for each, c in ((M1, 1), (M2, 2), (M3, 1))])),
            value_check("search", 1e-7,
                "stationary points of the engine's M1, M2 and M3, functions of theta with q = p(z|x) in them",
                lambda claim: _tracked(claim, (_OTHER, 0.5), (_OTHER, 1), (_DATA, 1)),
                lambda: np.concatenate([_by_the_engine(each, modes, c, limit=True)
                    for each, modes, c in ((M1, _OTHER, 0.5), (M2, _OTHER, 1), (M3, _DATA, 1))])),
        ),
        mutations={
            "principal components for every objective": lambda active, rest, c: _tracking(active, rest, 1),
            "c is 2": lambda active, rest, c: _tracking(active, rest, 2),
            "c in the widths only": lambda active, rest, c: (
                active / c - rest.mean(), rest.mean()
            ),
            "c in gamma only": lambda active, rest, c: (
                active - _tracking(active, rest, c)[1], _tracking(active, rest, c)[1]
            ),
            "three other directions": lambda active, rest, c: (
                active / c - rest.sum() / (len(active) + 3 - c * len(active)),
                rest.sum() / (len(active) + 3 - c * len(active)),
            ),
        },
        consequence="With d_x at most 2 d_z, as in the plane, M2 without bi-level updates has no fixed point "
            "in which all latents are used. Bi-level updates repair M2, keep M3 and bias M1, which is right "
            "without them.",
        code="vsmnp.objectives.M2",
    ),
)  # fmt: skip
