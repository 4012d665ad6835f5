"""Test the predictions for sweeps and divided steps against simulations and limits."""

from __future__ import annotations

import heapq
from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsmnp.parallel.scaling import DividedStep, fitted
from vsmnp.parallel.single import ALONE
from vsmnp.parallel.tree import reduced
from vsmnp.sweeps.cost import SweepCost
from vsmnp.sweeps.packs import largest_pack
from vsmnp.sweeps.scale import COLUMNS, WORKERS, SweepOverhead, SweepScale

SCALES = st.builds(
    SweepScale,
    models=st.integers(1, 3000),
    seconds=st.floats(0.01, 10),
    pack=st.integers(1, 64),
    overhead=st.builds(
        SweepOverhead,
        start=st.floats(0, 20),
        task=st.floats(0, 2),
        cell=st.floats(0, 1),
        driver_cell=st.floats(0, 1),
    ),
)


def simulated(scale: SweepScale, workers: int) -> float:
    """Return the seconds of a sweep whose driver gives one pack after another to the first free worker."""
    about = scale.overhead
    pack = largest_pack(scale.models, workers, scale.pack)
    free, driver, end = [0.0] * workers, 0.0, 0.0
    for first in range(0, scale.models, pack):
        size = min(pack, scale.models - first)
        driver += about.task + size * about.driver_cell
        begin = max(driver, heapq.heappop(free))
        heapq.heappush(free, begin + size * (scale.seconds + about.cell))
        driver = max(driver, begin)
    end = max(free)
    return about.start + end


@given(SCALES, st.integers(1, 300))
def test_a_prediction_is_within_the_bounds_of_a_simulation(scale: SweepScale, workers: int) -> None:
    """It is a lower bound, but that the last pack may be smaller; the sum of both times is an upper one."""
    found, about = scale.on(workers), scale.overhead
    time, exact = 3600 * found.hours, simulated(scale, workers)
    pack = -(-scale.models // found.packs)
    work = pack * (scale.seconds + about.cell)
    given = found.packs * (about.task + pack * about.driver_cell)
    assert exact <= (time - about.start) + about.start + given + work + 1e-6
    assert time <= exact + work + pack * about.driver_cell + 1e-6


@given(st.integers(1, 60), st.integers(1, 9), st.floats(0.01, 10))
def test_predictions_are_exact_where_workers_or_the_driver_alone_limit(
    packs: int, workers: int, seconds: float
) -> None:
    free = SweepScale(packs, seconds, 1, SweepOverhead(start=1, task=0, cell=0, driver_cell=0))
    assert isclose(3600 * free.on(workers).hours, simulated(free, workers))
    slow = SweepScale(packs, seconds, 1, SweepOverhead(start=1, task=seconds, cell=0, driver_cell=0.5))
    assert isclose(3600 * slow.on(workers).hours, simulated(slow, workers))


@given(SCALES, st.integers(1, 300))
def test_workers_without_overhead_share_the_work(scale: SweepScale, workers: int) -> None:
    free = SweepScale(workers * 64, scale.seconds, 64, SweepOverhead(0, 0, 0, 0))
    found = free.on(workers)
    assert isclose(3600 * found.hours, 64 * scale.seconds)
    assert isclose(found.share, 1)
    assert found.packs == workers
    assert isclose(found.core_hours, workers * found.hours)


@given(SCALES, st.integers(1, 10_000))
def test_a_share_is_at_most_one_and_all_files_are_written(scale: SweepScale, workers: int) -> None:
    found = scale.on(workers)
    assert 0 < found.share <= 1 + 1e-9
    assert isclose(found.files_per_second * 3600 * found.hours, scale.overhead.files * scale.models)


def test_all_workers_train_equally_many_packs() -> None:
    found = SweepScale(1_000_000, 0.65).on(10_000)
    assert found.packs == 20_000


def test_a_slow_driver_limits_many_workers() -> None:
    scale = SweepScale(1_000_000, 0.65)
    most = scale.on(10_000)
    driver = most.packs * scale.overhead.task + scale.models * scale.overhead.driver_cell
    assert 3600 * most.hours > driver
    assert isclose(scale.on(100_000).hours, most.hours, rel_tol=0.5)


def test_a_dry_run_has_a_row_for_each_number_of_workers() -> None:
    cost = SweepCost([("all", 1, 64, 64, 10, 0.1, 2.0)], 64, 64)
    assert [each.workers for each in cost.scaled] == list(WORKERS)
    assert all(len(each.row()) == len(COLUMNS) for each in cost.scaled)
    (one, *_) = cost.scaled
    assert one.hours >= cost.core_hours
    assert SweepCost([], 64, 0).scaled == []


STEPS = st.builds(
    DividedStep,
    seconds=st.floats(1e-3, 10),
    exchanges=st.integers(1, 100),
    size=st.floats(1, 1e9),
    latency=st.floats(1e-7, 1e-3),
    bandwidth=st.floats(1e8, 1e11),
)


@given(STEPS, st.integers(0, 10))
def test_each_level_of_the_tree_costs_one_exchange(step: DividedStep, levels: int) -> None:
    ranks = 2**levels
    one = step.exchanges * step.latency + step.size / step.bandwidth
    assert isclose(step.communication(ranks), levels * one, rel_tol=1e-12)
    assert isclose(step.strong(ranks), step.seconds / ranks + levels * one)
    assert isclose(step.weak(ranks), step.seconds + levels * one)
    assert step.speed(ranks) <= ranks
    assert step.efficiency(ranks) <= 1


class Counted:
    """Ranks that all have the same values, which count their exchanges."""

    rank = 0

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0

    def exchange(self, partner: int, x: np.ndarray) -> np.ndarray:
        self.count += 1
        return x


@pytest.mark.parametrize("size", [1, 2, 4, 64])
def test_a_reduction_has_as_many_exchanges_as_the_model(size: int) -> None:
    ranks = Counted(size)
    reduced(ranks if size > 1 else ALONE, [np.ones(3)])  # type: ignore[arg-type]
    step = DividedStep(seconds=1, exchanges=1, size=0, latency=1, bandwidth=1)
    assert step.communication(size) == ranks.count


def test_latency_and_bandwidth_are_fitted() -> None:
    sizes = [8.0**i for i in range(1, 9)]
    latency, bandwidth = fitted(sizes, [3e-6 + size / 5e9 for size in sizes])
    assert isclose(latency, 3e-6, rel_tol=1e-9)
    assert isclose(bandwidth, 5e9, rel_tol=1e-9)
