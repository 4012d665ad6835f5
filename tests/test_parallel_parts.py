"""Test the division of minibatches: gradients of the parts together, trees of sums, noise of rows, turns."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranks import ThreadRank, two_ranks

from vsmnp.data import load_data
from vsmnp.data.batches import Batches
from vsmnp.errors import DataError
from vsmnp.kernels import load
from vsmnp.parallel.division import DividedBatch
from vsmnp.parallel.single import ALONE
from vsmnp.parallel.tree import any_of, reduced, texts_of
from vsmnp.parallel.turns import Meeting, in_turns
from vsmnp.rng import Key, Stream
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer
from vsmnp.types import Array, Kernels
from vsmnp.types.division import RowRange

_PICTURES = np.random.default_rng(0).integers(0, 256, (16, 32, 32), dtype=np.uint8)
PAIRS = [("elbo", "kl"), ("m1", "fisher"), ("m2", "fisher-reparam"), ("m3", "kl"), ("fae", "fisher")]
#: Settings of small runs in double precision: all objectives, and all that couples the data of a minibatch.
CHOICES: list[dict[str, Any]] = [
    *({"objective": objective, "inference": inference, "gamma": gamma, "samples": 2}
      for objective, inference in PAIRS for gamma in ("learn", "optimal")),
    {"objective": "elbo", "posterior": "bernoulli", "seeds": (0, 1)},
    {"objective": "fae", "inference": "fisher-reparam", "score_norm": "probe", "samples": 2},
    {"objective": "m3", "samples": 2, "bilevel_steps": 2},
    {"objective": "m2", "samples": 2, "bilevel_steps": 2, "inference": "fisher", "gamma": "optimal"},
    {"arch": "dcgan", "objective": "m3", "samples": 2, "batch_norm": "coupled"},
    {"arch": "dcgan", "objective": "fae", "batch_norm": "coupled", "gamma": "optimal"},
    {"arch": "dcgan", "objective": "elbo", "batch_norm": "frozen"},
    {"arch": "resnet18", "objective": "m2", "samples": 2, "bilevel_steps": 1, "bilevel_lr": 1e-6},
]  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_parts_together_are_the_whole_minibatch(choice: dict[str, Any]) -> None:
    """The first step from the same parameters moves them by the same, up to the rounding of sums."""
    of_pictures = choice.get("arch", "mlp") != "mlp"
    base: dict[str, Any] = {"width": 1 / 32} if of_pictures else {"hidden": (5,), "noise": 0.1}
    settings = Settings.from_mapping({
        "activation": "softplus", "batch_size": 8, "dtype": "float64", "optimizer": "sgd", "latent": 2,
        "encoder_optimizer": "sgd", "encoder_steps": 1, **base, **choice,
    })  # fmt: skip
    data, ends = load_data(_PICTURES if of_pictures else "mixture"), []
    for parts in (1, 4):
        trainer = Trainer.build(load("reference"), replace(settings, parts=parts), data, may_fuse=False)
        state = trainer.initial_state()
        before, info = state.copy(), trainer.step(state)
        ends.append([state.phi - before.phi, state.theta - before.theta, *info.report().values()])
    for whole, divided in zip(*ends, strict=True):
        np.testing.assert_allclose(divided, whole, rtol=1e-9, atol=1e-11 * np.abs(whole).max())


@given(st.integers(0, 3), st.data())
def test_two_ranks_have_the_tree_of_one(levels: int, data: st.DataObject) -> None:
    draws = st.lists(st.floats(-1e6, 1e6, width=32), min_size=2 << levels, max_size=2 << levels)
    values = [np.array([value, -value], np.float32) for value in data.draw(draws)]
    half = len(values) // 2
    whole = reduced(ALONE, values)

    def share(rank: ThreadRank) -> Array:
        return reduced(rank, values[half * rank.rank : half * (rank.rank + 1)])

    both: list[Array] = []
    both.append(two_ranks(share, lambda rank: both.append(share(rank))))
    for found in both:
        assert found.tobytes() == whole.tobytes()


def test_ranks_learn_flags_and_texts_of_each_other() -> None:
    def tell(rank: ThreadRank) -> tuple[bool, bool, list[str]]:
        long = "ä" * 5000 if rank.rank else ""
        return any_of(rank, rank.rank == 1), any_of(rank, False), texts_of(rank, long)

    assert two_ranks(tell, tell) == (True, False, ["", "ä" * 5000])


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**63))
def test_rows_have_their_noise_of_the_whole_minibatch(
    samples: int, count: int, width: int, seed: int
) -> None:
    """Of normals, uniforms, signs and samples, at any place in the blocks of the generator."""
    k, shape, dtype = load("cpu"), (samples, 4 * count, width), np.dtype(np.float64)
    key = Key((seed, seed + 1), Stream.LEARNING, 7)
    rng = np.random.default_rng(seed)
    mu, s = rng.normal(size=(2, 2, 1, 4 * count, width))

    def drawn(key: Key, rows: slice) -> list[Array]:
        here = (samples, len(range(4 * count)[rows]), width)
        sampled = key.sample(k, mu[:, :, rows], s[:, :, rows], samples)
        return [key.normal(k, here, dtype), key.uniform(k, here, dtype), key.signs(k, here, dtype), sampled]

    for part in range(4):
        rows = RowRange(part * count, count, 4 * count)
        here = slice(rows.first, rows.first + count)
        own = drawn(replace(key, rows=rows), here)
        for found, whole in zip(own, drawn(key, slice(None)), strict=True):
            assert found.shape == (2, samples, count, width)
            np.testing.assert_allclose(found, whole[:, :, here], rtol=0, atol=1e-15)
    assert shape[1] == 4 * count


@pytest.mark.parametrize("name", ["mixture", "pictures"])
def test_own_rows_are_those_of_the_minibatch_with_their_noise(name: str, k: Kernels) -> None:
    data = load_data("mixture" if name == "mixture" else _PICTURES)
    whole = Batches(k, data, 8, 3, 0.5, np.dtype(np.float32))
    for rank in range(2):
        own = Batches(k, data, 8, 3, 0.5, np.dtype(np.float32), RowRange(4 * rank, 4, 8))
        for index in (0, 1, whole.per_epoch + 1):
            rows = whole.noisy(index, 5)[:, :, 4 * rank : 4 * rank + 4]
            np.testing.assert_allclose(own.noisy(index, 5), rows, atol=1e-6)
            np.testing.assert_array_equal(own.clean(index), whole.clean(index)[:, :, 4 * rank : 4 * rank + 4])


def test_moments_of_parts_are_those_of_the_whole() -> None:
    x = np.random.default_rng(0).normal(1000, 1, (4, 6, 3)).astype(np.float32)
    own = [np.stack([part.mean(0), part.var(0)]) for part in x]
    mean, variance = DividedBatch(4, ALONE).moments(own)
    wide = x.reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, wide.var(0), rtol=1e-4)


def test_turns_run_one_at_a_time_and_meet() -> None:
    order: list[tuple[int, int]] = []

    def work(place: int, meeting: Meeting) -> int:
        order.append((place, 0))
        total = meeting(place + 1)
        order.append((place, 1))
        return int(meeting(total * place))

    works = [lambda meeting, place=place: work(place, meeting) for place in range(3)]
    assert in_turns(works, sum) == [6 * 3] * 3
    assert order == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]
    assert in_turns(works[1:2], sum) == [2 * 1]


def test_turns_run_at_the_same_time_if_asked() -> None:
    """Two of four meet at a barrier, which one alone would not pass, between all meetings."""
    barrier, order = Barrier(2, timeout=30), []

    def work(place: int, meeting: Meeting) -> int:
        barrier.wait()
        total = meeting(place + 1)
        order.append(place // 2)
        barrier.wait()
        return int(meeting(total * place))

    works = [lambda meeting, place=place: work(place, meeting) for place in range(4)]
    assert in_turns(works, sum, at_once=2) == [10 * 6] * 4
    assert order == [0, 0, 1, 1]


@pytest.mark.parametrize("at_once", [1, 2, 3])
@pytest.mark.parametrize("place", range(3))
def test_a_failure_in_one_turn_ends_the_others(place: int, at_once: int) -> None:
    ended: list[int] = []

    def work(own: int, meeting: Meeting) -> None:
        try:
            meeting(0)
            if own == place:
                raise DataError("It is gone.")
            meeting(1)
        finally:
            ended.append(own)

    with pytest.raises(DataError, match="gone"):
        in_turns([lambda meeting, own=own: work(own, meeting) for own in range(3)], sum, at_once)
    assert sorted(ended) == [0, 1, 2]
    with pytest.raises(DataError, match="gone"):
        in_turns([lambda meeting, own=own: work(place, meeting) for own in range(3)], sum, at_once)


def test_turns_treat_floating_point_errors_as_their_caller() -> None:
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        in_turns([lambda meeting: np.ones(1) / np.zeros(1)] * 2, sum)
    with np.errstate(divide="ignore"):
        assert len(in_turns([lambda meeting: np.ones(1) / np.zeros(1)] * 2, sum)) == 2


@pytest.mark.parametrize(("on_device", "at_once"), [(False, 3), (True, 1)])
def test_threads_compute_parts_at_the_same_time_on_the_host(
    on_device: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def watched(works: Any, meet: Any, at_once: int) -> Any:
        seen.append(at_once)
        return in_turns(works, meet, at_once)

    monkeypatch.setattr("vsmnp.training.divided.in_turns", watched)
    k: Any = SimpleNamespace(**{**vars(load("reference")), "data_memory": lambda: int(on_device)})
    settings = Settings(kernels="reference", hidden=(4,), batch_size=16, parts=4, threads=3, samples=1)
    trainer = Trainer.build(k, settings, load_data("mixture"), may_fuse=False)
    trainer.step(trainer.initial_state())
    assert set(seen) == {at_once}
