"""The profile of a step: times that exclude one another, and a step that stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.bench import Case, PeerFolder, Problem, SuiteChoice, plan, profile
from vsmnp.bench.bench import Bench
from vsmnp.bench.profile import PARTS, REST, Clock, ProfilePart, watched
from vsmnp.bench.timing import Pace
from vsmnp.cli import main
from vsmnp.training.trainer import Trainer

TINY = Case(hidden=(5, 3), samples=2, batch_size=6, d_x=3, activation="tanh", kernels="reference")


def test_time_within_a_part_is_that_of_the_inner_part_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def work(seconds: float) -> None:
        """Let the time go by that the clock reads."""
        nonlocal now
        now += seconds

    monkeypatch.setattr(profile, "perf_counter", lambda: now)
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
