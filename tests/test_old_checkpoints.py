"""Test that checkpoints of an earlier version are resumed with the same results as in that version.

``golden/checkpoints`` has five runs of 10 steps, written by version 0.1.0 at commit 67dec1f, and the
parameters after 20 steps of the same runs in one piece, in float64 on ``reference``. On one machine they are
equal bit for bit; libraries of linear algebra on others round differently. A bias before a batch norm has the
gradient 0, and what Adam moves it by is the rounding of that: at most lr |g| / eps in a step.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vsmnp.runs import checkpoint
from vsmnp.runs.session import Session
from vsmnp.settings import in_effect
from vsmnp.settings.in_effect import batch_norm, settings_in_effect
from vsmnp.settings.left_open import SD_INIT
from vsmnp.settings.resolve import from_stored
from vsmnp.settings.settings import Settings

#: Gradients that are the rounding of 0, and the most that ten steps of Adam move a parameter by them.
ROUNDING, MOVED = 1e-12, 1e-6

GOLDEN = Path(__file__).parent / "golden" / "checkpoints"


@pytest.mark.parametrize(("standardize", "sd"), [("none", 0.1), ("columns", 1.0), ("whiten", 1.0)])
def test_an_initial_sd_that_a_version_left_open_is_that_of_the_version(standardize: str, sd: float) -> None:
    values = {**Settings().to_mapping(), "standardize": standardize}
    assert from_stored({**values, "sd_init": 0.0}).sd_init == sd
    assert from_stored({**values, "sd_init": 0.3}).sd_init == 0.3
    assert from_stored({**values, "gamma": "0.5"}).sd_init == 0, "gamma is fixed, and nothing is decided"


def test_a_new_run_keeps_the_initial_sd_that_it_decides(tmp_path: Path) -> None:
    chosen = Settings(kernels="reference", steps=1, batch_size=10, hidden=(3,))
    session = Session.new(chosen, folder=tmp_path / "run")
    session.train()
    assert Session.resumed(tmp_path / "run").trainer.settings.sd_init == SD_INIT
    assert chosen.sd_init == 0


def test_a_new_run_keeps_the_length_that_it_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version with other defaults trains it for as long; an open length that is asked for is its own."""
    monkeypatch.setattr(in_effect, "STEPS", 3)
    Session.new(Settings(kernels="reference", batch_size=10, hidden=(3,)), folder=tmp_path / "run").close()
    assert "steps = 3\n" in (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")
    monkeypatch.setattr(in_effect, "STEPS", 5)
    with Session.resumed(tmp_path / "run") as session:
        assert (session.trainer.settings.steps, session.total_steps) == (3, 3)
        assert settings_in_effect(session.trainer.settings)["steps"] == "3"
    with Session.resumed(tmp_path / "run", {"steps": 0}) as session:
        assert (session.trainer.settings.steps, session.total_steps) == (5, 5)


def test_an_open_length_that_a_version_stored_is_that_of_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attribute ``steps`` has the number of steps beside the settings, which had 0."""
    monkeypatch.setattr(in_effect, "STEPS", 3)
    Session.new(Settings(kernels="reference", batch_size=10, hidden=(3,)), folder=tmp_path / "run").close()
    path = tmp_path / "run" / "checkpoint.h5"
    arrays, attributes = checkpoint.load(path)
    attributes["settings"]["steps"] = 0
    checkpoint.save(path, arrays, attributes)
    monkeypatch.setattr(in_effect, "STEPS", 5)
    for to_read in (True, False):
        with Session.resumed(tmp_path / "run", to_read=to_read) as session:
            assert (session.trainer.settings.steps, session.total_steps) == (3, 3)


def test_an_open_length_is_decided_by_the_data_where_their_number_is_not_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an epoch here, also if all of what is known of the data is missing."""
    chosen = Settings(kernels="reference", steps=3, batch_size=10, hidden=(3,))
    Session.new(chosen, folder=tmp_path / "run").close()
    path = tmp_path / "run" / "checkpoint.h5"
    arrays, attributes = checkpoint.load(path)
    monkeypatch.setattr(in_effect, "MOST_EPOCHS", 1)
    monkeypatch.setattr(in_effect, "STEPS", 10**9)
    for facts in ({}, {"dataset": {}}):
        checkpoint.save(path, arrays, {**{k: v for k, v in attributes.items() if k != "dataset"}, **facts})
        with Session.resumed(tmp_path / "run", {"steps": 0}) as session:
            epoch = round(in_effect.steps_per_epoch(session.trainer.settings, session.dataset.n_train))
            assert (session.trainer.settings.steps, session.total_steps) == (epoch, epoch)


@pytest.mark.parametrize("kind", sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir()))
def test_a_checkpoint_of_an_earlier_version_resumes(kind: str, tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / kind, tmp_path / kind)
    changes: dict[str, Any] = {"steps": 20}
    if kind == "convolutional":
        changes["dataset"] = str(GOLDEN / "images.npy")  # the data of that run, at their new place
    session = Session.resumed(tmp_path / kind, changes)
    assert session.state.step == 10
    run = session.train()
    assert run.step == 20
    expected = "expected_convolutional.h5" if kind == "convolutional" else "expected.h5"
    with h5py.File(GOLDEN / expected) as file:
        assert session.last is not None
        memories = session.last.phi_memory, session.last.theta_memory
        for name, found, memory in zip(("phi", "theta"), (run.vae.phi, run.vae.theta), memories, strict=True):
            known = file[f"{kind}/{name}"][:]
            is_noise = (np.sqrt(memory.v) < ROUNDING) & (batch_norm(session.trainer.settings) != "off")
            np.testing.assert_allclose(found[~is_noise], known[~is_noise], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(found[is_noise], known[is_noise], rtol=0, atol=MOVED)
            assert is_noise.mean() < 0.5
