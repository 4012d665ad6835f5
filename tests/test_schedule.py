"""Test the schedules of the step sizes: their formula, each step of a run, and the length of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp.data import load_data
from vsmnp.errors import ConfigError
from vsmnp.kernels import ON_HOST, load
from vsmnp.runs.session import Session
from vsmnp.settings.choices import LR_SCHEDULES
from vsmnp.settings.settings import Settings
from vsmnp.training.schedule import Schedule
from vsmnp.training.trainer import Trainer

STEPS = 12
TINY = Settings(
    hidden=(4,), activation="tanh", samples=2, batch_size=100, steps=STEPS, seeds=(0, 1), encoder_steps=2,
    objective="m3", dtype="float64", lr=0.02, encoder_lr=0.03,
)  # fmt: skip
#: The factors of twelve steps: four of a warm-up to 1, and the schedule's in the eight that follow.
RAMP = [0.25, 0.5, 0.75, 1.0]
FACTORS = {
    "constant": [*RAMP, *[1.0] * 8],
    "cosine": [
        *RAMP, 1.0, 0.9619397662556434, 0.8535533905932737, 0.6913417161825449, 0.5, 0.3086582838174551,
        0.14644660940672627, 0.038060233744356631,
    ],
    "linear": [*RAMP, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125],
}  # fmt: skip


def test_the_factors_are_those_of_the_formula() -> None:
    assert FACTORS.keys() == LR_SCHEDULES.keys()
    for name, expected in FACTORS.items():
        schedule = Schedule.named(name, 4.0, STEPS)
        assert not schedule.is_constant
        np.testing.assert_allclose([schedule.factor(t) for t in range(STEPS)], expected, rtol=1e-15)
        plain = Schedule.named(name, 0.0, 8)
        np.testing.assert_allclose([plain.factor(t) for t in range(8)], expected[4:], rtol=1e-15)
        assert plain.is_constant == (name == "constant")


def test_a_warm_up_longer_than_the_run_never_ends() -> None:
    for name in LR_SCHEDULES:
        schedule = Schedule.named(name, 20.0, 10)
        assert [schedule.factor(t) for t in range(10)] == [(t + 1) / 20 for t in range(10)]


@pytest.mark.parametrize("fuse", [False, True], ids=["composed", "fused"])
@pytest.mark.parametrize("kernels", ON_HOST)
@pytest.mark.parametrize("name", LR_SCHEDULES)
def test_each_step_is_one_with_that_step_size(name: str, kernels: str, fuse: bool) -> None:
    """A step of a schedule is one with constant step sizes by the formula, up to their rounding."""
    k, data = load(kernels), load_data("mixture")
    per_epoch = Trainer.build(k, TINY, data).batches.per_epoch
    settings = replace(TINY, lr_schedule=name, lr_warmup=4 / per_epoch, bilevel_steps=1)
    trainer = Trainer.build(k, settings, data, fuse)
    assert (trainer.fused is not None) == (fuse and kernels == "cpu")
    state = trainer.initial_state()
    for factor in FACTORS[name]:
        expected = state.copy()
        sizes = {"lr": factor * TINY.lr, "encoder_lr": factor * TINY.encoder_lr}
        alone = replace(settings, lr_schedule="constant", lr_warmup=0.0, **sizes)
        Trainer.build(k, alone, data, fuse).step(expected)
        trainer.step(state)
        np.testing.assert_allclose(state.phi, expected.phi, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(state.theta, expected.theta, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("encoder_data", ["same", "fresh"])
def test_the_warm_up_counts_epochs_of_the_training_data(encoder_data: str) -> None:
    trainer = Session.new(replace(TINY, lr_warmup=3.0, encoder_data=encoder_data)).trainer
    uses = 2 if encoder_data == "fresh" else 1
    assert trainer.scheduled.schedule.warmup == 3 * trainer.batches.per_epoch / uses


def test_a_schedule_that_ends_with_the_run_keeps_its_length(tmp_path: Path) -> None:
    for name, row in LR_SCHEDULES.items():
        Session.new(replace(TINY, lr_schedule=name, steps=3), folder=tmp_path / name).train()
        longer: list[dict[str, Any]] = [{"steps": 5}, {"epochs": 2.0}]
        for changes in longer:
            if row.ends_with_run:
                with pytest.raises(ConfigError, match="fall to 0 at its last step"):
                    Session.resumed(tmp_path / name, changes)
            else:
                with Session.resumed(tmp_path / name, changes) as session:
                    assert session.total_steps > 3
        with Session.resumed(tmp_path / name, {"steps": 3, "log_every": 2}) as session:
            assert session.total_steps == 3
    assert {row.ends_with_run for row in LR_SCHEDULES.values()} == {True, False}
