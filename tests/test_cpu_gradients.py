"""The fused gradients of the ``cpu`` set are those of the composed objectives."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from vsmnp.gaussian import precision
from vsmnp.kernels import cpu_gradients as fused
from vsmnp.kernels import cpu_network, load
from vsmnp.layers import Dense
from vsmnp.layout import Layout
from vsmnp.model import GaussianVAE
from vsmnp.objectives import ELBO, KL, M1, M2, M3, PosteriorFisher
from vsmnp.objectives.learning import Learning
from vsmnp.rng import Key, Stream
from vsmnp.types import Array

K = load("cpu")
KEY = Key((3,), Stream.INFERENCE, 5)
ROUNDING = 1e-13


class Case(NamedTuple):
    """One model, one batch, and how it is cut into tiles."""

    hidden: tuple[int, ...]
    activation: str
    scale: str
    d_x: int
    d_z: int
    samples: int
    batch: int
    tile: int


CASES = (
    Case((30, 30), "relu", "exp", 2, 2, 1, 100, 32),
    Case((7,), "tanh", "softplus", 3, 2, 3, 50, 50),
    Case((7, 5, 9), "softplus", "exp", 3, 4, 2, 23, 10),
    Case((8,), "elu", "softplus", 1, 1, 4, 9, 4),
    Case((4, 16), "sigmoid", "exp", 5, 3, 2, 17, 5),
)


class Problem:
    """The model with parameters, its two networks in tiles, and the noise."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng(0)
        self.case = case
        self.model = GaussianVAE.mlp(case.d_x, case.d_z, case.hidden, case.activation, case.scale)
        self.phi = _draw(rng, self.model.phi_layout)
        self.theta = _draw(rng, self.model.theta_layout)
        self.x = rng.standard_normal((1, 1, case.batch, case.d_x))
        self.eps = self.model.posterior.noise(K, KEY, case.samples, self.x)[0]
        self.tau = float(precision(self.model.log_sd(self.theta))[0])
        self.encoder = self._network(self.model.encoder, self.model.phi_layout, case.tile)
        self.decoder = self._network(self.model.decoder, self.model.theta_layout, case.tile * case.samples)
        self.work = np.zeros((6, case.tile * case.d_z))

    def _network(self, net: Any, layout: Layout, rows: int) -> cpu_network.Network:
        dense = [(i, layer) for i, layer in enumerate(net.layers) if isinstance(layer, Dense)]
        starts = {slot.name: slot.start for slot in layout.slots}
        widths = [dense[0][1].n_in, *(layer.n_out for _, layer in dense)]
        weights, biases = ([starts[f"net.{i}.{leaf}"] for i, _ in dense] for leaf in ("w", "b"))
        table = cpu_network.layer_table(widths, weights, biases)
        return cpu_network.network(table, self.case.activation, rows, np.float64)

    @property
    def given(self) -> tuple[Any, ...]:
        """What every fused gradient is given first."""
        return self.encoder, self.decoder, self.phi[0], self.theta[0], self.x[0, 0], self.eps


def _draw(rng: np.random.Generator, layout: Layout) -> Array:
    vector = np.zeros((1, layout.size))
    for _, array in layout.named(vector):
        array[...] = 0.4 * rng.standard_normal(array.shape)
    return vector


def _agree(actual: Array, expected: Array) -> None:
    assert np.linalg.norm(actual - expected) <= ROUNDING * np.linalg.norm(expected)


@pytest.fixture(params=CASES, ids=lambda case: f"{case.hidden}-{case.activation}")
def problem(request: pytest.FixtureRequest) -> Problem:
    return Problem(request.param)


def test_kl(problem: Problem) -> None:
    case, g = problem.case, np.zeros_like(problem.phi)
    square, divergence = fused.kl_gradient(
        *problem.given, problem.tau, case.scale == "exp", case.tile, problem.work, g[0]
    )
    expected = KL(case.samples)(K, problem.model, problem.phi, problem.theta, problem.x, KEY)
    assert expected.g_phi is not None
    _agree(g, expected.g_phi)
    _agree(np.array([divergence]), expected.terms["kl"])
    log_sd = problem.model.log_sd(problem.theta)
    reconstruction = 0.5 * problem.tau * square + case.d_x * (log_sd + 0.5 * np.log(2 * np.pi))
    _agree(reconstruction, expected.terms["reconstruction"])


def test_posterior_fisher(problem: Problem) -> None:
    case, g = problem.case, np.zeros_like(problem.phi)
    loss = fused.fisher_gradient(
        *problem.given, problem.tau, case.scale == "exp", case.tile, problem.work, g[0]
    )
    expected = PosteriorFisher(case.samples)(K, problem.model, problem.phi, problem.theta, problem.x, KEY)
    assert expected.g_phi is not None
    _agree(g, expected.g_phi)
    _agree(np.array([loss]), expected.loss)


@pytest.mark.parametrize("kind", [ELBO, M1, M2, M3])
def test_learning(problem: Problem, kind: type[Learning]) -> None:
    case, g = problem.case, np.zeros_like(problem.theta)
    several: dict[str, str] = {}
    if case.samples > 1 and kind in (M2, M3):
        several["estimator"] = "u-statistic"
        several |= {"baseline": "leave-one-out"} if kind is M3 else {}
    objective = kind(case.samples, **several)  # type: ignore[arg-type]
    form = objective.form()
    w_square, w_cross = (float(w[0]) for w in objective.weights(np.array([problem.tau])))
    coefficients = np.array([form.c_each, form.c_mean, form.d_each, form.d_mean])
    s_q = np.zeros((case.samples, case.tile, case.d_x))
    a, h, _ = fused.learning_gradient(
        *problem.given, coefficients, w_square, w_cross, case.scale == "exp", form.crosses, case.tile,
        problem.work, s_q, g[0],
    )  # fmt: skip
    expected = objective(K, problem.model, problem.phi, problem.theta, problem.x, KEY)
    assert expected.g_theta is not None
    problem.model.log_sd(g)[:] = objective.slope(
        np.array([a]), np.array([h]), np.array([problem.tau]), case.d_x
    )
    _agree(g, expected.g_theta)
