"""Test that every loss is the one of its equation and every gradient is its derivative.

The losses are written again below from densities alone: a perceptron in four lines, log-densities, and
derivatives in x and z by complex steps, exact to rounding. Only the parameters and the noise are shared with
the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from laws import DERIVATIVE, agree, derivative, direction, inner, moved, norm
from scipy.optimize import minimize_scalar
from strategies import Scene, draws_of, few, gauss_hermite, nodes, scene, scenes, sigma_points

from vsmnp.errors import ConfigError
from vsmnp.layers.compose import Chain
from vsmnp.layers.dense import Dense
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import (  # fmt: skip
    ELBO,
    KL,
    M1,
    M2,
    M3,
    FixedGamma,
    JointFisher,
    JointFisherInference,
    JointFisherLearning,
    LearnedGamma,
    M2AsPublished,
    M3AsPublished,
    Objective,
    OptimalGamma,
    PosteriorFisher,
)
from vsmnp.rng import Stream
from vsmnp.types import Array, Kernels

S = 3


# --- the equations again --------------------------------------------------------------------------


def softplus(x: Array) -> Array:
    """Compute ``log(1 + e^x)``, for complex x too and without overflow."""
    positive = x.real > 0
    return np.asarray(np.where(positive, x, 0) + np.log(1 + np.exp(np.where(positive, -x, x))))


def elu(x: Array) -> Array:
    """Compute ``x`` or ``e^x - 1``, for complex x too and without overflow."""
    positive = x.real > 0
    return np.asarray(np.where(positive, x, np.exp(np.where(positive, 0, x)) - 1))


FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "tanh": np.tanh, "softplus": softplus, "elu": elu, "exp": np.exp,
}  # fmt: skip


def gradient(f: Callable[[Array], Array], at: Array) -> Array:
    """Compute ``df[..., j] = d f / d at[..., j]`` of a function that is independent along the other axes."""
    steps = 1e-30j * np.eye(at.shape[-1])
    return np.stack([np.imag(f(at + step)) / 1e-30 for step in steps], axis=-1)


@dataclass(frozen=True)
class Textbook:
    """The model of one scene from densities alone; ``x (N, D)``, ``eps, z (S, N, Z)``."""

    scene: Scene
    eps: Array
    signs: Array

    @classmethod
    def of(cls, k: Kernels, scene: Scene, samples: int) -> Textbook:
        shape = (samples, scene.x.shape[2], scene.model.d_z)
        probe = scene.key.on(Stream.PROBE, scene.key.step).signs(k, (*shape[:2], 2 * shape[2]), np.float64)
        return cls(scene, scene.key.normal(k, shape, np.float64)[0], probe[0])

    @property
    def x(self) -> Array:
        return np.asarray(self.scene.x[0, 0])

    def _net(self, p: Mapping[str, Any], x: Array) -> Array:
        layers = [p[name] for name in sorted(p, key=int)]
        for i, layer in enumerate(layers):
            x = np.einsum("oi,...i->...o", layer["w"][0], x) + layer["b"][0]
            x = FUNCTIONS[self.scene.activation](x) if i + 1 < len(layers) else x
        return x

    def q(self, phi: Array, x: Array) -> tuple[Array, Array]:
        """Compute mean and standard deviation, ``(N, Z)``."""
        mu, rho = np.split(self._net(self.scene.model.encoder_part(phi), x), 2, axis=-1)
        return mu, FUNCTIONS[self.scene.model.posterior.scale](rho)

    def place(self, phi: Array) -> Array:
        mu, s = self.q(phi, self.x)
        return np.asarray(mu + s * self.eps)

    def g(self, theta: Array, z: Array) -> Array:
        mean = self._net(self.scene.model.decoder_part(theta), z)
        sigmoid = len(self.scene.model.decoder.layers) % 2 == 0  # type: ignore[attr-defined]
        return (1 + np.tanh(mean / 2)) / 2 if sigmoid else mean

    def gamma(self, theta: Array) -> float:
        return float(np.exp(2 * self.scene.model.log_sd(theta)[0]))

    def log_q(self, phi: Array, z: Array, x: Array) -> Array:
        mu, s = self.q(phi, x)
        return np.asarray(np.sum(-((z - mu) ** 2) / (2 * s**2) - np.log(s) - np.log(2 * np.pi) / 2, -1))

    def log_p(self, theta: Array, z: Array, x: Array) -> Array:
        """Compute the log-density ``log p(x, z)``."""
        gamma, g = self.gamma(theta), self.g(theta, z)
        prior = np.sum(-(z**2) / 2 - np.log(2 * np.pi) / 2, axis=-1)
        likelihood = np.sum(-((x - g) ** 2) / (2 * gamma) - np.log(2 * np.pi * gamma) / 2, axis=-1)
        return np.asarray(prior + likelihood)

    def s_p(self, theta: Array, z: Array) -> Array:
        """Compute ``grad_x log p(x|z)``, ``(S, N, D)``."""
        return gradient(lambda x: self.log_p(theta, z, x), np.broadcast_to(self.x, (len(z), *self.x.shape)))

    def s_q(self, phi: Array, z: Array) -> Array:
        """Compute ``grad_x log q(z|x)`` at fixed z."""
        return gradient(lambda x: self.log_q(phi, z, x), np.broadcast_to(self.x, (len(z), *self.x.shape)))

    def divergence(self, theta: Array) -> float:
        return -float(self.x.shape[-1]) / self.gamma(theta)

    # Each loss is a function of (phi, theta, z): z is ``place(phi)``, or fixed.

    def elbo(self, phi: Array, theta: Array, z: Array) -> float:
        mu, s = self.q(phi, self.x)
        kl = np.sum((mu**2 + s**2 - 1) / 2 - np.log(s), axis=-1).mean()
        prior = np.sum(-(z**2) / 2 - np.log(2 * np.pi) / 2, axis=-1)
        return float(kl - (self.log_p(theta, z, self.x) - prior).mean())

    def m1(self, phi: Array, theta: Array, z: Array) -> float:
        return float(np.mean(np.sum(self.s_p(theta, z) ** 2, -1) / 2)) + self.divergence(theta)

    def squared_mean(self, v: Array, estimator: str) -> float:
        """Estimate ``|E_q v|^2`` from S samples, mean over the batch."""
        if estimator == "biased":
            return float(np.mean(np.sum(v.mean(0) ** 2, -1)))
        different = [(i, j) for i, j in product(range(len(v)), repeat=2) if i != j]
        return float(np.mean([np.sum(v[i] * v[j], -1).mean() for i, j in different]))

    def m2(self, estimator: str) -> Callable[[Array, Array, Array], float]:
        def loss(phi: Array, theta: Array, z: Array) -> float:
            s_p = self.s_p(theta, z)
            square = float(np.mean(np.sum(s_p**2, -1)))
            return square + self.divergence(theta) - self.squared_mean(s_p, estimator) / 2

        return loss

    def m3(self, estimator: str, baseline: str) -> Callable[[Array, Array, Array], float]:
        def loss(phi: Array, theta: Array, z: Array) -> float:
            s_p, s_q = self.s_p(theta, z), self.s_q(phi, z)
            rows = range(len(s_p)) if baseline == "leave-one-out" else ()
            others = [np.delete(s_p, i, axis=0).mean(0) for i in rows]
            cross = np.sum(s_q * (s_p - (np.stack(others) if others else 0)), -1).mean()
            return float(cross) + self.divergence(theta) + self.squared_mean(s_p, estimator) / 2

        return loss

    def m2_as_published(self, phi: Array, theta: Array, z: Array) -> float:
        s_p = self.s_p(theta, z)
        each = [(s**2).sum(-1).mean() - (s.mean(0) ** 2).sum() / 2 for s in s_p]
        return float(np.mean(each)) + self.divergence(theta)

    def m3_as_published(self, phi: Array, theta: Array, z: Array) -> float:
        log_s = gradient(lambda x: np.sum(np.log(self.q(phi, x)[1]), -1), self.x)
        each = [(s.mean(0) ** 2).sum() / 2 - (log_s * s).sum(-1).mean() for s in self.s_p(theta, z)]
        return float(np.mean(each)) + self.divergence(theta)

    def posterior_fisher(self, phi: Array, theta: Array, z: Array) -> float:
        d = gradient(lambda z: self.log_q(phi, z, self.x) - self.log_p(theta, z, self.x), z)
        return float(np.mean(np.sum(d**2, -1) / 2))

    def covariance_fisher(self, phi: Array, theta: Array, z: Array) -> float:
        """Compute the divergence weighted by the covariance of q at the scene's phi."""
        d = gradient(lambda z: self.log_q(phi, z, self.x) - self.log_p(theta, z, self.x), z)
        return float(np.mean(np.sum((self.q(self.scene.phi, self.x)[1] * d) ** 2, -1) / 2))

    def joint_fisher(self, phi: Array, theta: Array, z: Array) -> float:
        score_norm = float(np.mean(np.sum(self.s_q(phi, z) ** 2, -1) / 2))
        return self.posterior_fisher(phi, theta, z) + self.m1(phi, theta, z) + score_norm

    def probe_norm(self, phi: Array, signs: Array) -> Array:
        """Compute ``|sum_i eta_i grad mu_i / s_i + sqrt(2) eta'_i grad log s_i|^2 / 2``, ``(..., N)``."""
        _, s = self.q(phi, self.x)
        mean = gradient(lambda x: self.q(phi, x)[0], self.x)  # (N, Z, D)
        log_s = gradient(lambda x: np.log(self.q(phi, x)[1]), self.x)
        u, w = np.split(signs, 2, axis=-1)
        score = np.einsum("...nz,nzd->...nd", u / s, mean)
        score = score + np.sqrt(2) * np.einsum("...nz,nzd->...nd", w, log_s)
        return np.asarray(np.sum(score**2, -1) / 2)

    def joint_fisher_probe(self, phi: Array, theta: Array, z: Array) -> float:
        rest = self.posterior_fisher(phi, theta, z) + self.m1(phi, theta, z)
        return rest + float(self.probe_norm(phi, self.signs).mean())


Loss = Callable[[Textbook], Callable[[Array, Array, Array], float]]

LEARNING: dict[str, tuple[Objective, Loss]] = {
    "elbo": (ELBO(S), lambda t: t.elbo),
    "m1": (M1(S), lambda t: t.m1),
    "m2 biased": (M2(S), lambda t: t.m2("biased")),
    "m2 u": (M2(S, estimator="u-statistic"), lambda t: t.m2("u-statistic")),
    "m3 biased": (M3(S), lambda t: t.m3("biased", "none")),
    "m3 u": (M3(S, estimator="u-statistic"), lambda t: t.m3("u-statistic", "none")),
    "m3 biased loo": (M3(S, baseline="leave-one-out"), lambda t: t.m3("biased", "leave-one-out")),
    "m3 u loo": (
        M3(S, estimator="u-statistic", baseline="leave-one-out"),
        lambda t: t.m3("u-statistic", "leave-one-out"),
    ),
    "m3 one sample": (M3(1), lambda t: t.m3("biased", "none")),
    "m2 as published": (M2AsPublished(S), lambda t: t.m2_as_published),
    "m3 as published": (M3AsPublished(S), lambda t: t.m3_as_published),
}  # fmt: skip
JOINT: dict[str, tuple[Objective, Loss]] = {
    "joint": (JointFisher(S), lambda t: t.joint_fisher),
    "joint z fixed": (JointFisher(S, reparametrised=False), lambda t: t.joint_fisher),
    "joint probe": (JointFisher(S, score_norm="probe"), lambda t: t.joint_fisher_probe),
    "joint probe z fixed": (
        JointFisher(S, reparametrised=False, score_norm="probe"), lambda t: t.joint_fisher_probe
    ),
}  # fmt: skip
INFERENCE: dict[str, tuple[Objective, Loss]] = {
    "kl": (KL(S), lambda t: t.elbo),
    "fisher": (PosteriorFisher(S, reparametrised=True), lambda t: t.posterior_fisher),
    "fisher z fixed": (PosteriorFisher(S), lambda t: t.posterior_fisher),
    "fisher z fixed covariance": (
        PosteriorFisher(S, fisher_weight="covariance"),
        lambda t: t.covariance_fisher,
    ),
    "fisher doubled": (
        PosteriorFisher(S, reparametrised=True, weight=2.0),
        lambda t: lambda phi, theta, z: 2 * t.posterior_fisher(phi, theta, z),
    ),
}
EVERY = {**LEARNING, **JOINT, **INFERENCE}


def check_gradient(actual: Array, loss: Callable[[Array], float], at: Array, seed: int) -> None:
    """Check that ``<gradient, direction>`` is the derivative of the loss along one random unit direction."""
    (along,) = direction(np.random.default_rng(seed), at)
    numeric = derivative(lambda t: np.asarray(loss(moved(at, t, along))))
    agree(inner(actual, along), numeric, DERIVATIVE, scale=norm(actual))


@pytest.mark.parametrize("name", EVERY)
@few
@given(scene=scenes())
def test_loss_is_its_equation_and_gradients_are_its_derivatives(k: Kernels, name: str, scene: Scene) -> None:
    objective, equation = EVERY[name]
    textbook = Textbook.of(k, scene, objective.samples)
    loss = equation(textbook)
    z = textbook.place(scene.phi)
    outcome = objective(k, *scene.arguments())

    size = sum(norm(term) for term in outcome.terms.values())
    agree(outcome.loss, loss(scene.phi, scene.theta, z), 1e-11, scale=size)
    agree(outcome.loss, sum(outcome.terms.values()))

    assert (outcome.g_theta is None) == (name in INFERENCE)
    assert (outcome.g_phi is None) == (name in LEARNING)
    if outcome.g_theta is not None:
        check_gradient(outcome.g_theta, lambda theta: loss(scene.phi, theta, z), scene.theta, 1)
    if outcome.g_phi is not None:
        held = "z fixed" in name
        check_gradient(
            outcome.g_phi,
            lambda phi: loss(phi, scene.theta, z if held else textbook.place(phi)), scene.phi, 2
        )  # fmt: skip


# --- gamma ----------------------------------------------------------------------------------------

WITH_GAMMA = LEARNING | JOINT


def at_log_sd(scene: Scene, log_sd: Array) -> Scene:
    """Copy the scene with another l."""
    theta = scene.theta.copy()
    scene.model.log_sd(theta)[:] = log_sd
    return replace(scene, theta=theta)


@pytest.mark.parametrize("name", WITH_GAMMA)
@few
@given(scene=scenes())
def test_fixed_gamma_has_no_gradient_and_changes_nothing_else(k: Kernels, name: str, scene: Scene) -> None:
    objective: Any = WITH_GAMMA[name][0]
    learned = replace(objective, gamma=LearnedGamma())(k, *scene.arguments())
    fixed = replace(objective, gamma=FixedGamma())(k, *scene.arguments())
    log_sd = scene.model.log_sd
    assert log_sd(fixed.g_theta) == 0
    assert log_sd(learned.g_theta) != 0
    log_sd(learned.g_theta)[:] = 0
    np.testing.assert_array_equal(fixed.g_theta, learned.g_theta)
    np.testing.assert_array_equal(fixed.loss, learned.loss)
    assert fixed.gamma is None
    assert fixed.g_phi is None or np.array_equal(fixed.g_phi, learned.g_phi)


def biased(objective: Any) -> Any:
    """Build the estimator from which the optimal gamma is computed."""
    return replace(objective, estimator="biased") if hasattr(objective, "estimator") else objective


@pytest.mark.parametrize("name", WITH_GAMMA)
@settings(few, max_examples=6)
@given(scene=scenes())
def test_optimal_gamma_minimises_the_loss(k: Kernels, name: str, scene: Scene) -> None:
    objective: Any = WITH_GAMMA[name][0]
    optimal = replace(objective, gamma=OptimalGamma(floor=1e-12))(k, *scene.arguments())

    # The loss, gradients and reported l belong together, and l itself gets no gradient.
    there = at_log_sd(scene, optimal.gamma.log_sd)
    fixed = replace(objective, gamma=FixedGamma())(k, *there.arguments())
    agree((optimal.loss, optimal.g_theta, optimal.g_phi), (fixed.loss, fixed.g_theta, fixed.g_phi))

    def loss(log_sd: float) -> float:
        return float(biased(objective)(k, *at_log_sd(scene, np.array([log_sd])).arguments()).loss[0])

    if optimal.gamma.kept[0]:
        np.testing.assert_array_equal(optimal.gamma.log_sd, scene.model.log_sd(scene.theta))
        losses = [loss(log_sd) for log_sd in np.linspace(-3, 6, 10)]
        assert all(np.diff(losses) < 0), "a loss without minimum falls for ever as gamma grows"
    else:
        best = float(optimal.gamma.log_sd[0])
        found = minimize_scalar(loss, bracket=(best - 1.0, best + 0.7), tol=1e-10)
        assert abs(found.x - best) < 1e-6
        assert loss(best) <= min(loss(best - 1e-3), loss(best + 1e-3))
        slope = biased(objective)(k, *there.arguments()).g_theta

        def at(t: float) -> Array:
            moved = at_log_sd(scene, optimal.gamma.log_sd + t)
            return scene.model.log_sd(biased(objective)(k, *moved.arguments()).g_theta)

        curvature = derivative(at)
        agree(scene.model.log_sd(slope), 0.0, 1e-11, scale=norm(curvature))


def test_optimal_gamma_at_the_edges() -> None:
    log_sd = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    a = np.array([8.0, 1e-9, -1.0, 5.0, 5.0, 5.0])
    b = np.array([2.0, 1.0, 1.0, 0.0, -1.0, np.nan])
    choice = OptimalGamma(floor=1e-4).choose(log_sd, a, b)
    chosen, kept = choice.log_sd, choice.kept
    np.testing.assert_array_equal(kept, [False, False, False, True, True, True])
    np.testing.assert_allclose(np.exp(2 * chosen[:3]), [4.0, 1e-4, 1e-4], rtol=1e-14)
    np.testing.assert_array_equal(chosen[3:], log_sd[3:])


def test_without_an_optimum_only_that_model_keeps_gamma(k: Kernels) -> None:
    """div r > d_x in the first model, < d_x in the others; the floor binds in the third."""
    model = GaussianVAE(Chain((Dense(2, 4),)), Chain((Dense(2, 2),)), DiagonalGaussian(2), 2)
    base = scene(model, "tanh", 0, models=3)
    for r, gain in enumerate((1.5, 0.5, 0.9)):
        encoder, decoder = model.encoder_part(base.phi)["0"], model.decoder_part(base.theta)["0"]
        encoder["w"][r] = np.concatenate([np.eye(2), np.zeros((2, 2))])
        encoder["b"][r] = 0
        decoder["w"][r], decoder["b"][r] = gain * np.eye(2), 0
    key = nodes(sigma_points(2)[None, :, None, :].repeat(3, axis=0))
    square = np.mean(np.sum(base.x**2, -1))
    floor = 0.1 * square
    outcome = M3(4, OptimalGamma(floor))(k, model, base.phi, base.theta, base.x, key)
    assert outcome.gamma is not None
    np.testing.assert_array_equal(outcome.gamma.kept, [True, False, False])
    assert outcome.gamma.log_sd[0] == model.log_sd(base.theta)[0]
    expected = [0.5**2 * square / (2 - 2 * 0.5), floor]  # |x - r|^2 / (d_x - div r)
    np.testing.assert_allclose(np.exp(2 * outcome.gamma.log_sd[1:]), expected, rtol=1e-12)


def test_the_floor_binds(k: Kernels) -> None:
    s = scene(GaussianVAE.mlp(3, 2, (4,), "tanh"), "tanh", 1)
    free = ELBO(S, OptimalGamma())(k, *s.arguments())
    assert free.gamma is not None
    gamma = float(np.exp(2 * free.gamma.log_sd[0]))
    bound = ELBO(S, OptimalGamma(floor=2 * gamma))(k, *s.arguments())
    assert bound.gamma is not None
    np.testing.assert_allclose(np.exp(2 * bound.gamma.log_sd), 2 * gamma, rtol=1e-14)
    assert not bound.gamma.kept.any()


# --- ensembles and purity -------------------------------------------------------------------------


def _fetch(outcome: Any, field: str) -> Any:
    value: Any = outcome
    for name in field.split("."):
        value = None if value is None else getattr(value, name)
    return value


@pytest.mark.parametrize("gamma", [LearnedGamma(), OptimalGamma()], ids=["learned", "optimal"])
@pytest.mark.parametrize("name", EVERY)
@settings(few, max_examples=6)
@given(scene=scenes(models=3))
def test_models_are_independent_and_inputs_stay(k: Kernels, name: str, gamma: Any, scene: Scene) -> None:
    objective: Any = EVERY[name][0]
    objective = replace(objective, gamma=gamma) if name in WITH_GAMMA else objective
    before = scene.phi.copy(), scene.theta.copy(), scene.x.copy()
    together = objective(k, *scene.arguments())
    for r in range(3):
        single = objective(k, *scene.only(r).arguments())
        for field in ("loss", "terms", "g_phi", "g_theta", "gamma.log_sd", "gamma.kept", "gamma.floored"):
            one, all_ = (_fetch(outcome, field) for outcome in (single, together))
            assert (one is None) == (all_ is None)
            for term in one if field == "terms" else ():
                agree(all_[term][r : r + 1], one[term], scale=sum(norm(v) for v in one.values()))
            if field == "loss":
                agree(all_[r : r + 1], one, scale=sum(norm(v) for v in single.terms.values()))
            elif field != "terms" and one is not None:
                agree(all_[r : r + 1] * 1.0, one * 1.0, 1e-11)
    agree((scene.phi, scene.theta, scene.x), before, tolerance=0.0)


@pytest.mark.parametrize("name", EVERY)
def test_the_key_decides(k: Kernels, name: str) -> None:
    """The same key gives the same bits; another step or seed gives another loss."""
    objective = EVERY[name][0]
    s = scene(GaussianVAE.mlp(2, 2, (3,), "tanh"), "tanh", 2)
    model, phi, theta, x, key = s.arguments()
    keys = (key, key, replace(key, step=key.step + 1), replace(key, seeds=(key.seeds[0] + 1,)))
    first, again, later, other = (objective(k, model, phi, theta, x, one).loss[0] for one in keys)
    assert first == again
    assert len({first, later, other}) == 3


@pytest.mark.parametrize(
    ("part", "kept"), [(JointFisherLearning, "g_theta"), (JointFisherInference, "g_phi")]
)
def test_half_of_the_joint_divergence(k: Kernels, part: Any, kept: str) -> None:
    s = scene(GaussianVAE.mlp(2, 2, (3,), "tanh"), "tanh", 3)
    whole, half = JointFisher(S)(k, *s.arguments()), part(S)(k, *s.arguments())
    np.testing.assert_array_equal(half.loss, whole.loss)
    np.testing.assert_array_equal(getattr(half, kept), getattr(whole, kept))
    assert getattr(half, "g_phi" if kept == "g_theta" else "g_theta") is None


def test_one_sample_has_no_other(k: Kernels) -> None:
    s = scene(GaussianVAE.mlp(2, 2, (3,), "tanh"), "tanh", 3)
    with pytest.raises(ConfigError, match="needs at least 2 posterior samples"):
        M3(1, baseline="leave-one-out")
    for alone in (M2, M3):
        with pytest.raises(ConfigError, match="needs at least 2 posterior samples"):
            alone(1, estimator="u-statistic")(k, *s.arguments())


# --- expectations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [2, 3])
@pytest.mark.parametrize("baseline", ["none", "leave-one-out"])
def test_estimators_have_the_expectations_they_claim(k: Kernels, samples: int, baseline: Any) -> None:
    """Over all S-tuples of a discrete q: the u-statistic and the baseline are exactly unbiased."""
    grid, weight = gauss_hermite(1, 4)
    eps, probability = draws_of(grid, weight, samples)
    s = scene(GaussianVAE.mlp(3, 1, (4,), "tanh"), "tanh", 4)
    model, phi, theta, x, _ = s.arguments()
    phi, theta = phi.repeat(len(eps), 0), theta.repeat(len(eps), 0)

    def expected(objective: Objective) -> tuple[float, Array]:
        outcome = objective(k, model, phi, theta, x, nodes(eps))
        assert outcome.g_theta is not None
        return float(probability @ outcome.loss), probability @ outcome.g_theta

    # B, T and D of the discrete q itself, and the gradient of their combination.
    textbook = Textbook(s, grid[:, None, :].repeat(x.shape[2], 1), np.empty(0))
    z = textbook.place(s.phi)
    s_q = textbook.s_q(s.phi, z)

    def exact(theta: Array, c: float, delta: float) -> float:
        mean = np.einsum("s,snd->nd", weight, textbook.g(theta, z))
        b = np.sum((textbook.x - mean) ** 2, -1).mean()
        t = (weight @ np.sum((textbook.g(theta, z) - mean) ** 2, -1)).mean()
        d = (weight @ np.sum(s_q * textbook.g(theta, z), -1)).mean()
        gamma = textbook.gamma(theta)
        return float((b + c * t) / (2 * gamma**2) - (textbook.x.shape[-1] - delta * d) / gamma)

    claims: list[tuple[Objective, float, float]] = [
        (M1(samples), 1, 0),
        (M2(samples, estimator="u-statistic"), 2, 0),
        (M2(samples), 2 - 1 / samples, 0),
        (M3(samples, estimator="u-statistic", baseline=baseline), 0, 1),
        (M3(samples, baseline=baseline), 1 / samples, 1),
    ]
    for objective, c, delta in claims:
        loss, g_theta = expected(objective)
        agree(loss, exact(s.theta, c, delta), 1e-11)
        check_gradient(g_theta[None], partial(exact, c=c, delta=delta), s.theta, 5)


def test_the_probe_has_the_mean_of_the_score_norm(k: Kernels) -> None:
    """Over all signs: ``E_q|s^q|^2 = sum |grad mu|^2/s^2 + 2 sum |grad log s|^2``, as is q's own mean."""
    s = scene(GaussianVAE.mlp(3, 2, (4,), "tanh", "softplus"), "tanh", 6)
    grid, weight = gauss_hermite(2, 4)
    textbook = Textbook(s, grid[:, None, :].repeat(s.x.shape[2], 1), np.empty(0))
    signs = np.array(list(product((1.0, -1.0), repeat=4)))[:, None, :]
    over_z = weight @ np.sum(textbook.s_q(s.phi, textbook.place(s.phi)) ** 2 / 2, -1).mean(-1)
    over_signs = textbook.probe_norm(s.phi, signs).mean()
    agree(over_signs, over_z)

    model, phi, theta, x, _ = s.arguments()
    r = len(grid)
    outcome = JointFisher(1)(k, model, phi.repeat(r, 0), theta.repeat(r, 0), x, nodes(grid[:, None, None, :]))
    agree(weight @ outcome.terms["score_norm"], over_signs)
