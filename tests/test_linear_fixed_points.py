"""Test where each objective leads a linear VAE with an exact posterior, as numbers from closed forms.

The truth has the widths 2 and 1.6 and gamma = 0.4, in five dimensions. M2 counts the posterior variance
c = 2 times. With q frozen at the posterior of the truth it leads to ``w (gamma + w^2) / (c gamma + w^2)``,
and with q the posterior of the model to ``w^2 = a / c - gamma`` and ``gamma = sum b / (d_x - c d_z)``, a and
b the variances of the data in the directions of the decoder and in the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from laws import norm
from scipy.optimize import root
from strategies import nodes, sigma_points

from vsmnp.kernels import ON_HOST, load
from vsmnp.layers.compose import Chain
from vsmnp.layers.dense import Dense
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import KL, M1, M2, M3
from vsmnp.objectives.bilevel import Bilevel
from vsmnp.objectives.quadratic import Learning
from vsmnp.types import Array, Kernels

D, Z = 5, 2
S = 2 * Z
MODEL = GaussianVAE(Chain((Dense(D, 2 * Z),)), Chain((Dense(Z, D),)), DiagonalGaussian(Z), D)
#: The mean over these samples is the exact expectation of anything cubic in eps.
CUBATURE = nodes(sigma_points(Z)[None, :, None, :])
AXES = np.linalg.qr(np.random.default_rng(2).standard_normal((D, D)))[0]
CENTRE = 0.05 * np.random.default_rng(3).standard_normal(D)
TRUTH = (2.0, 1.6, 0.4)
#: Data with exactly the mean and the covariance of the truth.
X = CENTRE + sigma_points(D) @ (AXES * np.sqrt([4.4, 2.96, 0.4, 0.4, 0.4])).T

#: Step sizes of the bi-level updates, below 2 over the curvature of KL.
LR = 0.03


@pytest.fixture(scope="module", params=ON_HOST)
def k(request: pytest.FixtureRequest) -> Kernels:
    """Return each kernel set in turn."""
    return load(request.param)


@dataclass(frozen=True)
class Point:
    """A decoder ``g(z) = U diag(w) z + c`` with its exact posterior."""

    w: tuple[float, ...]
    gamma: float

    @property
    def theta(self) -> Array:
        theta = np.zeros((1, MODEL.theta_layout.size))
        dense = MODEL.decoder_part(theta)["0"]
        dense["w"][0], dense["b"][0] = AXES[:, :Z] * self.w, CENTRE
        MODEL.log_sd(theta)[:] = 0.5 * np.log(self.gamma)
        return theta

    @property
    def phi(self) -> Array:
        """Encoder of the exact posterior."""
        w = np.array(self.w)
        gain = (AXES[:, :Z] * (w / (w**2 + self.gamma))).T
        phi = np.zeros((1, MODEL.phi_layout.size))
        dense = MODEL.encoder_part(phi)["0"]
        dense["w"][0, :Z] = gain
        dense["b"][0] = np.concatenate([-gain @ CENTRE, 0.5 * np.log(self.gamma / (w**2 + self.gamma))])
        return phi


def gradient(k: Kernels, objective: Learning, at: Point, q: Point | None = None, steps: int = 0) -> Array:
    """Compute the theta-gradient after K updates from the posterior of ``q``, by default of ``at``."""
    whole = Bilevel(KL(S), objective, steps, np.array([LR])) if steps else objective
    g_theta = whole(k, MODEL, (q or at).phi, at.theta, X[None, None], CUBATURE).g_theta
    assert g_theta is not None
    return g_theta


def along(g_theta: Array) -> Array:
    """Compute the gradient in ``(w, l)``, ``(Z + 1,)``."""
    in_w = np.sum(MODEL.decoder_part(g_theta)["0"]["w"][0] * AXES[:, :Z], 0)
    return np.append(in_w, MODEL.log_sd(g_theta))


#: The objectives with their fixed points: q frozen at the posterior of the truth, and q the posterior of the
#: model.
KNOWN: dict[str, tuple[Learning, tuple[float, ...], tuple[float, ...]]] = {
    "m1": (M1(S), TRUTH, TRUTH),
    "m2": (
        M2(S),
        (1.8333333333333333, 1.4095238095238096, 0.5276190476190477),
        (1.0, 0.5291502622129182, 1.2),
    ),
    "m3": (M3(S), TRUTH, TRUTH),
}
FROZEN = Point(TRUTH[:2], TRUTH[2])


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("is_frozen", [True, False])
def test_the_whole_gradient_vanishes_at_a_known_fixed_point(k: Kernels, name: str, is_frozen: bool) -> None:
    objective, frozen, tracking = KNOWN[name]
    *w, gamma = frozen if is_frozen else tracking
    at, q = Point(tuple(w), gamma), FROZEN if is_frozen else None
    assert norm(gradient(k, objective, at, q)) < 1e-12
    beside = Point(tuple(w), 1.1 * gamma)
    assert norm(gradient(k, objective, beside, q)) > 1e-2


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("is_frozen", [True, False])
def test_descent_ends_at_the_known_fixed_point(name: str, is_frozen: bool) -> None:
    """Small steps of the decoder, q the posterior of the truth or refitted before each step."""
    objective, frozen, tracking = KNOWN[name]
    v = np.array([*TRUTH[:2], 0.5 * np.log(TRUTH[2])]) + np.array([0.3, -0.2, 0.3])
    for _ in range(2_500):
        at = Point(tuple(v[:-1]), float(np.exp(2 * v[-1])))
        v = v - 0.03 * along(gradient(load("reference"), objective, at, FROZEN if is_frozen else None))
    found = np.append(v[:-1], np.exp(2 * v[-1]))
    assert norm(found - np.array(frozen if is_frozen else tracking)) < 1e-4


def fixed_point(objective: Learning, steps: int, start: Array) -> Array:
    """Search for ``(w, gamma)`` where the hypergradient vanishes, q the posterior of the model."""

    def slope(v: Array) -> Array:
        at = Point(tuple(v[:-1]), float(np.exp(2 * v[-1])))
        return along(gradient(load("reference"), objective, at, steps=steps))

    found = root(slope, np.append(start[:-1], 0.5 * np.log(start[-1])), tol=1e-12)
    assert np.abs(found.fun).max() < 1e-9
    return np.append(found.x[:-1], np.exp(2 * found.x[-1]))


def test_m2_recovers_the_truth_with_many_bilevel_updates() -> None:
    """The fixed point moves from (1, .529, 1.2) at K = 0 to the truth as the updates converge."""
    truth = np.array(TRUTH)
    start, errors = truth, []
    for steps in (300, 100, 50, 20, 10, 5):
        start = fixed_point(M2(S), steps, start)
        errors.append(norm(start - truth))
    assert errors == sorted(errors)
    assert errors[0] < 1e-3
    at_once = fixed_point(M2(S), 0, np.array([1.0, 0.6, 1.1]))
    assert norm(at_once - truth) > 1.5 > errors[-1]


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_bilevel_updates_keep_m3_at_the_truth_and_move_m1(k: Kernels, steps: int) -> None:
    assert norm(gradient(k, M3(S), FROZEN, steps=steps)) < 1e-12
    assert norm(gradient(k, M1(S), FROZEN, steps=steps)) > 1e-1
    assert norm(gradient(k, M2(S), FROZEN, steps=steps)) > 1e-2


def marginal(v: Array) -> Array:
    """Compute the gradient in ``(w, l)`` of the score-matching loss of the Gaussian marginal."""
    data = np.array([4.4, 2.96])

    def loss(v: Array) -> float:
        gamma = np.exp(2 * v[-1])
        precision = 1 / (v[:-1] ** 2 + gamma)
        square = np.sum(data * precision**2) + 3 * 0.4 / gamma**2
        return float(0.5 * square - precision.sum() - 3 / gamma)

    return np.array([(loss(v + e) - loss(v - e)) / 2e-6 for e in 1e-6 * np.eye(Z + 1)])


def test_the_hypergradient_of_m2_tends_to_that_of_the_marginal() -> None:
    """Away from the truth, q the posterior: the share of the error that is left falls with K."""
    v, kernels = np.array([1.4, 1.1, 0.5 * np.log(0.7)]), load("reference")
    at = Point(tuple(v[:-1]), 0.7)
    limit, plain = marginal(v), along(gradient(kernels, M2(S), at))
    left = [
        norm(along(gradient(kernels, M2(S), at, steps=steps)) - limit) / norm(plain - limit)
        for steps in (1, 5, 20, 100, 500)
    ]
    assert left == sorted(left, reverse=True)
    assert 0.5 < left[0] < 1
    assert left[-1] < 1e-6
