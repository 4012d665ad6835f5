"""Test that the fused step of the ``cpu`` set is the composed one, for all losses, tiles and threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers

from vsmnp.data import Dataset
from vsmnp.kernels import load
from vsmnp.kernels.cpu.step import step
from vsmnp.kernels.cpu.step.plan import Update
from vsmnp.settings.resolve import dataset_of
from vsmnp.settings.settings import Settings
from vsmnp.training.info import Info
from vsmnp.training.state import FLAGS, State
from vsmnp.training.trainer import Trainer

K = load("cpu")
BASE: dict[str, Any] = {
    "dataset": "mixture", "dtype": "float64", "batch_size": 130, "hidden": (9, 7), "steps": 10,
    "seeds": (0, 2**63 - 5), "encoder_steps": 2, "sd_init": 0.1,
}  # fmt: skip
ROUNDING = 1e-12


@dataclass(frozen=True)
class Course:
    """The state and reports after some steps."""

    state: State
    infos: list[Info]

    def vectors(self) -> list[np.ndarray[Any, Any]]:
        state = self.state
        memories = [
            m for memory in (state.phi_memory, state.theta_memory) for m in (memory.m, memory.v, memory.t)
        ]
        return [state.phi, state.theta, *memories]


def course(fused: bool, data: Dataset | None = None, steps: int = 3, **settings: Any) -> Course:
    chosen = Settings(**{**BASE, **settings})
    trainer = Trainer.build(K, chosen, data or dataset_of(chosen), may_fuse=fused)
    assert (trainer.fused is not None) == fused
    state = trainer.initial_state()
    with np.errstate(all="ignore"):
        infos = [trainer.step(state) for _ in range(steps)]
    return Course(state, infos)


def agree(one: Course, other: Course, tolerance: float) -> None:
    for a, b in zip(one.vectors(), other.vectors(), strict=True):
        assert np.abs(a - b).max(initial=0) <= tolerance * np.abs(b).max(initial=0)
    for name in FLAGS:
        np.testing.assert_array_equal(getattr(one.state, name), getattr(other.state, name))
    assert one.state.step == other.state.step
    for a_info, b_info in zip(one.infos, other.infos, strict=True):
        assert a_info.causes() == b_info.causes()
        expected = b_info.report()
        for term, value in a_info.report().items():
            np.testing.assert_allclose(value, expected[term], rtol=100 * tolerance, atol=tolerance)


LEARNING: list[dict[str, Any]] = [
    {"objective": "elbo", "samples": 1},
    {"objective": "elbo", "samples": 3, "gamma": "optimal"},
    {"objective": "m1", "samples": 1, "gamma": "0.1"},
    {"objective": "m2", "samples": 3, "squared_mean": "biased", "gamma": "optimal"},
    {"objective": "m2", "samples": 2, "squared_mean": "u-statistic"},
    {"objective": "m3", "samples": 1},
    {"objective": "m3", "samples": 3, "squared_mean": "biased", "baseline": "none"},
    {"objective": "m3", "samples": 2, "gamma": "optimal"},
    {"objective": "m2", "samples": 1, "as_published": True},
    {"objective": "m2", "samples": 3, "as_published": True, "gamma": "optimal"},
    {"objective": "m3", "samples": 3, "as_published": True},
    {"objective": "m3", "samples": 2, "as_published": True, "gamma": "optimal"},
]
NETWORKS: list[dict[str, Any]] = [
    {"activation": "relu", "scale": "exp"},
    {"activation": "tanh", "scale": "softplus", "sigmoid_output": True},
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: str(network["activation"]))
@pytest.mark.parametrize("inference", ["kl", "fisher", "fisher-reparam"])
@pytest.mark.parametrize(
    "learning", LEARNING, ids=lambda learning: "-".join(str(v) for v in learning.values())
)
def test_a_fused_step_is_the_composed_one(
    learning: dict[str, Any], inference: str, network: dict[str, Any]
) -> None:
    settings = {**learning, "inference": inference, **network}
    agree(course(True, **settings), course(False, **settings), ROUNDING)


INNER: list[dict[str, Any]] = [
    {"inference": "kl"},
    {"inference": "fisher"},
    {"inference": "fisher", "fisher_weight": "covariance"},
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: str(network["activation"]))
@pytest.mark.parametrize("inner", INNER, ids=lambda inner: "-".join(inner.values()))
@pytest.mark.parametrize(
    "learning", LEARNING, ids=lambda learning: "-".join(str(v) for v in learning.values())
)
def test_with_bilevel_updates(
    learning: dict[str, Any], inner: dict[str, Any], network: dict[str, Any]
) -> None:
    settings = {**learning, **inner, **network, "bilevel_steps": 3, "bilevel_lr": 0.02}
    agree(course(True, **settings), course(False, **settings), ROUNDING)


@pytest.mark.parametrize(
    "settings",
    [
        {"inference": "fisher", "fisher_weight": "covariance", "samples": 1},
        {"bilevel_steps": 1, "bilevel_lr": 0.02, "seeds": (3,), "threads": 2, "batch_size": 1000},
        {"bilevel_steps": 2, "bilevel_lr": 0.02, "encoder_data": "fresh", "noise": 0.1, "latent": 3},
        {"bilevel_steps": 2, "bilevel_lr": 0.02, "hidden": (4, 33, 6), "batch_size": 7, "activation": "elu"},
        {
            "bilevel_steps": 2,
            "bilevel_lr": 0.02,
            "hidden": (5,),
            "optimizer": "sgd",
            "encoder_optimizer": "sgd",
        },
    ],
    ids=str,
)
def test_with_the_covariance_weight_and_bilevel_updates_of_any_shape(settings: dict[str, Any]) -> None:
    settings = {"objective": "m3", "samples": 2, **settings}
    agree(course(True, **settings), course(False, **settings), ROUNDING)


@pytest.mark.parametrize("activation", ["softplus", "elu", "sigmoid"])
@pytest.mark.parametrize("score_norm", ["pathwise", "probe"])
@pytest.mark.parametrize("inference", ["fisher", "fisher-reparam"])
def test_the_fisher_autoencoder_too(inference: str, score_norm: str, activation: str) -> None:
    settings: dict[str, Any] = {
        "objective": "fae", "inference": inference, "score_norm": score_norm, "activation": activation,
        "samples": 2 if activation == "elu" else 1, "scale": "softplus" if activation == "sigmoid" else "exp",
    }  # fmt: skip
    agree(course(True, **settings), course(False, **settings), ROUNDING)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "encoder_optimizer": "sgd", "encoder_data": "fresh", "encoder_steps": 3},
        {"noise": 0.1},
        {"latent": 3, "hidden": (5,)},
        {"hidden": (4, 33, 6), "batch_size": 7},
        {"dataset": "ring", "batch_size": 1000},
        {"as_published": True, "batch_size": 1000, "seeds": (3,), "threads": 2, "gamma": "optimal"},
        {"as_published": True, "hidden": (4, 33, 6), "batch_size": 7, "latent": 3, "activation": "elu"},
    ],
    ids=str,
)
def test_with_any_optimiser_data_and_shape(settings: dict[str, Any]) -> None:
    settings = {"objective": "m3", "samples": 2, **settings}
    agree(course(True, **settings), course(False, **settings), ROUNDING)


WEIGHTED: list[dict[str, Any]] = [
    {"objective": "elbo", "kl_weight": 4.0},
    {"objective": "m2", "kl_weight": 0.0, "samples": 2},
    {"objective": "elbo", "kl_weight": 0.5, "kl_warmup": 0.03, "gamma": "optimal", "samples": 2},
    {"objective": "m3", "kl_warmup": 0.03, "encoder_data": "fresh", "samples": 2},
    *(
        {"objective": objective, "samples": 2, "kl_weight": 3.0, "kl_warmup": 0.03, "bilevel_steps": 2}
        for objective in ("elbo", "m1", "m3")
    ),
]


@pytest.mark.parametrize("settings", WEIGHTED, ids=lambda settings: "-".join(map(str, settings.values())))
def test_with_a_weight_of_the_divergence(settings: dict[str, Any]) -> None:
    one, other = course(True, **settings), course(False, **settings)
    agree(one, other, ROUNDING)
    assert any(info.report()["inference.kl_weighting"].any() for info in one.infos)


def test_a_weight_of_one_leaves_every_bit() -> None:
    settings: dict[str, Any] = {"objective": "elbo", "samples": 2, "bilevel_steps": 2}
    one, grown = course(True, **settings), course(True, kl_weight=1.0, kl_warmup=1e-9, **settings)
    other = course(True, kl_weight=1.0, **settings)
    agree(one, other, 0.0)
    assert not np.array_equal(one.state.phi, grown.state.phi), "the first update of a warm-up has no weight"


@pytest.mark.parametrize("published", [False, True])
def test_in_float32_up_to_its_rounding(published: bool) -> None:
    settings: dict[str, Any] = {
        "objective": "m2", "samples": 3, "dtype": "float32", "optimizer": "sgd", "as_published": published,
    }  # fmt: skip
    agree(course(True, **settings), course(False, **settings), 1e-6)


#: Steps without bi-level updates, with them, and as published, where the encoder goes on from them.
BILEVEL: list[dict[str, Any]] = [{}, {"bilevel_steps": 2}, {"bilevel_steps": 2, "as_published": True}]


@pytest.mark.parametrize("bilevel", BILEVEL, ids=str)
@pytest.mark.parametrize("seeds", [(3,), (3, 1, 4)])
@pytest.mark.parametrize("gamma", ["learn", "optimal"])
def test_threads_do_not_show(seeds: tuple[int, ...], gamma: str, bilevel: dict[str, Any]) -> None:
    settings: dict[str, Any] = {
        "objective": "m3", "samples": 2, "batch_size": 1000, "seeds": seeds, "gamma": gamma, **bilevel,
    }  # fmt: skip
    agree(course(True, threads=2, **settings), course(True, threads=1, **settings), 0.0)


class FirstToComeTakesAll:
    """An executor whose work is done when it is submitted, or when its result is asked for."""

    def __init__(self, eager: bool) -> None:
        self.eager = eager

    def submit(self, function: Callable[..., object], *given: object) -> Any:
        if not self.eager:
            return SimpleNamespace(result=partial(function, *given))
        function(*given)
        return SimpleNamespace(result=lambda: None)


@pytest.mark.parametrize("bilevel", BILEVEL, ids=str)
@pytest.mark.parametrize("eager", [False, True])
def test_it_does_not_show_which_thread_takes_a_model(
    eager: bool, bilevel: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calling thread takes all models, or the other one does."""
    settings: dict[str, Any] = {"objective": "m2", "samples": 2, "seeds": tuple(range(5)), **bilevel}
    alone, took, models = course(True, threads=1, **settings), set(), Update.models
    monkeypatch.setattr(step.CpuStep, "_pool", FirstToComeTakesAll(eager))

    def noted(self: Update, which: int, thread: int, *given: Any) -> None:
        took.add(thread)
        models(self, which, thread, *given)

    monkeypatch.setattr(Update, "models", noted)
    agree(course(True, threads=2, **settings), alone, 0.0)
    assert took == {int(eager)}


@given(models=integers(1, 2000), threads=integers(1, 64))
def test_the_queue_has_every_model_once(models: int, threads: int) -> None:
    ranges = list(step._ranges(models, threads))
    assert [r for first, end in ranges for r in range(first, end)] == list(range(models))
    assert threads == 1 or ranges[0] == (0, max(1, models // (2 * threads)))
    assert threads == 1 or ranges[-1] == (models - 1, models)


@pytest.mark.parametrize("bilevel", BILEVEL, ids=str)
def test_an_ensemble_is_its_members_to_the_last_bit(bilevel: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"objective": "m2", "inference": "fisher", "samples": 2, **bilevel}
    together = course(True, seeds=(5, 8), **settings)
    for r, seed in enumerate((5, 8)):
        alone = course(True, seeds=(seed,), **settings)
        for a, b in zip(together.vectors(), alone.vectors(), strict=True):
            np.testing.assert_array_equal(a[r], b[0])


@pytest.mark.parametrize(
    "inference", [{"inference": "kl"}, {"inference": "fisher"}, {"kl_weight": 2.0}], ids=str
)
@pytest.mark.parametrize("side", ["encoder_lr", "lr"])
def test_a_model_diverges_by_the_same_cause(side: str, inference: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"objective": "elbo", **inference, side: 1e200, "samples": 1}
    one, other = course(True, steps=4, **settings), course(False, steps=4, **settings)
    assert not one.state.active.any()
    for name in FLAGS:
        np.testing.assert_array_equal(getattr(one.state, name), getattr(other.state, name))


@pytest.mark.parametrize("kl_weight", [1.0, 2.0])
@pytest.mark.parametrize("size", [1e30, 1e200])
@pytest.mark.parametrize("inference", ["kl", "fisher"])
@pytest.mark.parametrize("published", [False, True])
def test_updates_that_are_not_finite_end_a_model_by_the_same_cause(
    published: bool, inference: str, size: float, kl_weight: float
) -> None:
    settings: dict[str, Any] = {
        "objective": "m2", "samples": 2, "bilevel_steps": 3, "bilevel_lr": size, "activation": "softplus",
        "as_published": published, "inference": inference,
        **({"kl_weight": kl_weight} if inference == "kl" else {}),
    }  # fmt: skip
    one, other = course(True, **settings), course(False, **settings)
    assert not one.state.active.any()
    assert np.isfinite(one.state.phi).all()  # that before the updates
    for name in FLAGS:
        np.testing.assert_array_equal(getattr(one.state, name), getattr(other.state, name))


def test_a_large_network_is_left_to_blas() -> None:
    chosen = Settings(**{**BASE, "hidden": (500, 500)})
    trainer = Trainer.build(K, chosen, dataset_of(chosen))
    assert trainer.spec is not None
    assert trainer.spec.encoder.size + trainer.spec.decoder.size > step.MOST_PARAMETERS
    assert trainer.fused is None


def test_a_state_of_other_arrays_is_followed() -> None:
    chosen = Settings(**{**BASE, "objective": "m2", "samples": 2})
    trainer = Trainer.build(K, chosen, dataset_of(chosen))
    one, other = trainer.initial_state(), trainer.initial_state()
    trainer.step(one)
    left = one.copy()
    moved = one.copy()
    for state in (other, moved, other, moved):
        trainer.step(state)
    for a, b in zip(Course(other, []).vectors(), Course(one, []).vectors(), strict=True):
        assert not np.array_equal(a, b)
    agree(Course(one, []), Course(left, []), 0.0)
    for _ in range(2):
        trainer.step(one)
    agree(Course(moved, []), Course(one, []), 0.0)
