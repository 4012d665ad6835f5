"""Test that the fused step of the parts of a minibatch is that of the whole minibatch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer

#: Every loss of a fused step that a divided minibatch has, every rule of gamma, and bi-level updates.
CHOICES: list[dict[str, Any]] = [
    {"objective": "elbo", "seeds": (0, 1), "kl_weight": 0.5},
    {"objective": "m2", "samples": 3, "gamma": "optimal", "inference": "fisher"},
    {"objective": "m3", "samples": 2, "inference": "fisher-reparam", "gamma": "optimal"},
    {"objective": "fae", "score_norm": "probe", "samples": 2},
    {"objective": "fae", "inference": "fisher", "samples": 2},
    {"objective": "m3", "samples": 2, "bilevel_steps": 2, "threads": 2},
    {"objective": "m2", "samples": 2, "bilevel_steps": 2, "inference": "fisher", "gamma": "optimal"},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_fused_parts_together_are_the_whole_minibatch(choice: dict[str, Any]) -> None:
    """A step from the same parameters moves them by the same, up to the rounding of sums."""
    settings = Settings.from_mapping({
        "activation": "tanh", "batch_size": 24, "dtype": "float64", "optimizer": "sgd", "hidden": (5,),
        "encoder_optimizer": "sgd", "noise": 0.1, **choice,
    })  # fmt: skip
    ends = []
    for parts in (1, 4):
        trainer = Trainer.build(load("cpu"), replace(settings, parts=parts), load_data("mixture"))
        assert trainer.fused is not None
        state = trainer.initial_state()
        before, info = state.copy(), trainer.step(state)
        moved = [state.phi - before.phi, state.theta - before.theta]
        ends.append([*moved, *info.report().values(), state.gamma_kept, state.gamma_floored])
    for whole, divided in zip(*ends, strict=True):
        np.testing.assert_allclose(divided, whole, rtol=1e-9, atol=1e-11 * np.abs(whole).max())
