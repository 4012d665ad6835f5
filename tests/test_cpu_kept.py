"""Test that a fused step keeps what bi-level updates compute within a bound, which changes no result."""

from __future__ import annotations

from typing import Any

import pytest
from test_cpu_step import BASE, Course, agree, course

from vsmnp.kernels import load
from vsmnp.kernels.cpu.step import plan
from vsmnp.kernels.cpu.step.step import CpuStep
from vsmnp.settings.resolve import dataset_of
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer

UPDATES: dict[str, Any] = {"objective": "m3", "samples": 2, "bilevel_steps": 3, "bilevel_lr": 0.02}
NETWORKS: list[dict[str, Any]] = [
    {"activation": "relu"},
    {"activation": "elu", "sigmoid_output": True},
    {"inference": "fisher", "activation": "tanh", "threads": 2, "seeds": (3,), "batch_size": 1000},
    {"inference": "fisher", "fisher_weight": "covariance", "scale": "softplus", "threads": 2},
]


def fused(settings: dict[str, Any]) -> CpuStep:
    """Build the fused step of the settings."""
    chosen = Settings(**{**BASE, **settings})
    step = Trainer.build(load("cpu"), chosen, dataset_of(chosen)).fused
    assert isinstance(step, CpuStep)
    return step


def kept(settings: dict[str, Any], batch: int) -> tuple[int, int]:
    """Return the number of updates that are kept, and the bytes of the tiles of one thread."""
    back = fused(settings).updates(batch).back
    assert back is not None
    return back.kept, back.tile_bytes


@pytest.mark.parametrize("settings", NETWORKS, ids=str)
def test_it_does_not_matter_which_updates_are_kept(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**UPDATES, **settings}
    batch = settings.get("batch_size", BASE["batch_size"])
    assert kept(settings, batch)[0] == 3
    all_kept = course(True, **settings)
    monkeypatch.setattr(plan, "KEPT_BYTES", 0)
    none = kept(settings, batch)
    assert none[0] == 0
    courses: list[Course] = [course(True, **settings)]
    monkeypatch.setattr(plan, "KEPT_BYTES", 1 << 23)
    one_update = (kept(settings, batch)[1] - none[1]) // 3
    monkeypatch.setattr(plan, "KEPT_BYTES", one_update)
    assert kept(settings, batch) == (1, none[1] + one_update)
    courses.append(course(True, **settings))
    for each in courses:
        agree(each, all_kept, 0.0)


def test_the_memory_is_bounded() -> None:
    usual = {**UPDATES, "samples": 1, "dtype": "float32", "hidden": (30, 30)}
    updates, sizes = zip(*(kept({**usual, "bilevel_steps": K}, 1000) for K in (1, 5, 20, 100)), strict=True)
    own = sizes[0] - (sizes[1] - sizes[0]) // 4
    assert updates[:2] == (1, 5)
    assert updates[2] == updates[3] < 20
    assert max(sizes) - own <= plan.KEPT_BYTES
    assert kept(usual, 10**5)[0] == 0
