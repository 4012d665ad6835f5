"""Test that each process of a sweep on GPUs sees one of them, and that its packs are those of a GPU."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_work import card

import vsmnp
from vsmnp.sweeps import sweep
from vsmnp.sweeps.cells import Cell, any_on_gpu, cells_of
from vsmnp.sweeps.driver import Driver
from vsmnp.sweeps.engines.cards import VISIBLE, visible_cards
from vsmnp.sweeps.engines.catalogue import EngineChoice
from vsmnp.sweeps.engines.completed import completed
from vsmnp.sweeps.engines.engine import Order
from vsmnp.sweeps.engines.local import LocalProcesses, ThisProcess
from vsmnp.sweeps.engines.slurm import SlurmJobs
from vsmnp.sweeps.packs import LARGEST, LARGEST_ON_GPU


def with_driver(monkeypatch: pytest.MonkeyPatch, count: Any) -> None:
    """Let CuPy find some GPUs."""
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=count)))
    monkeypatch.setitem(sys.modules, "cupy", cupy)


def no_driver() -> int:
    raise RuntimeError("cudaErrorInsufficientDriver")


@pytest.mark.parametrize(
    ("variable", "cards"),
    [
        ("3,5", ("3", "5")),
        ("GPU-8932f937, MIG-41b3", ("GPU-8932f937", "MIG-41b3")),
        ("-1", ()),
        ("3,-1,5", ("3",)),
        ("", ()),
        (None, ("0", "1", "2")),
    ],
)
def test_the_cards_are_those_that_this_process_sees(
    variable: str | None, cards: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_driver(monkeypatch, lambda: 3)
    monkeypatch.delenv(VISIBLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(VISIBLE, variable)
    assert visible_cards() == cards


def test_there_are_no_cards_without_a_driver_or_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    with_driver(monkeypatch, no_driver)
    assert visible_cards() == ()
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert visible_cards() == ()


def test_each_process_sees_one_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that replaces a lost one gets the same card."""
    monkeypatch.setenv(VISIBLE, "4,7")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    engine = EngineChoice(on_gpu=True).engine()
    assert engine == LocalProcesses(2, 0, ("4", "7"))
    items = [(number, tmp_path) for number in range(6)]
    with closing(completed(items, card, engine, Order(tmp_path))) as found:
        seen = [result for _, result in found]
    assert {card for _, card in seen} == {"4", "7"}
    of_process: dict[int, set[str]] = {}
    for process, each in seen:
        of_process.setdefault(process, set()).add(each)
    assert all(len(cards) == 1 for cards in of_process.values())
    assert len(of_process) == 3  # one was lost and replaced
    assert os.environ[VISIBLE] == "4,7"


def test_engines_take_a_card_for_each_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "0,1,2")
    assert EngineChoice(on_gpu=True, jobs=6).engine() == LocalProcesses(6, 0, ("0", "1", "2"))
    assert EngineChoice(jobs=6).engine() == LocalProcesses(6)
    slurm = EngineChoice("slurm", on_gpu=True).engine()
    assert isinstance(slurm, SlurmJobs)
    assert slurm.cards == 1
    monkeypatch.setenv(VISIBLE, "2")
    assert EngineChoice(on_gpu=True).engine() == ThisProcess()


@pytest.mark.parametrize("base", [{"device": "gpu"}, {"kernels": "cuda"}], ids=str)
def test_the_settings_decide_whether_a_sweep_is_on_cards(
    base: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[EngineChoice] = []

    def noted(choice: EngineChoice) -> Any:
        asked.append(choice)
        raise InterruptedError

    monkeypatch.setattr(sweep.EngineChoice, "engine", noted)
    for settings in ({}, base):
        with pytest.raises(InterruptedError):
            vsmnp.sweep({"seed": [0, 1]}, out="unused", **settings)
    assert [choice.on_gpu for choice in asked] == [False, True]


def test_packs_of_a_gpu_are_larger(tmp_path: Path) -> None:
    def sizes(base: dict[str, Any]) -> list[int]:
        cells = cells_of({"steps": 1, **base}, [{"seed": seed} for seed in range(3000)])
        assert any_on_gpu(cells) is bool(base)
        packs = Driver(tmp_path, ThisProcess()).packs([cell for cell in cells if isinstance(cell, Cell)])
        return [len(pack.cells) for pack in packs]

    assert max(sizes({})) == LARGEST
    assert sizes({"device": "gpu"}) == [1000] * 3
    assert max(sizes({"kernels": "cuda"})) <= LARGEST_ON_GPU
