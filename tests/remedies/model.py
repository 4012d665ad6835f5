"""Situations of models, objectives and metrics in Python: their arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vsmnp
from vsmnp.metrics import (
    FeatureMoments,
    Subject,
    cubic_mmd,
    denoising_mse,
    frechet_distance,
    kernel_distance,
    moments_of,
)  # fmt: skip
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.networks.image_options import ImagePlan
from vsmnp.model.networks.mlp import mlp
from vsmnp.objectives.bilevel import Bilevel
from vsmnp.objectives.elbo import ELBO
from vsmnp.objectives.m3 import M3
from vsmnp.objectives.posterior_fisher import PosteriorFisher
from vsmnp.objectives.quadratic import squared_mean
from vsmnp.rng import Key
from vsmnp.runs.session import load_run
from vsmnp.types import Array

from .follow import Step, remedy, told
from .follow import vsmnp as command
from .options import IMAGES, more

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 2))
FEATURES = RNG.normal(size=(30, 3))


# --- networks -------------------------------------------------------------------------------------


@remedy("The widths of a network must be positive")
def a_network_without_a_width(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: mlp((2, 0, 2))
    yield lambda: mlp((2, 1, 2))


@remedy("is exp or softplus, not 'tanh'")
def a_scale_that_does_not_exist(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    name: Any = "tanh"
    yield lambda: DiagonalGaussian(2, name)
    yield lambda: DiagonalGaussian(2, "exp")
    yield lambda: DiagonalGaussian(2, "softplus")


@remedy("save them with 1 or 3 channels")
def pictures_of_two_channels(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: ImagePlan((2, 32, 32), 2, 2)
    for channels in (1, 3):
        yield lambda channels=channels: ImagePlan((channels, 32, 32), 2, 2)
        np.save("x.npy", RNG.integers(0, 256, (12, 32, 32, channels), dtype=np.uint8))
        yield command(*IMAGES, "--dataset", "x.npy")


@remedy("save smaller ones (--image-size 32 makes them if each is a file of its own)")
def pictures_above_the_size_of_a_network(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    from PIL import Image

    pixels = np.load("i70.npy")
    yield command(*IMAGES, "--dataset", "i70.npy")
    np.save("i64.npy", pixels[:, :64, :64])
    yield command(*IMAGES, "--dataset", "i64.npy")
    Path("pictures").mkdir()
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(f"pictures/{i}.png")
    yield command(*IMAGES, "--dataset", "pictures", "--image-size", "32")


# --- objectives -----------------------------------------------------------------------------------


def outcome(objective: Any, run: Any = "run") -> Step:
    """Return the step that computes the gradients of an objective."""
    return lambda: (load_run(run) if isinstance(run, str) else run).vae.outcome(objective, X)


@remedy("need --posterior gaussian")
def scores_of_binary_latents(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    chosen: dict[str, Any] = {"hidden": (3,), "steps": 1, "kernels": "reference"}
    yield outcome(M3(2), vsmnp.train("mixture", posterior="bernoulli", objective="m1", **chosen))
    yield outcome(M3(2), vsmnp.train("mixture", posterior="gaussian", objective="m1", **chosen))
    yield command(*more("--posterior", "gaussian", "--objective", "m3"))


@remedy("raise --samples")
def a_baseline_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: M3(1, baseline="leave-one-out")
    yield lambda: M3(2, baseline="leave-one-out")


@remedy("raise --samples or use biased")
def a_u_statistic_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: squared_mean("u-statistic", 1)
    yield lambda: squared_mean("u-statistic", 2)
    yield lambda: squared_mean("biased", 1)


@remedy("use --inference fisher")
def a_weight_where_z_moves(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: PosteriorFisher(2, reparametrised=True, fisher_weight="covariance")
    yield outcome(PosteriorFisher(2, fisher_weight="covariance"))
    yield command(*more("--inference", "fisher", "--fisher-weight", "covariance"))


@remedy("need third derivatives: use fisher")
def bilevel_updates_where_z_moves(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    lr = np.array([1e-9])
    yield outcome(Bilevel(PosteriorFisher(1, reparametrised=True), ELBO(1), 1, lr))
    yield outcome(Bilevel(PosteriorFisher(1), ELBO(1), 1, lr))


# --- metrics --------------------------------------------------------------------------------------


def subject(x: Array = X, seeds: tuple[int, ...] = (0,)) -> Subject:
    """Return the run's model and the data on which it is measured."""
    vae = load_run("run").vae
    return Subject(vae.k, vae.model, vae.phi, vae.theta, x, Key(seeds))


@remedy("has the shape (N, 2), N > 0, not (8, 3)")
def test_data_of_other_columns(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: subject(np.zeros((8, 3)))
    yield lambda: subject(np.zeros((8, 2)))


@remedy("of 1 models needs as many seeds")
def seeds_of_other_models(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: subject(seeds=(0, 1))
    yield lambda: subject(seeds=(0,))


@remedy("must be at least 1, not 0")
def no_draw_of_the_prior(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: load_run("run").vae.log_prob(X, draws=0)
    yield lambda: load_run("run").vae.log_prob(X, draws=1)


@remedy("must not be negative")
def negative_noise(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: denoising_mse(subject(), -0.1)
    yield lambda: denoising_mse(subject(), 0.1)


@remedy("needs 1 seed or as many")
def noise_of_other_models(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: denoising_mse(subject(), 0.1, Key((0, 1)))
    yield lambda: denoising_mse(subject(), 0.1, Key((0,)))


@remedy("needs at least 2 samples on either side")
def a_discrepancy_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: cubic_mmd(X[:1], X)
    yield lambda: cubic_mmd(X[:2], X)


@remedy("take both from one extractor")
def moments_of_other_features(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: frechet_distance(moments_of(FEATURES), moments_of(FEATURES[:, :2]))
    yield lambda: frechet_distance(moments_of(FEATURES), moments_of(FEATURES[:9]))


@remedy("take both from one extractor")
def a_kernel_of_other_features(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: kernel_distance(FEATURES, FEATURES[:, :2])
    yield lambda: kernel_distance(FEATURES, FEATURES[:9])


@remedy("needs at least 2 samples a side")
def a_kernel_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: kernel_distance(FEATURES[:1], FEATURES)
    yield lambda: kernel_distance(FEATURES[:2], FEATURES)


@remedy("needs at least 2 samples")
def a_covariance_of_one_sample(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: moments_of(FEATURES[:1])
    yield lambda: moments_of(FEATURES[:2])


@remedy("cannot be joined by some of (30, 2)")
def a_block_of_other_features(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: FeatureMoments(3).add(FEATURES[:, :2])
    yield lambda: FeatureMoments(3).add(FEATURES)


@remedy("the model or the extractor has diverged; use another")
def features_of_a_diverged_model(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield lambda: moments_of(np.where(FEATURES > 1, np.nan, FEATURES))
    yield lambda: moments_of(FEATURES)


@remedy("use another stream")
def more_steps_than_a_stream_has(patch: pytest.MonkeyPatch) -> Iterator[Step]:
    yield told(ValueError, lambda: Key((0,), 1, 2**32))
    yield told(ValueError, lambda: Key((0,), 1, 2**32 - 1).on(2))
