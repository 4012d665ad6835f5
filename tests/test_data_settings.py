"""Test the settings and options that define how a table is read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vsmnp.cli import main
from vsmnp.errors import DataError
from vsmnp.runs.session import Session
from vsmnp.settings.resolve import dataset_of
from vsmnp.settings.settings import Settings


def test_the_settings_reach_the_table(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('city;"a;b";c;d\nOslo;1,5;2;7\nRome;;3;8\nBonn;2,5;4;9\n')
    wanted = Settings(dataset=str(path), columns="c,a;b", missing="drop")
    data = dataset_of(Settings.from_mapping(wanted.to_mapping()))
    assert data.columns == ("c", "a;b")
    assert (data.n_train, data.n_test) == (1, 1)
    assert dataset_of(Settings(dataset=str(path), drop_columns="city,a;b")).columns == ("c", "d")
    with pytest.raises(DataError, match="is no list of names of columns"):
        dataset_of(Settings(dataset=str(path), columns="c\nd"))


def test_the_remedies_in_messages_are_options(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("city,a,b\nOslo,1,2\nRome,,3\nBonn,2,4\nBern,3,5\n")
    command = ["data", str(path)]
    for remedy in (["--drop-columns", "city"], ["--missing", "drop"]):
        failed = CliRunner().invoke(main, command)
        assert failed.exit_code != 0
        assert " ".join(remedy) in failed.output
        command += remedy
    done = CliRunner().invoke(main, [*command, "--json"])
    facts = json.loads(done.stdout)
    assert facts["columns"] == ["a", "b"]
    assert facts["notes"] == ["1 of 4 rows lack values and were left out: 1 in column 'a' (first: line 3)."]


@pytest.mark.parametrize(("side", "wanted"), [(16, 32), (28, 32), (32, 0), (40, 64), (64, 0)])
def test_pictures_get_the_next_side_that_a_network_takes(
    tmp_path: Path, side: int, wanted: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "pictures.npy"
    np.save(path, np.ones((12, side, side), np.float32))
    settings = Settings(dataset=str(path), arch="dcgan", width=0.1, kernels="reference", steps=1)
    caplog.set_level("INFO")
    session = Session.new(settings)
    assert session.trainer.settings.image_size == wanted
    assert session.trainer.batches.dataset.image == (1, wanted or side, wanted or side)
    assert (f"those of {side} get --image-size {wanted}" in caplog.text) is bool(wanted)
    if wanted:  # as if the side had been chosen
        chosen = Session.new(replace(settings, image_size=wanted))
        assert chosen.trainer.settings == session.trainer.settings
        assert chosen.fingerprint == session.fingerprint
    perceptron = Session.new(replace(settings, arch="mlp", width=1.0))
    assert perceptron.trainer.settings.image_size == 0
