"""Test bi-level updates of perceptrons: hypergradients by differences of the whole unrolled function.

:mod:`unrolled` has the updates of phi and ``test_objectives.Textbook`` the learning objectives, both from
densities; only parameters and noise are shared with the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import ROUNDING, agree, direction, inner, norm
from strategies import Scene, few, scene, seeds, widths
from test_golden import ReferenceKey
from test_objectives import LEARNING, Loss, Textbook
from unrolled import Densities, Updates, derivative_without_kinks

from vsmnp.errors import ConfigError
from vsmnp.kernels import ON_HOST, load
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import ELBO, KL, FixedGamma, LearnedGamma, OptimalGamma, Outcome, PosteriorFisher
from vsmnp.objectives.bilevel import Bilevel
from vsmnp.objectives.objective import Differentiable
from vsmnp.rng import Stream
from vsmnp.types import Array, Kernels

HYPERGRADIENT = 1e-8
INFERENCES = ("kl", "fisher", "covariance")
ONE_SAMPLE = ("elbo", "m1", "m2 biased", "m3 biased", "m3 one sample", "m2 as published", "m3 as published")
RULES = {"learned": LearnedGamma(), "fixed": FixedGamma(), "optimal": OptimalGamma(1e-9)}


@pytest.fixture(scope="module", params=ON_HOST)
def k(request: pytest.FixtureRequest) -> Kernels:
    """Return each kernel set in turn."""
    return load(request.param)


@dataclass(frozen=True)
class Problem:
    """A scene of R models with K updates of phi and the rule of gamma."""

    scene: Scene
    inference: str
    samples: int  #: of the learning objective
    inner_samples: int
    lr: Array
    steps: int
    kl_weight: float
    kl_warmup: float
    weight: float
    rule: str

    def inner(self) -> Differentiable:
        """Build the inference objective of the updates."""
        if self.inference == "kl":
            return KL(self.inner_samples, self.kl_weight, self.kl_warmup)
        which: Any = "identity" if self.inference == "fisher" else "covariance"
        return PosteriorFisher(self.inner_samples, weight=self.weight, fisher_weight=which)

    def outer(self, learning: Any) -> Any:
        """Give a learning objective the number of samples and the rule of gamma."""
        return replace(learning, samples=self.samples, gamma=RULES[self.rule])

    def bilevel(self, learning: Any, keeps_dependence: bool = True) -> Bilevel:
        """Build the engine's objective with the gradient through the updates."""
        return Bilevel(self.inner(), self.outer(learning), self.steps, self.lr, keeps_dependence)

    def updates(self, k: Kernels, r: int) -> Updates:
        """Write the updates of model r again, with the noise of their keys."""
        one, first = self.scene.only(r), self.scene.key.step * self.steps
        keys = [one.key.on(Stream.BILEVEL, first + each) for each in range(self.steps)]
        shape = (self.inner_samples, one.x.shape[2], one.model.d_z)
        eps = np.stack([key.normal(k, shape, np.float64)[0] for key in keys])
        if self.inference != "kl":
            return Updates(self.inference, float(self.lr[r]), eps, (self.weight,) * self.steps)
        ramp = [min(1.0, key.step / self.kl_warmup) if self.kl_warmup else 1.0 for key in keys]
        return Updates("kl", float(self.lr[r]), eps, tuple(self.kl_weight * each for each in ramp))


@st.composite
def problems(draw: st.DrawFn, inference: str, least_samples: int = 1) -> Problem:
    """Draw smooth models of any shape with K = 1 .. 4 updates and a step size for each model.

    The first update has a length of at most 0.2, so that the whole function is smooth at the stencil's scale.
    """
    activation = draw(st.sampled_from(("tanh", "softplus", "elu")))
    model = GaussianVAE.mlp(
        draw(widths), draw(st.integers(1, 3)), draw(st.lists(widths, max_size=2)), activation,
        draw(st.sampled_from(("exp", "softplus"))), draw(st.booleans()),
    )  # fmt: skip
    models = draw(st.integers(1, 2))
    drawn = scene(model, activation, draw(seeds), models, draw(widths))
    weighted = draw(st.booleans())
    problem = Problem(
        drawn, inference, draw(st.integers(least_samples, 3)), draw(st.integers(1, 3)), np.zeros(models),
        draw(st.integers(1, 4)), 0.6 if weighted else 1.0, 250.0 if weighted else 0.0,
        2.0 if weighted else 1.0, draw(st.sampled_from(sorted(RULES))),
    )  # fmt: skip
    g_phi = problem.inner()(load("reference"), *drawn.arguments()).g_phi
    assert g_phi is not None
    lengths = np.array([draw(st.sampled_from((0.01, 0.05, 0.2))) for _ in range(models)])
    return replace(problem, lr=lengths / (1 + np.linalg.norm(g_phi, axis=1)))


# --- the hypergradient ----------------------------------------------------------------------------


def check_hypergradient(k: Kernels, problem: Problem, outcome: Outcome, loss_of: Loss, r: int) -> None:
    """Check the loss and the gradient of model r; z and weights of Fisher updates are held fixed."""
    s, log_sd = problem.scene.only(r), problem.scene.model.log_sd
    one, textbook, updates = Densities(s), Textbook.of(k, s, problem.samples), problem.updates(k, r)
    loss, held = loss_of(textbook), updates.hold(one, s.phi[0], s.theta[0])
    (along,) = direction(np.random.default_rng(r), s.theta)
    if problem.rule != "learned":
        log_sd(along)[:] = 0

    def unrolled(t: float) -> float:
        """Evaluate the loss after the updates at ``theta + t along``; a chosen gamma is a constant."""
        theta = s.theta + t * along
        phi = updates(one, s.phi[0], theta[0], held)[None]
        if outcome.gamma is not None:
            log_sd(theta)[:] = outcome.gamma.log_sd[r]
        return watched(one, textbook, loss, phi, theta)

    assert outcome.g_theta is not None
    g_theta, size = outcome.g_theta[r : r + 1], sum(norm(term[r]) for term in outcome.terms.values())
    agree(outcome.loss[r], unrolled(0.0), 1e-10, scale=size)
    numeric = derivative_without_kinks(one, unrolled)
    agree(inner(g_theta, along), numeric, HYPERGRADIENT, scale=norm(g_theta))
    assert problem.rule == "learned" or log_sd(g_theta) == 0


def watched(
    one: Densities, textbook: Textbook, loss: Callable[[Array, Array, Array], float], phi: Array, theta: Array
) -> float:
    """Evaluate a learning objective at reparametrised samples, and watch both networks for kinks."""
    z = one.place(phi[0], textbook.eps)
    one.log_likelihood(theta[0], z[None])
    return loss(phi, theta, z)


@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("name", LEARNING)
@settings(few, max_examples=5)
@given(data=st.data())
def test_the_hypergradient_is_the_derivative_of_the_unrolled_loss(
    k: Kernels, name: str, inference: str, data: st.DataObject
) -> None:
    learning, equation = LEARNING[name]
    problem = data.draw(problems(inference, 1 if name in ONE_SAMPLE else 2))
    outcome = problem.bilevel(learning)(k, *problem.scene.arguments())
    assert outcome.g_phi is None
    for r in range(len(problem.lr)):
        check_hypergradient(k, problem, outcome, equation, r)


@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("name", LEARNING)
@settings(few, max_examples=3)
@given(data=st.data())
def test_without_its_dependence_phi_is_a_constant(
    k: Kernels, name: str, inference: str, data: st.DataObject
) -> None:
    """The published Fisher updates: the gradient of the learning objective at phi_K."""
    problem = data.draw(problems(inference, 1 if name in ONE_SAMPLE else 2))
    objective = problem.bilevel(LEARNING[name][0], keeps_dependence=False)
    model, phi, theta, x, key = problem.scene.arguments()
    outcome = objective(k, model, phi, theta, x, key)
    updated = phi.copy()
    for r in range(len(phi)):
        one, updates = Densities(problem.scene.only(r)), problem.updates(k, r)
        updated[r] = updates(one, phi[r], theta[r], updates.hold(one, phi[r], theta[r]))
    expected = objective.outer(k, model, updated, theta, x, key)
    agree((outcome.loss, outcome.g_theta), (expected.loss, expected.g_theta), 1e-9)
    assert outcome.g_phi is None


# --- the gradient of a learning objective in phi --------------------------------------------------


def check_phi(k: Kernels, problem: Problem, outcome: Outcome, loss_of: Loss, r: int) -> None:
    """Check the gradient in phi of model r, with z a function of phi and a chosen gamma a constant."""
    s = problem.scene.only(r)
    one, textbook, theta = Densities(s), Textbook.of(k, s, problem.samples), s.theta.copy()
    loss = loss_of(textbook)
    if outcome.gamma is not None:
        s.model.log_sd(theta)[:] = outcome.gamma.log_sd[r]
    (along,) = direction(np.random.default_rng(r), s.phi)
    assert outcome.g_phi is not None
    g_phi = outcome.g_phi[r : r + 1]
    numeric = derivative_without_kinks(one, lambda t: watched(one, textbook, loss, s.phi + t * along, theta))
    agree(inner(g_phi, along), numeric, HYPERGRADIENT, scale=norm(g_phi))


@pytest.mark.parametrize("name", LEARNING)
@few
@given(data=st.data())
def test_the_gradient_in_phi_is_the_derivative_of_the_reparametrised_loss(
    k: Kernels, name: str, data: st.DataObject
) -> None:
    problem = data.draw(problems("kl", 1 if name in ONE_SAMPLE else 2))
    outcome = problem.outer(LEARNING[name][0]).with_g_phi(k, *problem.scene.arguments())
    for r in range(len(problem.lr)):
        check_phi(k, problem, outcome, LEARNING[name][1], r)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LEARNING)
@settings(few, max_examples=3)
@given(data=st.data())
def test_a_second_gradient_changes_nothing_else(
    k: Kernels, name: str, weighted: bool, data: st.DataObject
) -> None:
    problem = data.draw(problems("kl", 1 if name in ONE_SAMPLE else 2))
    objective: Any = replace(LEARNING[name][0], samples=problem.samples, gamma=RULES[problem.rule])  # type: ignore
    if weighted and name == "elbo":
        objective = replace(objective, kl_weight=0.3, kl_warmup=150.0)
    plain, both = (
        objective(k, *problem.scene.arguments()),
        objective.with_g_phi(k, *problem.scene.arguments()),
    )
    assert plain.g_phi is None
    assert list(both.terms) == list(plain.terms)
    for name in plain.terms:
        np.testing.assert_array_equal(both.terms[name], plain.terms[name])
    np.testing.assert_array_equal(both.loss, plain.loss)
    np.testing.assert_array_equal(both.g_theta, plain.g_theta)


# --- ensembles and purity -------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "detached"])
@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("name", LEARNING)
def test_models_are_independent_and_inputs_stay(k: Kernels, name: str, inference: str, keeps: bool) -> None:
    """On ``reference`` to the last bit."""
    model = GaussianVAE.mlp(3, 2, (5, 4), "tanh", "softplus")
    drawn, lr = scene(model, "tanh", 11, models=3, batch=5), np.array([0.01, 0.003, 0.02])
    problem = Problem(drawn, inference, 1 if "one" in name else 3, 2, lr, 3, 0.6, 250.0, 2.0, "optimal")
    objective = problem.bilevel(LEARNING[name][0], keeps_dependence=keeps)
    before = drawn.phi.copy(), drawn.theta.copy(), drawn.x.copy(), lr.copy()
    together = objective(k, *drawn.arguments())
    tolerance = 0.0 if k.name == "reference" else ROUNDING
    for r in range(3):
        alone = replace(objective, lr=lr[r : r + 1])(k, *drawn.only(r).arguments())
        for term, value in alone.terms.items():
            agree(together.terms[term][r : r + 1], value, tolerance)
        agree(together.g_theta[r : r + 1], alone.g_theta, tolerance)
        assert together.updates_finite is not None
        assert together.updates_finite[r] == alone.updates_finite
    agree((drawn.phi, drawn.theta, drawn.x, lr), before, tolerance=0.0)


@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("name", LEARNING)
def test_kernel_sets_agree(name: str, inference: str) -> None:
    model = GaussianVAE.mlp(3, 2, (5, 4), "elu")
    drawn, lr = scene(model, "elu", 5, models=2, batch=6), np.array([0.01, 0.004])
    problem = Problem(drawn, inference, 1 if "one" in name else 3, 2, lr, 3, 1.0, 0.0, 1.0, "learned")
    objective = problem.bilevel(LEARNING[name][0])
    key = ReferenceKey(drawn.key.seeds, drawn.key.stream, drawn.key.step)
    fast, slow = (
        objective(load(each), drawn.model, drawn.phi, drawn.theta, drawn.x, key) for each in ON_HOST
    )
    agree((fast.loss, fast.g_theta), (slow.loss, slow.g_theta), 1e-11)


# --- the updates ----------------------------------------------------------------------------------


def test_a_model_whose_updates_overflow_is_named(k: Kernels) -> None:
    model = GaussianVAE.mlp(3, 2, (5,), "tanh")
    drawn, lr = scene(model, "tanh", 2, models=3, batch=4), np.array([1e-3, 1e200, 1e-3])
    problem = Problem(drawn, "kl", 2, 1, lr, 3, 1.0, 0.0, 1.0, "learned")
    with np.errstate(all="ignore"):
        outcome = problem.bilevel(ELBO())(k, *drawn.arguments())
    assert outcome.updates_finite is not None
    assert outcome.updates_finite.tolist() == [True, False, True]
    assert outcome.g_theta is not None
    assert np.isfinite(outcome.g_theta[[0, 2]]).all()


def test_a_reparametrised_divergence_is_not_differentiated_once_more(k: Kernels) -> None:
    s = scene(GaussianVAE.mlp(2, 2, (3,), "tanh"), "tanh", 3)
    objective = Bilevel(PosteriorFisher(1, reparametrised=True), ELBO(1), 1, np.array([0.01]))
    with pytest.raises(ConfigError, match="need third derivatives: use fisher"):
        objective(k, *s.arguments())
