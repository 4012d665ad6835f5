"""Test that a recorded training step equals the step bit for bit, on a device that forbids waits."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cushim.device import DeviceKernels, DeviceLauncher, TapeRecorder, device
from cushim.sets import libraries
from laws import agree
from remote import Remote

from vsmnp.bench.problem import Resident
from vsmnp.data import load_data
from vsmnp.errors import DeviceError, DivergenceError
from vsmnp.kernels import load
from vsmnp.kernels.cuda.step import CudaStep
from vsmnp.settings.settings import Settings
from vsmnp.training.history import History
from vsmnp.training.loop import Watch, run_loop
from vsmnp.training.state import State, to_arrays
from vsmnp.training.trainer import Trainer
from vsmnp.types import Kernels
from vsmnp.types.replay import ReplayedInt

TINY = Settings(
    hidden=(4,), activation="tanh", samples=2, batch_size=20, steps=5, log_every=3, seeds=(0, 1),
    encoder_steps=2, noise=0.1, dtype="float64",
)  # fmt: skip
CHOICES: list[dict[str, Any]] = [
    *({"objective": o, "inference": i} for o in ("elbo", "m1", "m2", "m3") for i in ("kl", "fisher")),
    {"objective": "m1", "inference": "fisher-reparam", "encoder_data": "fresh"},
    {"objective": "m3", "inference": "fisher-reparam", "gamma": "optimal", "noise": 0.0},
    {"objective": "fae", "inference": "fisher", "score_norm": "probe", "gamma": "optimal"},
    {"objective": "fae", "inference": "fisher-reparam"},
    {"objective": "m2", "as_published": True, "optimizer": "sgd", "encoder_optimizer": "sgd"},
    {"objective": "m3", "as_published": True, "scale": "softplus", "activation": "relu"},
    {"objective": "elbo", "lr": 1e200, "gamma": "1.0"},
    {"objective": "m3", "bilevel_steps": 2, "encoder_data": "fresh"},
    {
        "objective": "m2",
        "inference": "fisher",
        "fisher_weight": "covariance",
        "bilevel_steps": 3,
        "gamma": "optimal",
    },
    {"objective": "m3", "inference": "fisher", "as_published": True, "bilevel_steps": 2},
    {"objective": "elbo", "bilevel_steps": 1, "bilevel_lr": 1e200},
    {"objective": "m3", "lr_schedule": "cosine", "lr_warmup": 0.02, "bilevel_steps": 1},
]
FUSED: list[dict[str, Any]] = [
    {"objective": "m1", "inference": "kl"},
    {"objective": "m3", "inference": "fisher", "gamma": "optimal", "encoder_data": "fresh", "noise": 0.0},
    {"objective": "m2", "encoder_steps": 1, "noise": 0.0},
    {"objective": "m3", "lr_schedule": "linear", "lr_warmup": 0.02},
    {"objective": "elbo", "lr": 1e200, "gamma": "1.0"},
    {"objective": "fae", "inference": "fisher-reparam", "score_norm": "probe"},
]


@pytest.fixture(scope="module")
def k(tmp_path_factory: pytest.TempPathFactory) -> DeviceKernels:
    return device(DeviceLauncher(libraries(tmp_path_factory)))


def trained(
    k: Kernels, settings: Settings, many: int | None = None
) -> tuple[Trainer, dict[str, Any], History]:
    """Train a few steps of a run; one that diverges ends at the same step for every kernel set.

    Steps are fused if ``many`` is given: from that number of models on, each has a separate block.
    """
    trainer, history = Trainer.build(k, settings, load_data("mixture"), may_fuse=many is not None), History()
    if many is not None and isinstance(trainer.fused, CudaStep):
        object.__setattr__(trainer, "fused", replace(trainer.fused, many=many))
    rows: list[State] = []
    watch = Watch(on_row=lambda state, _: rows.append(state.copy()))
    with suppress(DivergenceError):
        run_loop(trainer, trainer.initial_state(), history, settings.steps, settings.log_every, watch)
    return trainer, to_arrays(k, trainer.model, rows[-1]), history


class OneByOne(DeviceKernels):
    """The same device without a recorder."""

    def recorder(self) -> None:
        return None


def check(k: DeviceKernels, settings: Settings, many: int | None) -> None:
    """Check replayed steps against launched ones bit for bit, and against the reference up to rounding."""
    recorded, there, rows = trained(k, settings, many)
    assert (recorded.fused is not None) == (many is not None)
    _, here, expected = trained(OneByOne(k.machine), settings, many)
    assert recorded.recorded is not None
    assert recorded.recorded.obstacle is None
    recorder = recorded.recorded.recorder
    assert isinstance(recorder, TapeRecorder)
    assert recorder.replays > 0
    assert there.keys() == here.keys()
    for name, array in there.items():
        np.testing.assert_array_equal(array, here[name], err_msg=name)
    for column in rows.columns:
        np.testing.assert_array_equal(rows.column(column), expected.column(column))
    if settings.lr < 1:  # a larger one breaks the decoder, in any precision
        _, here, _ = trained(load("reference"), settings)
    for name, array in there.items():
        agree((array.astype(np.float64),), (here[name].astype(np.float64),), 1e-9)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_replayed_step_is_the_step_and_the_reference_s(k: DeviceKernels, choice: dict[str, Any]) -> None:
    check(k, replace(TINY, **choice), None)


@pytest.mark.parametrize("many", [1, 1000], ids=["whole", "parted"])
@pytest.mark.parametrize("choice", FUSED, ids=str)
def test_a_replayed_fused_step_is_the_step(k: DeviceKernels, choice: dict[str, Any], many: int) -> None:
    check(k, replace(TINY, **choice), many)


@pytest.mark.parametrize("arch", ["dcgan", "resnet18"])
def test_a_convolutional_step_is_recorded(k: DeviceKernels, arch: str) -> None:
    """No code between an image and a gradient reads a number, an address or a mask from the device."""
    pixels = np.random.default_rng(0).uniform(size=(4, 32 * 32)).astype(np.float32)
    settings = replace(TINY, objective="m2", arch=arch, width=1 / 32, batch_size=2, seeds=(0,), steps=3,
                       encoder_steps=1, noise=0.0, activation="relu", dtype="float32",
                       hidden=Settings.hidden)  # fmt: skip
    ends = []
    for each in (k, OneByOne(k.machine)):
        data = Resident.of(each.asarray(pixels), pixels, image=(1, 32, 32))
        trainer = Trainer.build(each, settings, data)
        state = trainer.initial_state()
        for _ in range(3):
            trainer.step(state)
        ends.append(to_arrays(each, trainer.model, state))
        if trainer.recorded is not None:
            assert trainer.recorded.obstacle is None
            assert isinstance(trainer.recorded.recorder, TapeRecorder)
            assert trainer.recorded.recorder.replays > 0
    for name, array in ends[0].items():
        np.testing.assert_array_equal(array, ends[1][name], err_msg=name)


def test_another_state_is_recorded_anew(k: DeviceKernels) -> None:
    """A trial on a copy of the state, as the estimate of the time makes, leaves the run unchanged."""
    trainer = Trainer.build(k, TINY, load_data("mixture"))
    state = trainer.initial_state()
    for _ in range(3):
        trainer.step(state)
    before = to_arrays(k, trainer.model, state)
    trial = state.copy()
    for _ in range(3):
        trainer.step(trial)
    for name, array in to_arrays(k, trainer.model, state).items():
        np.testing.assert_array_equal(array, before[name])
    for _ in range(3):
        trainer.step(state)
    for name, array in to_arrays(k, trainer.model, state).items():
        np.testing.assert_array_equal(array, to_arrays(k, trainer.model, trial)[name])


@pytest.mark.parametrize("fuse", [False, True], ids=["composed", "fused"])
def test_a_model_that_diverges_in_a_replay_diverged_in_that_step(k: DeviceKernels, fuse: bool) -> None:
    trainer = Trainer.build(k, TINY, load_data("mixture"), may_fuse=fuse)
    state = trainer.initial_state()
    for step in range(1, 6):
        trainer.step(state)
        if step == 3:
            state.theta[0] = np.nan
    assert k.to_host(state.active).tolist() == [False, True]
    assert k.to_host(state.diverged_at).tolist() == [4, 0]


class Broken(TapeRecorder):
    """A device that captures nothing."""

    def record(self, work: Any) -> Any:
        raise DeviceError("no capture here")


def test_what_cannot_be_recorded_is_done_step_by_step(
    k: DeviceKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, expected, _ = trained(OneByOne(k.machine), TINY)
    monkeypatch.setattr(DeviceLauncher, "recorder", lambda self: Broken())
    trainer, found, _ = trained(k, TINY)
    assert trainer.recorded is not None
    assert trainer.recorded.obstacle == "DeviceError: no capture here"
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


def test_synchronisation_and_transfers_cannot_be_recorded(k: DeviceKernels) -> None:
    x, recorder = k.zeros((2, 3), np.float32), TapeRecorder()
    for work in (lambda: k.to_host(x), lambda: k.asarray(np.ones(3)), lambda: bool(x[0, 0])):
        with pytest.raises((RuntimeError, TypeError)):
            recorder.record(work)
        assert Remote.tape is None


def test_a_recording_does_nothing_until_it_is_replayed(k: DeviceKernels) -> None:
    x, recorder = k.zeros((1, 1, 2, 3), np.float64), TapeRecorder()

    def work() -> Any:
        x[...] = x + 1
        return k.activation("exp", 0 * x) + x

    y = recorder.record(work)
    np.testing.assert_array_equal(k.to_host(x), np.zeros((1, 1, 2, 3)))
    for count in (1, 2):
        recorder.replay()
        np.testing.assert_array_equal(k.to_host(y), np.full((1, 1, 2, 3), 1.0 + count))
    np.testing.assert_array_equal(k.to_host(recorder.ticks), [2])


def test_ticks_are_integers_that_grow() -> None:
    t = ReplayedInt(7, 1, None)
    step = 3 * (t * 4 + 2) + 1
    assert isinstance(step, ReplayedInt)
    assert (step, step.rate) == (91, 12)
    assert ((t + t), (t + t).rate) == (14, 2)
    with pytest.raises(TypeError, match="evenly"):
        t * t


def test_a_tick_draws_the_noise_of_its_step(k: DeviceKernels) -> None:
    ticks, seeds = k.asarray(np.array([3], np.uint32)), np.array([5, 2**40], np.uint64)
    later = k.normal(seeds, 6, ReplayedInt(10, 2, ticks), (9,), np.dtype(np.float64))
    np.testing.assert_array_equal(
        k.to_host(later), k.to_host(k.normal(seeds, 6, 16, (9,), np.dtype(np.float64)))
    )
