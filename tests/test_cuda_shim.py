"""Test that the runner of the CUDA sources without a card finds the faults that it must find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cushim import planted
from cushim.device import DeviceLauncher, device
from cushim.examples import example
from cushim.runner import ShimLauncher, build, kernel_names
from cushim.sets import libraries
from cushim.tour import tour
from cushim.watched import watch

from vsmnp.kernels.cuda.source import TOPICS
from vsmnp.kernels.hosted import Hosted
from vsmnp.types import Array

X = np.arange(64, dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return libraries(tmp_path_factory)


def run(folder: Path, source: str, x: Array = X, seed: int = 0, blocks: int = 1) -> Array:
    out = np.zeros(64, np.float32)
    ShimLauncher(folder, seed).compile(source).launch("faulty", (blocks,), (64,), [x, out])
    return out


@pytest.mark.parametrize("seed", range(4))
def test_a_barrier_orders_a_block(folder: Path, seed: int) -> None:
    np.testing.assert_array_equal(run(folder, planted.ORDERED, seed=seed), np.roll(X, -1))


@pytest.mark.parametrize("seed", range(4))
def test_a_missing_barrier_reads_nan(folder: Path, seed: int) -> None:
    out = run(folder, planted.RACE, seed=seed)
    assert np.isnan(out).any()


def test_the_seed_decides_who_is_last(folder: Path) -> None:
    assert len({float(run(folder, planted.COLLISION, seed=seed, blocks=8)[0]) for seed in range(8)}) > 1


def test_unwritten_shared_memory_is_nan(folder: Path) -> None:
    np.testing.assert_array_equal(np.isnan(run(folder, planted.UNWRITTEN)), X == 0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (planted.OVERRUN, "outside an array"),
        (planted.DIVERGENCE, "never come"),
        (planted.TWO_BARRIERS, "barriers in lines 4 and 6"),
        (planted.LONELY_LANES, "never come"),
    ],
)
def test_faults_are_named(folder: Path, source: str, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        run(folder, "#line 1\n" + source)


def test_arguments_of_other_types_are_refused(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="takes in f4, out f4; it was given f8, f4"):
        run(folder, planted.ORDERED, X.astype(np.float64))


def test_views_are_written_where_they_lie(folder: Path) -> None:
    wide = np.zeros((3, 64), np.float32)
    ShimLauncher(folder).compile(planted.ORDERED).launch("faulty", (1,), (64,), [X, wide[1]])
    np.testing.assert_array_equal(wide, [0 * X, np.roll(X, -1), 0 * X])


def test_a_missing_compiler_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"No C\+\+ compiler was found.*install g\+\+"):
        build(planted.ORDERED, tmp_path)


def test_the_tour_of_a_card_goes_through_every_kernel(folder: Path) -> None:
    """As for the sanitizer of a card: arrays and lists of arrays are on a device that alone opens them."""
    launcher = DeviceLauncher(folder)
    tour(Hosted(device(launcher)), [np.dtype(np.float32)])  # type: ignore[arg-type]
    sources = [example(topic, np.float32) for topic in TOPICS]
    missed = {name for source in sources for name in kernel_names(source)} - launcher.launched
    assert missed == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sanitizer", "what", "words"),
    [
        ("thread", "race", "data race"),
        ("thread", "collision", "data race"),
        ("address", "overrun", "heap-buffer-overflow"),
        ("address", "overread", "heap-buffer-overflow"),
    ],
)
def test_a_sanitizer_finds_what_is_planted(folder: Path, sanitizer: str, what: str, words: str) -> None:
    done = watch(folder, sanitizer, what)
    assert done.returncode == 66, done.stdout + done.stderr
    assert words in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["thread", "address"])
@pytest.mark.parametrize("what", ["nothing", "tour"])
def test_a_sanitizer_finds_nothing_else(folder: Path, sanitizer: str, what: str) -> None:
    done = watch(folder, sanitizer, what)
    assert (done.returncode, done.stdout) == (0, "finished\n"), done.stdout + done.stderr
