"""Test that nothing but the own sentences is printed, and that a table that may be cut is one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vsmnp.data import load_data


def test_a_home_that_cannot_be_written_is_no_concern(tmp_path: Path) -> None:
    """Matplotlib would print some lines on its folder, which lies below a file here."""
    (tmp_path / "home").write_text("a file where a folder should be")
    program = (
        "from vsmnp.figures.backend import import_matplotlib; import_matplotlib(); "
        "import matplotlib.font_manager"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    environment |= {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "home" / "config")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True,
        env={**environment, "XDG_CACHE_HOME": str(tmp_path / "home" / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("options", [["--lr", "1e3"], ["--sd-init", "1e30"], ["--sd-init", "1e-30"]])
def test_extreme_settings_print_no_warning_of_python(tmp_path: Path, options: list[str]) -> None:
    arguments = [
        "train", "--kernels", "reference", "--hidden", "3", "--steps", "3", "--batch-size", "10",
        "--samples", "2", "--out", str(tmp_path / "run"), "--dataset", str(tmp_path / "x.csv"), *options,
    ]  # fmt: skip
    np.savetxt(tmp_path / "x.csv", np.random.default_rng(0).standard_normal((40, 2)), delimiter=",")
    done = subprocess.run([sys.executable, "-m", "vsmnp", *arguments], capture_output=True, text=True)
    assert "Warning" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_table_that_may_be_cut_has_a_note(tmp_path: Path, end: str) -> None:
    """A number that was cut is one too; a line with fewer fields is refused."""
    path = tmp_path / "x.csv"
    path.write_bytes(("\n".join(f"{i}.25,{i}.5" for i in range(20)) + end).encode())
    notes = load_data(str(path)).notes
    assert any("The last line of x.csv has no end: if the file was cut" in note for note in notes) == (
        not end
    )
