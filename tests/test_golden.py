"""Test the engine against ``golden/golden.h5``: gradients and trajectories by automatic differentiation.

The file holds numbers only; the calls of the engine are written down here. Parameters and
gradients are stored without padding, end to end in the order of the layout's slots. Normals of the fast
kernel sets agree with the reference to 1e-6 only, so every set is fed the reference's noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import product, starmap
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vsmnp import objectives
from vsmnp.kernels import load
from vsmnp.model.layout import Layout
from vsmnp.model.vae import GaussianVAE
from vsmnp.objectives import (
    ELBO,
    KL,
    M1,
    M2,
    M3,
    FixedGamma,
    GammaRule,
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
from vsmnp.rng import Key, Stream
from vsmnp.training.optimizers import optimizer
from vsmnp.types import Array, DType, Kernels, Shape

GOLDEN = Path(__file__).parent / "golden" / "golden.h5"
TOLERANCE = 1e-10

INFERENCE: dict[str, Callable[..., Objective]] = {
    "kl": KL,
    "fisher": PosteriorFisher,
    "fisher-reparametrised": partial(PosteriorFisher, reparametrised=True),
    "fisher-as-published": partial(PosteriorFisher, weight=2.0),
}
LEARNING: dict[str, Callable[..., Objective]] = {
    "elbo": ELBO,
    "m1": M1,
    "m2-biased": partial(M2, estimator="biased"),
    "m2-u-statistic": partial(M2, estimator="u-statistic"),
    "m3-biased-none": partial(M3, estimator="biased", baseline="none"),
    "m3-biased-leave-one-out": partial(M3, estimator="biased", baseline="leave-one-out"),
    "m3-u-statistic-none": partial(M3, estimator="u-statistic", baseline="none"),
    "m3-u-statistic-leave-one-out": partial(M3, estimator="u-statistic", baseline="leave-one-out"),
    "m2-as-published": M2AsPublished,
    "m3-as-published": M3AsPublished,
}
FISHER_AUTOENCODER: dict[str, dict[str, Any]] = {
    "fisher-autoencoder": {"reparametrised": True, "score_norm": "pathwise"},
    "fisher-autoencoder-z-fixed": {"reparametrised": False, "score_norm": "pathwise"},
    "fisher-autoencoder-probe": {"reparametrised": True, "score_norm": "probe"},
    "fisher-autoencoder-z-fixed-probe": {"reparametrised": False, "score_norm": "probe"},
}
GAMMA: dict[str, GammaRule] = {
    "learned": LearnedGamma(),
    "fixed": FixedGamma(),
    "optimal": OptimalGamma(),
    "floor": OptimalGamma(floor=10.0),
}
SMOOTH = ("tanh", "softplus", "elu", "sigmoid", "wide-latent")
SECOND_ORDER = ("fisher-reparametrised", *FISHER_AUTOENCODER)
SEVERAL_SAMPLES = tuple(name for name in LEARNING if "u-statistic" in name or "leave-one-out" in name)
OBJECTIVES = (*INFERENCE, *LEARNING, *FISHER_AUTOENCODER)


@dataclass(frozen=True)
class Case:
    """One recorded gradient: objective, architecture, number of samples, and update of gamma."""

    objective: str
    problem: str
    samples: int = 3
    gamma: str = "learned"

    def __str__(self) -> str:
        return f"{self.objective}-{self.problem}-s{self.samples}-{self.gamma}"

    def build(self) -> Objective:
        """Build the engine's objective of the case."""
        if self.objective in INFERENCE:
            return INFERENCE[self.objective](samples=self.samples)
        gamma = GAMMA[self.gamma]
        if self.objective in LEARNING:
            return LEARNING[self.objective](samples=self.samples, gamma=gamma)
        return JointFisher(samples=self.samples, gamma=gamma, **FISHER_AUTOENCODER[self.objective])


@dataclass(frozen=True)
class Run:
    """One trajectory: how the encoder and the decoder are trained."""

    inference: str
    learning: str
    encoder_optimizer: str = "adam"

    def __str__(self) -> str:
        return f"{self.inference}+{self.learning}+{self.encoder_optimizer}"

    def build(self, samples: int = 3) -> tuple[Objective, Objective]:
        """Build the engine's objectives for phi and for theta."""
        if self.inference in FISHER_AUTOENCODER:
            settings = FISHER_AUTOENCODER[self.inference]
            return JointFisherInference(samples, **settings), JointFisherLearning(samples, **settings)
        return INFERENCE[self.inference](samples=samples), LEARNING[self.learning](samples=samples)


def gradients() -> Iterator[Case]:
    """Yield every gradient that the file must contain."""
    yield from starmap(Case, product(OBJECTIVES, SMOOTH))
    yield from (Case(name, "tanh", 1) for name in OBJECTIVES if name not in SEVERAL_SAMPLES)
    yield from (Case(name, "relu") for name in OBJECTIVES if name not in SECOND_ORDER)
    trained = (*LEARNING, *FISHER_AUTOENCODER)
    yield from (Case(name, "tanh", 3, gamma) for name in trained for gamma in ("fixed", "optimal", "floor"))
    yield from (Case(name, "narrow", 3, "optimal") for name in ("m3-biased-none", "fisher-autoencoder"))


def trajectories() -> Iterator[Run]:
    """Yield every trajectory that the file must contain."""
    yield from starmap(Run, product(INFERENCE, LEARNING))
    yield from (Run(name, name) for name in FISHER_AUTOENCODER)
    yield from (Run(name, "m1", "sgd") for name in ("kl", "fisher", "fisher-reparametrised"))


@dataclass(frozen=True)
class ReferenceKey(Key):
    """A key whose normals are the reference's, for every kernel set."""

    def normal(self, k: Kernels, shape: Shape, dtype: DType, first: int = 0) -> Array:
        return k.asarray(super().normal(load("reference"), shape, dtype, first), dtype)

    def sample(self, k: Kernels, mu: Array, s: Array, samples: int, first: int = 0) -> Array:
        z: Array = mu + s * self.normal(k, (samples, *mu.shape[2:]), mu.dtype, first)
        return z


@pytest.fixture(scope="module")
def golden() -> Iterator[h5py.File]:
    with h5py.File(GOLDEN, "r") as file:
        yield file


#: The kernel sets that run on any host and belong to this tree.
HOST_SETS = [name for name in ("reference", "cpu") if find_spec(f"vsmnp.kernels.{name}")]


@pytest.fixture(scope="module", params=HOST_SETS)
def k(request: pytest.FixtureRequest) -> Kernels:
    return load(request.param)


def model_of(problem: h5py.Group) -> GaussianVAE:
    """Build the recorded architecture, after a check of the names and shapes of its parameters."""
    model = GaussianVAE.mlp(**json.loads(problem.attrs["architecture"]))
    for name, layout in {"phi_shapes": model.phi_layout, "theta_shapes": model.theta_layout}.items():
        on_record = [(slot, tuple(shape)) for slot, shape in json.loads(problem.attrs[name])]
        assert [(slot.name, slot.shape) for slot in layout.slots] == on_record
    return model


def pack(layout: Layout, flat: Array) -> Array:
    """Pack numbers laid end to end as a padded vector ``(1, P)``."""
    vector, start = np.zeros((1, layout.size)), 0
    for slot in layout.slots:
        vector[0, slot.start : slot.stop] = flat[start : start + slot.size]
        start += slot.size
    assert start == len(flat)
    return vector


def assert_close(actual: Array, truth: Array) -> None:
    """Check equality to 1e-10 of the largest entry of the truth, or of one."""
    assert np.shape(actual) == np.shape(truth)
    scale = max(1.0, float(np.abs(truth).max()))
    np.testing.assert_allclose(actual, truth, rtol=0, atol=TOLERANCE * scale)


@pytest.mark.parametrize("case", list(gradients()), ids=str)
def test_gradients(k: Kernels, golden: h5py.File, case: Case) -> None:
    problem, truth = golden[f"problems/{case.problem}"], golden[f"gradients/{case}"]
    model = model_of(problem)
    phi, theta = pack(model.phi_layout, problem["phi"][:]), pack(model.theta_layout, problem["theta"][:])
    stream = Stream.INFERENCE if case.objective in INFERENCE else Stream.LEARNING
    key = ReferenceKey((int(golden.attrs["seed"]),), stream, int(golden.attrs["key_step"]))

    x = k.asarray(problem["x"][0][None, None])
    found = case.build()(k, model, k.asarray(phi), k.asarray(theta), x, key)

    assert_close(k.to_host(found.loss), truth["loss"][()][None])
    terms = np.stack([k.to_host(term) for term in found.terms.values()])
    assert_close(terms.sum(0), truth["loss"][()][None])
    for name, layout in {"g_phi": model.phi_layout, "g_theta": model.theta_layout}.items():
        gradient = getattr(found, name)
        assert (gradient is None) == (name not in truth)
        if gradient is not None:
            assert_close(k.to_host(gradient), pack(layout, truth[name][:]))
    if "log_sd" in truth:
        assert found.gamma is not None
        assert_close(k.to_host(found.gamma.log_sd), truth["log_sd"][()][None])
        assert k.to_host(found.gamma.kept) == truth["gamma_kept"][()]


@pytest.mark.parametrize("run", list(trajectories()), ids=str)
def test_ten_step_trajectories(k: Kernels, golden: h5py.File, run: Run) -> None:
    truth = golden[f"trajectories/{run}"]
    problem = golden[f"problems/{truth.attrs['problem']}"]
    model, seeds = model_of(problem), (int(golden.attrs["seed"]),)
    phi = k.asarray(pack(model.phi_layout, problem["phi"][:]))
    theta = k.asarray(pack(model.theta_layout, problem["theta"][:]))
    encoder, decoder = optimizer(run.encoder_optimizer), optimizer("adam")
    encoder_memory, decoder_memory = encoder.remember(k, phi), decoder.remember(k, theta)
    lr, active = k.asarray([float(golden.attrs["learning_rate"])]), k.asarray([True])
    inference, learning = run.build()
    steps, encoder_steps = len(problem["x"]), int(golden.attrs["encoder_steps"])
    losses = np.empty((steps, encoder_steps + 1))

    for t in range(steps):
        x = k.asarray(problem["x"][t][None, None])
        for j in range(encoder_steps):
            key = ReferenceKey(seeds, Stream.INFERENCE, t * encoder_steps + j)
            found = inference(k, model, phi, theta, x, key)
            assert found.g_phi is not None
            assert found.g_theta is None
            encoder.update(k, phi, found.g_phi, encoder_memory, lr, active)
            losses[t, j] = k.to_host(found.loss)[0]
        found = learning(k, model, phi, theta, x, ReferenceKey(seeds, Stream.LEARNING, t))
        assert found.g_theta is not None
        assert found.g_phi is None
        decoder.update(k, theta, found.g_theta, decoder_memory, lr, active)
        losses[t, -1] = k.to_host(found.loss)[0]

    assert_close(losses, truth["losses"][:])
    assert_close(k.to_host(phi), pack(model.phi_layout, truth["phi"][:]))
    assert_close(k.to_host(theta), pack(model.theta_layout, truth["theta"][:]))


def test_the_file_holds_exactly_these_cases(golden: h5py.File) -> None:
    assert sorted(golden["gradients"]) == sorted(map(str, gradients()))
    assert sorted(golden["trajectories"]) == sorted(map(str, trajectories()))


def test_every_exported_objective_and_gamma_rule_has_a_case() -> None:
    built: list[object] = [case.build() for case in gradients()]
    built += [objective for run in trajectories() for objective in run.build()]
    built += GAMMA.values()
    words = {"Objective", "Outcome", "GammaRule"}  # components of objectives, not objectives
    assert {type(item).__name__ for item in built} == set(objectives.__all__) - words


def test_the_truth_is_in_double_precision(golden: h5py.File) -> None:
    arrays: list[h5py.Dataset] = []
    golden.visititems(lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
    assert {str(array.dtype) for array in arrays} == {"float64", "bool"}
