"""The profile of a step: times that exclude one another, and a step that stays as it is."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from time import perf_counter, sleep

import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.bench import Case, PeerFolder, Problem, SuiteChoice, plan, timing
from vsmnp.bench.bench import Bench
from vsmnp.bench.fused_stages import LOOPS, timed_stages
from vsmnp.bench.profile import PARTS, REST, ProfilePart, watched
from vsmnp.bench.timing import Clock, Pace
from vsmnp.cli import main
from vsmnp.kernels.cpu.clock import TimedLoop
from vsmnp.kernels.cpu.step.inner_loops import DRAW, LETTERS, MOVE
from vsmnp.kernels.cpu.step.step import CpuStep
from vsmnp.training.trainer import Trainer

TINY = Case(hidden=(5, 3), samples=2, batch_size=6, d_x=3, activation="tanh", kernels="reference")


def test_time_within_a_part_is_that_of_the_inner_part_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def work(seconds: float) -> None:
        """Let the time go by that the clock reads."""
        nonlocal now
        now += seconds

    monkeypatch.setattr(timing, "perf_counter", lambda: now)
    clock = Clock(lambda: None)
    inner = clock.timed("inner", lambda: work(0.5))

    def outer() -> None:
        """Call the inner part twice, after some work."""
        work(0.25)
        inner()
        inner()

    clock.timed("outer", outer)()
    assert clock.seconds == {"inner": 1.0, "outer": 0.25}


@pytest.mark.parametrize(
    ("objective", "inference"), [("m1", "kl"), ("m3", "fisher-reparam"), ("fae", "fisher")]
)
def test_a_watched_step_computes_the_same(objective: str, inference: str) -> None:
    case = replace(TINY, objective=objective, inference=inference)
    plain, clock = Problem(case).trainer, Clock(lambda: None)
    timed = watched(Problem(case).trainer, clock)
    states = []
    for trainer in (replace(plain, may_fuse=False), timed):
        state = trainer.initial_state()
        for _ in range(2):
            trainer.step(state)
        states.append(state)
    np.testing.assert_array_equal(states[0].phi, states[1].phi)
    np.testing.assert_array_equal(states[0].theta, states[1].theta)
    assert set(clock.seconds) == set(PARTS)
    assert all(seconds > 0 for seconds in clock.seconds.values())


def test_the_parts_of_a_step_are_rows() -> None:
    rows = list(ProfilePart(TINY).rows(Bench(PeerFolder(None), (), False, Pace(7, 0.0), print)))
    assert [row.case for row in rows] == [f"{TINY.name}: {name}" for name in ("composed step", *PARTS, REST)]
    assert all(row.ms is not None and row.ms > 0 for row in rows)


FUSED = replace(TINY, kernels="cpu", objective="m2", encoder_steps=2)
BILEVEL = replace(FUSED, bilevel_steps=2)


@pytest.mark.parametrize("case", [FUSED, BILEVEL], ids=["", "bilevel"])
def test_the_stages_of_a_fused_step_exclude_one_another(case: Case) -> None:
    """Their times add up to that of the step, which computes the same."""
    clock, alone, timed = Clock(lambda: None), Problem(case).trainer, Problem(case).trainer
    stages = timed_stages(timed, clock)
    assert stages is not None
    states = [trainer.initial_state() for trainer in (alone, timed)]
    alone.step(states[0])
    timed.step(states[1])
    clock.seconds.clear()
    start = perf_counter()
    clock.timed("rest", timed.step)(states[1])
    whole = perf_counter() - start
    alone.step(states[0])
    np.testing.assert_array_equal(states[0].phi, states[1].phi)
    np.testing.assert_array_equal(states[0].theta, states[1].theta)
    assert set(clock.seconds) == {*stages.names, "rest"}
    assert all(seconds > 0 for seconds in clock.seconds.values())
    assert 0.5 * whole < sum(clock.seconds.values()) <= whole
    assert ("bi-level updates" in stages.names) == (case is BILEVEL)


def test_the_loops_of_every_update_are_timed_once() -> None:
    """J updates of the encoder and one of the decoder draw and step; bi-level ones draw."""
    counts = []
    for case in (FUSED, BILEVEL):
        trainer, calls = Problem(case).trainer, dict.fromkeys(LOOPS, 0)
        fused = trainer.fused
        assert isinstance(fused, CpuStep)
        updates = fused.updates(case.batch_size)
        state, made = trainer.initial_state(), []
        for update in filter(None, updates):
            for table in update.tables:
                for place in LOOPS:
                    counter = np.zeros(1, np.int64)
                    loop = TimedLoop(table[place], LETTERS[place], counter)
                    table[place] = loop.address
                    made.append((place, loop, counter))
        trainer.step(state)
        for place, _, counter in made:
            calls[place] += int(counter[0] > 0)
        counts.append(calls)
    assert counts == [{DRAW: 2, MOVE: 2}, {DRAW: 3, MOVE: 2}]


def test_a_loop_is_timed_with_all_its_arguments() -> None:
    seen: list[tuple[float, ...]] = []
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_double] * 9)
    counter = np.zeros(1, np.int64)

    @kind
    def loop(*given: float) -> None:
        sleep(0.01)
        seen.append(given)

    address = ctypes.cast(loop, ctypes.c_void_p).value
    assert address is not None
    timed = TimedLoop(address, "pw" + 9 * "r", counter)
    given = (4096, -7, *(0.5 * i for i in range(9)))
    for _ in range(2):
        kind(timed.address)(*given)
    assert seen == [given, given]
    assert 2e7 <= counter[0] < 2e9


def test_a_fused_step_has_rows_of_its_stages() -> None:
    rows = list(ProfilePart(FUSED).rows(Bench(PeerFolder(None), (), False, Pace(7, 0.0), print)))
    stages = (
        "encoder updates",
        "decoder update",
        "random numbers",
        "optimiser",
        "minibatches",
        "calls, checks",
    )
    names = ("fused step", *(f"fused, {name}" for name in stages), *PARTS, REST)
    assert [row.case for row in rows] == [f"{FUSED.name}: {name}" for name in names]


def test_watching_one_trainer_leaves_others_alone() -> None:
    watched(Problem(TINY).trainer, Clock(lambda: None))
    other = Problem(TINY).trainer
    assert isinstance(other, Trainer)
    assert "forward" not in vars(other.model.encoder)
    assert "update" not in vars(other.encoder_optimizer)


def test_a_profile_is_of_steps_alone() -> None:
    assert all(isinstance(part, ProfilePart) for part in plan(SuiteChoice(profile=True)))
    done = CliRunner().invoke(main, ["bench", "--suite", "kernels", "--profile", "-q"])
    assert done.exit_code == 2
    assert "nothing is left to measure" in done.output
