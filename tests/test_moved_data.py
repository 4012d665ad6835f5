"""A run stands on its own: what needs no data works without them; the same values elsewhere are the data."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import vsmnp
from vsmnp.cli import main
from vsmnp.errors import CheckpointError, ConfigError, DataError
from vsmnp.runs.session import Session


@pytest.fixture
def moved(tmp_path: Path) -> tuple[Path, Path]:
    """Return a run whose data file has moved, and its new place."""
    lines = np.random.default_rng(0).standard_normal((200, 3))
    with (tmp_path / "mine.csv").open("w") as file:
        file.write("a,b,c\n" + "\n".join(",".join(map(repr, map(float, row))) for row in lines) + "\n")
    vsmnp.train(str(tmp_path / "mine.csv"), steps=6, hidden=(4,), out=tmp_path / "run")
    (tmp_path / "new").mkdir()
    return tmp_path / "run", Path(shutil.move(tmp_path / "mine.csv", tmp_path / "new" / "mine.csv"))


def vsmnp_command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_what_needs_no_data_works_without_them(moved: tuple[Path, Path], tmp_path: Path) -> None:
    folder, new = moved
    shown = vsmnp_command("info", folder)
    assert shown.exit_code == 0, shown.output
    for word in ("mine.csv", "a, b, c", "standard deviations", "columns"):
        assert word in shown.output
    drawn = vsmnp_command("sample", folder, "-n", 2)
    assert drawn.output.splitlines()[0] == "seed,a,b,c"
    for figure in ("curves", "evaluation"):
        assert vsmnp_command("plot", folder, figure, "--out", tmp_path / "x.png").exit_code == 0
    run = vsmnp.load_run(folder)
    x = np.loadtxt(new, delimiter=",", skiprows=1)[:5]
    assert run.vae.reconstruct(x).shape == (1, 5, 3)
    assert (run.dataset.columns, run.dataset.n_train, run.dataset.shape) == (("a", "b", "c"), 180, (3,))


def test_kept_evaluations_are_compared_without_data(moved: tuple[Path, Path], tmp_path: Path) -> None:
    folder, new = moved
    picture = tmp_path / "compared.png"
    few = ("--draws", 50, "--iwae-samples", 0)
    refused = vsmnp_command("compare", folder, *few, "--out", picture)
    assert refused.exit_code == 1
    assert "name their new place by --dataset (of train --resume, evaluate and plot)" in refused.output
    assert vsmnp_command("evaluate", folder, *few, "--dataset", new).exit_code == 0
    kept = (folder / "evaluation.json").stat().st_mtime_ns
    compared = vsmnp_command("compare", folder, folder, *few, "--out", picture)
    assert compared.exit_code == 0, compared.output
    assert "Note" not in compared.output
    assert picture.exists()
    assert (folder / "evaluation.json").stat().st_mtime_ns == kept, "what was only read is written again"


def test_commands_that_need_data_report_it_and_the_remedies_work(
    moved: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, new = moved
    with pytest.raises(DataError, match="--dataset"):
        vsmnp.evaluate(vsmnp.load_run(folder), prior_draws=50)
    for command in (("evaluate", folder, "-q"), ("plot", folder, "samples", "--out", tmp_path / "x.png")):
        refused = vsmnp_command(*command)
        assert refused.exit_code != 0
        assert "are no longer at" in refused.output
        assert "--dataset" in refused.output
        assert vsmnp_command(*command, "--dataset", new).exit_code == 0
    assert vsmnp.evaluate(vsmnp.load_run(folder, new), prior_draws=50)["nll"][0] is not None
    with pytest.raises(DataError, match="train --resume"):
        Session.resumed(folder)
    resumed = vsmnp_command("train", "--resume", folder, "--dataset", new, "--steps", 9, "-q")
    assert resumed.exit_code == 0, resumed.output
    assert vsmnp_command("evaluate", folder, "-q").exit_code == 0  # the new place is stored


def test_the_same_values_are_the_same_data_and_others_are_refused(
    moved: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, new = moved
    x = np.loadtxt(new, delimiter=",", skiprows=1)
    np.save(tmp_path / "same.npy", x)
    x[17, 1] += 1e-3
    np.save(tmp_path / "other.npy", x)
    assert Session.resumed(folder, {"dataset": str(tmp_path / "same.npy")}, dry=True).state.step == 6
    for refused in (Session.resumed, lambda at, changes: vsmnp.load_run(at, changes["dataset"])):
        with pytest.raises(ConfigError, match=r"--dataset .*other.npy differs from the data of the run"):
            refused(folder, {"dataset": str(tmp_path / "other.npy")})
        with pytest.raises(DataError, match=r"missing.npy do not exist"):
            refused(folder, {"dataset": str(tmp_path / "missing.npy")})


def test_changed_data_are_noticed_at_their_first_use(moved: tuple[Path, Path], tmp_path: Path) -> None:
    folder, new = moved
    x = np.loadtxt(new, delimiter=",", skiprows=1)
    np.savetxt(tmp_path / "mine.csv", 2 * x, delimiter=",", header="a,b,c", comments="")
    run = vsmnp.load_run(folder)
    with pytest.raises(CheckpointError, match="no longer those"):
        _ = run.test_set
