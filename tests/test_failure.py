"""Test the controlled experiment at a small size: resuming, its measurements and its text."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsmnp.errors import ConfigError, DataError
from vsmnp.paper.reproduce import grid
from vsmnp.paper.reproduce.failure import cells as failure_cells
from vsmnp.paper.reproduce.failure import experiment as failure
from vsmnp.paper.reproduce.failure import findings, measures, tables
from vsmnp.paper.reproduce.grid import Cell
from vsmnp.runs.session import Run, Session

_TINY: Mapping[str, Any] = {
    "hidden": (4,),
    "steps": 3,
    "batch_size": 20,
    "kernels": "reference",
    "samples": 3,
}


def _tiny(cell: Cell) -> Cell:
    return replace(cell, settings=replace(cell.settings, **_TINY))


@pytest.fixture
def miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = tuple(_tiny(cell) for cell in failure_cells.quick_grid() if cell.labels["inference"] == "kl")
    monkeypatch.setattr(failure_cells, "quick_grid", lambda: cells)
    monkeypatch.setattr(failure, "_QUICK_DRAWS", 50)
    monkeypatch.setattr(failure, "_QUICK_REPEATS", 3)
    monkeypatch.setattr(measures, "_TEST_POINTS", 30)


def _ignore(done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.mark.usefixtures("miniature")
def test_it_runs_and_a_second_time_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = failure.reproduce(tmp_path, True, _ignore)
    assert {path.name for path in first.files} == {"failure.png", "failure.csv", "gradient_variance.csv"}
    assert all(path.stat().st_size for path in first.files)
    with (tmp_path / "failure.csv").open() as file:
        assert [row["objective"] for row in csv.DictReader(file)] == list(failure_cells.OBJECTIVES)
    (row,) = (row for row in first.data["gradient_variance"] if row["objective"] == "m1")
    assert row["ratio_to_m1"] == 1
    assert tables.read(tmp_path) == (first.data["rows"], first.data["gradient_variance"])

    def never(*_: object) -> None:
        raise AssertionError("trained or evaluated again")

    monkeypatch.setattr(Session, "train", never)
    monkeypatch.setattr(measures, "prior_estimate", never)
    again = failure.reproduce(tmp_path, True, _ignore)
    assert again.data == first.data
    assert again.findings == first.findings


def _run(folder: Path) -> Run:
    cell = _tiny(failure_cells.quick_grid()[1])
    return grid.train_cell(cell, folder, lambda step: None)


def test_a_half_trained_cell_resumes_where_it_stopped(tmp_path: Path) -> None:
    cell = _tiny(failure_cells.quick_grid()[0])
    whole = grid.train_cell(cell, tmp_path / "whole", lambda step: None)
    (tmp_path / "half").mkdir()
    shorter = replace(cell, settings=replace(cell.settings, log_every=1))
    session = Session.new(shorter.settings, folder=tmp_path / "half" / cell.name)
    session.trainer.step(session.state)
    session.save(session.state)
    session.close()
    half = grid.train_cell(cell, tmp_path / "half", lambda step: None)
    np.testing.assert_array_equal(half.vae.theta, whole.vae.theta)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    cell = _tiny(failure_cells.quick_grid()[0])
    grid.train_cell(cell, tmp_path, lambda step: None)
    other = replace(cell, settings=replace(cell.settings, lr=1.0))
    with pytest.raises(ConfigError, match=r"holds a run with lr = .*, not 1\.0"):
        grid.train_cell(other, tmp_path, lambda step: None)


@pytest.mark.parametrize("damage", ["", "[1, 2]", '{"of": 1}', "\0"])
def test_damaged_measurements_are_made_again(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_TEST_POINTS", 30)
    run = _run(tmp_path)
    assert run.folder is not None
    expected = measures.measure(run, 50)
    (run.folder / "measured.json").write_text(damage)
    assert measures.measure(run, 50) == expected


def test_reconstruction_variance_of_a_linear_decoder(tmp_path: Path) -> None:
    """For g = W z it is ``sum_ij W_ij^2 s_j^2``; a one-layer decoder is one."""
    run = _run(tmp_path)
    settings = replace(run.settings, seeds=(0,), dtype="float64")
    linear = replace(run.vae.model, decoder=run.vae.model.decoder.layers[-1].__class__(2, 2))  # type: ignore[attr-defined]
    theta = np.random.default_rng(0).standard_normal((1, linear.theta_layout.size))
    vae = replace(run.vae, model=linear, phi=run.vae.phi[:1].astype(float), theta=theta, seeds=(0,))
    run = replace(run, vae=vae, settings=settings)
    x = run.dataset.test(0, np.float64)[:1000]
    _, s = vae.encode(x)
    w = linear.decoder_part(theta)["w"][0]
    exact = ((s[0] ** 2) @ (w**2).sum(0)).mean()
    (found,) = measures.reconstruction_variance(run, x)
    # 64 samples of 1000 points: the relative standard error of a variance is sqrt(2/63/1000), if independent
    assert abs(found / exact - 1) < 4 * np.sqrt(2 / 63 / 1000)


def test_the_full_grid_is_the_one_that_was_announced() -> None:
    cells = failure_cells.full_grid()
    assert len({cell.name for cell in cells}) == len(cells)
    main = [
        cell for cell in cells if cell.labels["activation"] == "relu" and cell.labels["batch_size"] == 200
    ]
    for dataset in ("mixture", "star"):
        for inference in ("kl", "fisher"):
            for encoder_steps, models in ((2, 10), (5, 3)):
                labels = {"dataset": dataset, "inference": inference, "encoder_steps": encoder_steps}
                here = [c for c in main if labels.items() <= c.labels.items()]
                assert len(here) == len(failure_cells.OBJECTIVES)
                assert {len(c.settings.seeds) for c in here} == {models}
                assert {(c.settings.samples, c.settings.steps) for c in here} == {(5, 5000)}


def _row(objective: str, nll: float) -> dict[str, Any]:
    labels = {
        "dataset": "mixture", "inference": "kl", "objective": objective, "encoder_steps": 2,
        "activation": "relu", "batch_size": 200, "models": 2,
    }  # fmt: skip
    figures = {name: [nll, nll] for name in measures.METRICS}
    return measures.summary(labels, figures)


def test_the_findings_follow_the_numbers() -> None:
    nll = dict.fromkeys(failure_cells.OBJECTIVES, 2.0) | {"elbo": 1.0, "m3-unbiased": 0.5}
    told = " ".join(findings.findings([_row(name, value) for name, value in nll.items()], []))
    assert "m3-unbiased -0.5" in told
    assert "m3-unbiased: at least as good as the ELBO in 1 of 1 settings; at worst -0.5 nats." in told
    assert "m3-as-published: at least as good as the ELBO in 0 of 1 settings; at worst +1 nats." in told


@pytest.mark.parametrize("damage", [None, "", "a,b\n1,2\n", "\0"])
def test_a_file_that_is_no_record_is_refused(damage: str | None, tmp_path: Path) -> None:
    if damage is not None:
        (tmp_path / "failure.csv").write_text(damage)
    with pytest.raises(DataError, match="is not what 'vsmnp reproduce failure' writes"):
        tables.read(tmp_path)
