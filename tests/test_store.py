"""Test that minibatches gathered by a device equal transferred ones bit for bit, in a recording too."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cushim.device import DeviceKernels, DeviceLauncher, TapeRecorder, device
from cushim.sets import libraries
from remote import Remote

from vsmnp.data import Dataset, load_data
from vsmnp.data.batches import Batches
from vsmnp.data.fixed import FixedDataset
from vsmnp.data.store import Store
from vsmnp.kernels import load
from vsmnp.settings.settings import Settings
from vsmnp.training.state import State, to_arrays
from vsmnp.training.trainer import Trainer
from vsmnp.types import Array, DType
from vsmnp.types.replay import ReplayedInt

#: 7 minibatches of 3 in an epoch, and two samples that are left over.
N, BATCH, PER_EPOCH = 23, 3, 7
TINY = Settings(hidden=(3,), batch_size=BATCH, steps=1, log_every=1, seeds=(0, 1), dtype="float64", noise=0.1)


def _finite(values: Array, **more: Any) -> FixedDataset:
    return FixedDataset("tiny", values.shape[1:], values, values[:2], "Tiny.", **more)


def numbers() -> FixedDataset:
    """Draw samples of numbers, stored with more digits than a run may have."""
    return _finite(np.random.default_rng(0).standard_normal((N, 4)))


def pixels() -> FixedDataset:
    """Draw pictures, some of which belong to another split."""
    values = np.random.default_rng(1).integers(0, 256, (N + 9, 2, 2), dtype=np.uint8)
    return _finite(values, divisor=255.0, train_index=np.arange(N)[::-1] + 9)


def halves() -> FixedDataset:
    """Create small integers that are divided."""
    return _finite(np.arange(4 * N, dtype=np.int16).reshape(N, 4), divisor=3.0)


DATA = {"numbers": numbers, "pixels": pixels, "halves": halves, "drawn": lambda: load_data("mixture")}


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> DeviceLauncher:
    return DeviceLauncher(libraries(tmp_path_factory))


@pytest.fixture
def k(launcher: DeviceLauncher) -> DeviceKernels:
    launcher.free_bytes = 2**30
    return device(launcher)


def batches_of(k: Any, data: Dataset, dtype: str = "float64", size: int = BATCH) -> Batches:
    return Batches(k, data, size, 5, 0.0, np.dtype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 3, 16])
@pytest.mark.parametrize("name", ["numbers", "pixels", "halves"])
def test_gathered_minibatches_are_the_sent_ones(k: DeviceKernels, name: str, count: int, dtype: str) -> None:
    """Over three epochs, from any minibatch on; a step of 16 uses some of four epochs."""
    data = DATA[name]()
    expected, store = (
        batches_of(load("reference"), data, dtype),
        Store(batches_of(k, data, dtype), count, 2**20),
    )
    for start in (0, 5 * PER_EPOCH + 2):
        for first in range(start, start + 3 * PER_EPOCH, count):
            assert store.bring(first)
            for index in range(first, first + count):
                x, wanted = k.to_host(store.clean(index)), expected.clean(index)
                assert x.dtype == wanted.dtype
                np.testing.assert_array_equal(x, wanted)


def test_epochs_that_are_drawn_are_gathered_too(k: DeviceKernels) -> None:
    """The last minibatch of an epoch and the first of the next one."""
    data, size = load_data("mixture"), 30_000
    expected, store = (batches_of(kernels, data, size=size) for kernels in (load("reference"), k))
    held = Store(store, 2, 2**30)
    for first in (0, 2, 4, 6):
        assert held.bring(first)
        for index in (first, first + 1):
            np.testing.assert_array_equal(k.to_host(held.clean(index)), expected.clean(index))


def trained(k: DeviceKernels, settings: Settings, data: Dataset, pauses: tuple[int, ...]) -> dict[str, Array]:
    """Train to each of the steps by a new trainer."""
    state: State | None = None
    for end in pauses:
        trainer = Trainer.build(k, settings, data)
        state = trainer.initial_state() if state is None else state.copy()
        while state.step < end:
            trainer.step(state)
    assert state is not None
    return to_arrays(k, trainer.model, state)


@pytest.mark.parametrize(("encoder_data", "noise"), [("same", 0.0), ("fresh", 0.1)])
@pytest.mark.parametrize("name", DATA)
def test_training_is_the_same_bits(
    k: DeviceKernels, launcher: DeviceLauncher, name: str, encoder_data: str, noise: float
) -> None:
    """Gathered in one run, gathered by a run that was resumed within an epoch, or transferred."""
    settings = replace(TINY, noise=noise, encoder_data=encoder_data, encoder_steps=2)
    launcher.launched.clear()
    whole = trained(k, settings, DATA[name](), (2 * PER_EPOCH,))
    assert {"gather_pixels", "gather_numbers"} & launcher.launched
    resumed = trained(k, settings, DATA[name](), (PER_EPOCH - 2, 2 * PER_EPOCH))
    launcher.free_bytes = 0
    launcher.launched.clear()
    sent = trained(k, settings, DATA[name](), (2 * PER_EPOCH,))
    assert not {"gather_pixels", "gather_numbers"} & launcher.launched
    for key, array in whole.items():
        np.testing.assert_array_equal(array, resumed[key], err_msg=key)
        np.testing.assert_array_equal(array, sent[key], err_msg=key)


def test_a_recording_gathers_another_minibatch_at_each_replay(k: DeviceKernels) -> None:
    store, expected = (batches_of(kernels, pixels()) for kernels in (k, load("reference")))
    held, recorder = Store(store, 1, 2**20), TapeRecorder()
    assert held.bring(4)
    recorder.rehearse(lambda: held.clean(4))
    x = recorder.record(lambda: held.clean(ReplayedInt(4, 1, recorder.ticks)))
    for index in range(4, 3 * PER_EPOCH):
        assert held.bring(index)
        recorder.replay()
        np.testing.assert_array_equal(k.to_host(x), expected.clean(index))


class Counted(DeviceKernels):
    """The device, with a count of the numbers transferred to it."""

    sent = 0

    def asarray(self, x: Any, dtype: DType | None = None) -> Array:
        type(self).sent += 0 if isinstance(x, Remote) else np.asarray(x).size
        return super().asarray(x, dtype)


def test_nothing_but_an_order_is_sent_and_that_once_an_epoch(k: DeviceKernels) -> None:
    counted = Counted(k.machine)
    trainer = Trainer.build(counted, replace(TINY, noise=0.0), pixels())
    state, sent = trainer.initial_state(), []
    for _ in range(3 * PER_EPOCH):
        Counted.sent = 0
        trainer.step(state)
        sent.append(Counted.sent)
    assert trainer.recorded is not None
    recorder = trainer.recorded.recorder
    assert isinstance(recorder, TapeRecorder)
    assert recorder.replays == 3 * PER_EPOCH - 1
    order = [PER_EPOCH * BATCH if step % PER_EPOCH == 0 else 0 for step in range(PER_EPOCH, 3 * PER_EPOCH)]
    assert sent[PER_EPOCH:] == order
    assert sent[2:PER_EPOCH] == [0] * (PER_EPOCH - 2)


def test_data_stay_where_a_quarter_of_the_free_memory_is_too_small(
    k: DeviceKernels, launcher: DeviceLauncher, caplog: pytest.LogCaptureFixture
) -> None:
    """Pixels as bytes and an order of the epoch: exact to the byte."""
    size = (N + 9) * 4 + 4 * PER_EPOCH * BATCH
    with caplog.at_level(logging.INFO, "vsmnp"):
        for free, fits in ((4 * size, True), (4 * size - 1, False), (0, False)):
            launcher.free_bytes = free
            caplog.clear()
            trainer = Trainer.build(k, TINY, pixels())
            state = trainer.initial_state()
            trainer.step(state)
            assert (trainer.store is not None and trainer.store.bring(1)) == fits
            words = "lie on the GPU" if fits else "are sent step by step"
            assert (words in caplog.text) == (free > 0)
            assert caplog.text.count("training data") == (free > 0)
    assert load("reference").data_memory() == load("cpu").data_memory() == 0


def test_data_that_are_mapped_from_a_file_are_sent_once(k: DeviceKernels, tmp_path: Path) -> None:
    values = np.random.default_rng(2).standard_normal((N, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    mapped = _finite(np.load(tmp_path / "x.npy", mmap_mode="r"))
    store, expected = (batches_of(kernels, mapped) for kernels in (k, load("reference")))
    held = Store(store, 1, 2**20)
    for index in (0, PER_EPOCH):
        assert held.bring(index)
        np.testing.assert_array_equal(k.to_host(held.clean(index)), expected.clean(index))
