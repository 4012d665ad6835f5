"""Test the table of losses in docs/architecture.md: the files of each loss, and which steps are composed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.kernels.cpu.step import losses
from vsmnp.kernels.cpu.step.stages import _BODIES
from vsmnp.kernels.cuda import step_plan
from vsmnp.settings.choices import INFERENCES, OBJECTIVES
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
COMPOSED = "composed"
#: Rows of options of a learning loss, with the settings that they stand for.
OF_LEARNING: dict[str, dict[str, Any]] = {
    "--bilevel-steps": {"bilevel_steps": 2}, "--as-published": {"objective": "m3", "as_published": True},
}  # fmt: skip
#: All rows of options.
OPTIONS: dict[str, dict[str, Any]] = {
    **OF_LEARNING, "--kl-weight": {"kl_weight": 2.0},
    "--fisher-weight": {"inference": "fisher", "fisher_weight": "covariance"},
}  # fmt: skip


def _rows() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each loss of the table with its cells; every line below the header is a row."""
    found = re.search(r"^\| objective \| composed \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert found, "docs/architecture.md has no table of the losses"
    for line in found[1].splitlines():
        names, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for name in re.findall(r"`([^`]*)`", names):
            yield name.removeprefix("--inference "), tuple(cell.strip("`") for cell in cells)


TABLE = dict(_rows())


def _trainer(name: str) -> Trainer:
    """Build a trainer whose steps have the loss of a row."""
    chosen: dict[str, Any] = {"batch_size": 10, **OPTIONS.get(name, {})}
    chosen |= {"objective": name} if name in OBJECTIVES else {}
    chosen |= {"inference": name} if name in INFERENCES else {}
    return Trainer.build(load("reference"), Settings.from_mapping(chosen), load_data("mixture"))


def _is_of_learning(name: str) -> bool:
    return name in OBJECTIVES or name in OF_LEARNING


def test_the_table_has_every_loss() -> None:
    choices = {field.name: set(field.metadata["choices"]) for field in fields(Settings)}
    assert TABLE.keys() == choices["objective"] | choices["inference"] | OPTIONS.keys()
    assert {len(cells) for cells in TABLE.values()} == {3}


@pytest.mark.parametrize("name", TABLE)
def test_the_composed_loss_is_in_the_file(name: str) -> None:
    trainer = _trainer(name)
    objective = trainer.learning if _is_of_learning(name) else trainer.inference
    modules = {cls.__module__ for cls in type(objective).__mro__}
    assert TABLE[name][0] in {module.replace(".", "/") + ".py" for module in modules}


@pytest.mark.parametrize("name", TABLE)
def test_the_fused_loss_of_the_cpu_is_in_the_file(name: str) -> None:
    spec = _trainer(name).spec
    is_fused = spec is not None and load("cpu").fused_step(spec) is not None
    if not is_fused:
        assert TABLE[name][1] == COMPOSED
        return
    assert spec is not None
    if spec.bilevel is not None:
        loss = losses.BACK.losses[spec.bilevel.inner.loss]
    elif _is_of_learning(name):
        loss = losses.LEARNING[spec.learning.loss]
    else:
        loss = losses.INFERENCE[spec.inference.loss]
    module = _BODIES[loss.share].__module__
    assert TABLE[name][1] == module.removeprefix("vsmnp.").replace(".", "/") + ".py"


@pytest.mark.parametrize("name", TABLE)
def test_the_fused_loss_of_a_gpu_is_in_a_file(name: str) -> None:
    spec = _trainer(name).spec
    is_fused = spec is not None and step_plan.obstacle(spec, 227 * 1024) is None
    assert (ROOT / TABLE[name][2]).is_file() == is_fused
    assert is_fused or TABLE[name][2] == COMPOSED
