"""Test that an objective is added by the files that CONTRIBUTING.md lists, trained with and evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from extended_tree import ExtendedTree, how_to

OBJECTIVE = '''
"""The toy objective, which is the mean of M1 and M2."""

from __future__ import annotations

from dataclasses import dataclass

from ..types import QuadraticForm
from ..types.step_spec import StepLoss
from .quadratic import Learning


@dataclass(frozen=True)
class Between(Learning):
    """The mean of M1 and M2 with the biased estimator, nats per sample."""

    fused_loss = StepLoss.SCORE_MATCHING

    def form(self) -> QuadraticForm:
        return QuadraticForm(c_each=1.5, c_mean=-0.5)
'''
FEW = ("--steps", "6", "--batch-size", "50", "--hidden", "5", "--samples", "2", "--dtype", "float64")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ExtendedTree:
    tree = ExtendedTree(tmp_path_factory.mktemp("tree"))
    tree.add("vsmnp/objectives/between.py", OBJECTIVE)
    tree.edit(
        "vsmnp/settings/choices.py",
        '    "fae": ObjectiveRow(',
        '    "between": ObjectiveRow("objectives.between:Between", label="M1.5"),\n    "fae": ObjectiveRow(',
    )
    return tree


def test_two_files_are_touched(tree: ExtendedTree) -> None:
    listed = how_to("An objective")
    assert tree.touched == {path.replace("<objective>", "between") for path in listed}
    assert len(tree.touched) == 2


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_a_run_trains_and_evaluates(tree: ExtendedTree, kernels: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tree.vsmnp("train", "--objective", "between", "--kernels", kernels, *FEW, "--out", str(run))
    assert 'objective = "between"' in (run / "config.toml").read_text()
    report = tree.vsmnp("evaluate", str(run), "--draws", "50", "--iwae-samples", "2", "--json")
    assert json.loads(report)


def test_the_other_tables_contain_it(tree: ExtendedTree) -> None:
    """Its gradient is the mean of those of M1 and M2, fused or not; titles, checks and benchmarks name it."""
    tree.python(
        """
import numpy as np
from vsmnp.bench.case import Case
from vsmnp.data import load_data
from vsmnp.errors import ConfigError
from vsmnp.figures.labels import method
from vsmnp.kernels import load
from vsmnp.objectives import M1, M2
from vsmnp.rng import Key, Stream
from vsmnp.settings.settings import Settings
from vsmnp.training.build import named_objective
from vsmnp.training.trainer import Trainer

settings = Settings(objective="between", samples=2, dtype="float64", hidden=(5,), steps=4, batch_size=50)
assert method(settings) == "M1.5 with KL inference"
assert Case(objective="between").name.startswith("K-BETWEEN/")
try:
    Settings(objective="between", squared_mean="biased")
    raise AssertionError
except ConfigError as error:
    assert "--squared-mean is a part of m2 and m3, not of between" in str(error), error

k, ends = load("cpu"), []
for may_fuse in (True, False):
    trainer = Trainer.build(k, settings, load_data("mixture"), may_fuse)
    assert (trainer.fused is not None) == may_fuse
    state = trainer.initial_state()
    x = k.asarray(trainer.batches.clean(0))
    key = Key((0,), Stream.LEARNING)
    theirs = [each(k, trainer.model, state.phi, state.theta, x, key).g_theta for each in (M1(2), M2(2))]
    mine = named_objective("between", 2)(k, trainer.model, state.phi, state.theta, x, key).g_theta
    np.testing.assert_allclose(mine, (theirs[0] + theirs[1]) / 2, rtol=1e-9, atol=1e-12)
    for _ in range(settings.steps):
        trainer.step(state)
    ends.append(state.theta)
np.testing.assert_allclose(*ends, rtol=1e-9, atol=1e-11)
"""
    )
