"""Test bi-level updates against ``golden/golden_bilevel.h5``: hypergradients by automatic differentiation.

The problems are those of ``golden.h5``; every kernel set is fed the reference's noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from test_golden import GOLDEN, HOST_SETS, LEARNING, ReferenceKey, assert_close, model_of, pack

from vsmnp.kernels import load
from vsmnp.objectives import KL, PosteriorFisher
from vsmnp.objectives.bilevel import Bilevel
from vsmnp.rng import Stream
from vsmnp.training.optimizers import SGD, Adam
from vsmnp.types import Kernels

RECORD = Path(__file__).parent / "golden" / "golden_bilevel.h5"
INFERENCE: dict[str, Any] = {
    "kl": KL, "fisher": PosteriorFisher,
    "fisher-covariance": partial(PosteriorFisher, fisher_weight="covariance"),
}  # fmt: skip
M3 = "m3-u-statistic-leave-one-out"
OBJECTIVES = ("elbo", "m1", "m2-biased", "m2-u-statistic", "m3-biased-none", M3, "m2-as-published",
              "m3-as-published")  # fmt: skip
CASES = [
    *product(INFERENCE, OBJECTIVES, ["tanh"], [1, 3]),
    *product(INFERENCE, [M3], ["softplus", "elu", "sigmoid", "wide-latent"], [3]),
]
RUNS = [
    ("kl", "elbo"), ("kl", "m2-u-statistic"), ("kl", M3), ("fisher", "m1"), ("fisher", "m3-biased-none"),
    ("fisher-covariance", "m2-biased"),
]  # fmt: skip


@pytest.fixture(scope="module")
def golden() -> Iterator[h5py.File]:
    with h5py.File(RECORD, "r") as file:
        yield file


@pytest.fixture(scope="module")
def problems() -> Iterator[h5py.File]:
    with h5py.File(GOLDEN, "r") as file:
        yield file["problems"]


@pytest.fixture(scope="module", params=HOST_SETS)
def k(request: pytest.FixtureRequest) -> Kernels:
    return load(request.param)


def objectives(golden: h5py.File, inference: str, learning: str, steps: int) -> tuple[Any, Bilevel]:
    """Build the inference objective and the learning objective after K of its updates."""
    samples, lr = int(golden.attrs["samples"]), np.array([golden.attrs["learning_rate"]])
    inner = INFERENCE[inference](samples=samples)
    outer: Any = LEARNING[learning](samples=samples)
    return inner, Bilevel(inner, outer, steps, lr)


@pytest.mark.parametrize(("inference", "learning", "problem", "steps"), CASES)
def test_hypergradients(
    k: Kernels,
    golden: h5py.File,
    problems: h5py.Group,
    inference: str,
    learning: str,
    problem: str,
    steps: int,
) -> None:
    truth, given = golden[f"gradients/{inference}+{learning}-{problem}-k{steps}"], problems[problem]
    model = model_of(given)
    phi, theta = pack(model.phi_layout, given["phi"][:]), pack(model.theta_layout, given["theta"][:])
    key = ReferenceKey((int(golden.attrs["seed"]),), Stream.LEARNING, int(golden.attrs["key_step"]))
    _, objective = objectives(golden, inference, learning, steps)
    found = objective(k, model, phi, theta, given["x"][0][None, None], key)
    assert found.g_theta is not None
    assert_close(found.loss, truth["loss"][()][None])
    assert_close(found.g_theta, pack(model.theta_layout, truth["g_theta"][:]))


@pytest.mark.parametrize(("inference", "learning"), RUNS)
def test_ten_step_trajectories(
    k: Kernels, golden: h5py.File, problems: h5py.Group, inference: str, learning: str
) -> None:
    truth, given = golden[f"trajectories/{inference}+{learning}"], problems["tanh"]
    model, seeds = model_of(given), (int(golden.attrs["seed"]),)
    phi, theta = pack(model.phi_layout, given["phi"][:]), pack(model.theta_layout, given["theta"][:])
    inner, objective = objectives(golden, inference, learning, int(golden.attrs["bilevel_steps"]))
    encoder, decoder = SGD(), Adam()
    encoder_memory, decoder_memory = encoder.remember(k, phi), decoder.remember(k, theta)
    active, encoder_steps = np.array([True]), int(golden.attrs["encoder_steps"])
    losses = np.empty((len(given["x"]), encoder_steps + 1))
    for t in range(len(given["x"])):
        x = given["x"][t][None, None]
        for j in range(encoder_steps):
            key = ReferenceKey(seeds, Stream.INFERENCE, t * encoder_steps + j)
            found = inner(k, model, phi, theta, x, key)
            encoder.update(k, phi, found.g_phi, encoder_memory, objective.lr, active)
            losses[t, j] = found.loss[0]
        found = objective(k, model, phi, theta, x, ReferenceKey(seeds, Stream.LEARNING, t))
        decoder.update(k, theta, found.g_theta, decoder_memory, objective.lr, active)
        losses[t, -1] = found.loss[0]
    assert_close(losses, truth["losses"][:])
    assert_close(phi, pack(model.phi_layout, truth["phi"][:]))
    assert_close(theta, pack(model.theta_layout, truth["theta"][:]))


def test_the_file_holds_exactly_these_cases(golden: h5py.File) -> None:
    assert sorted(golden["gradients"]) == sorted(f"{i}+{m}-{name}-k{steps}" for i, m, name, steps in CASES)
    assert sorted(golden["trajectories"]) == sorted("+".join(run) for run in RUNS)
