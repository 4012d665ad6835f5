"""Make the folder in which situations outside the readers of data are entered: runs, pictures and tables."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from platformdirs import user_cache_path

from vsmnp.runs.session import Session
from vsmnp.settings.settings import Settings

_ROWS = [f"{i},{i * 0.5},{i % 3}.25" for i in range(30)]


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Set the current folder, and the user's cache beside it."""
    folder.mkdir(exist_ok=True)
    patch.chdir(folder)
    for name in ("VSMNP_DATA", "XDG_CACHE_HOME"):
        patch.delenv(name, raising=False)
    patch.setattr(
        "platformdirs.user_cache_path",
        lambda project: Path(os.environ.get("XDG_CACHE_HOME", folder / "cache")),
    )


def enter_prepared(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Set the current folder to one with runs, pictures and tables, and make sets and evaluations small."""
    enter(folder, patch)
    # Loops are compiled once on a machine, and not in every folder.
    patch.setattr("vsmnp.kernels.cpu.machine_code_folder.user_cache", lambda: user_cache_path("vsmnp"))
    patch.setattr("vsmnp.cli.results.PRIOR_DRAWS", 50)
    patch.setattr("vsmnp.cli.results.IWAE_SAMPLES", 0)
    for name in ("samples", "curves"):
        patch.setattr(f"vsmnp.figures.{name}", lambda run, path: None)
    patch.setattr("vsmnp.data.synthetic.synthetic.Synthetic.n_train", 200)
    patch.setattr("vsmnp.data.synthetic.synthetic.Synthetic.n_test", 20)
    shutil.copytree(_template(), folder, dirs_exist_ok=True)


@cache
def _template() -> Path:
    """Make the folder once in a process: a run takes longer to train than to copy."""
    folder = Path(tempfile.mkdtemp(prefix="vsmnp-remedies-"))
    for name, shape in (("i32", (32, 32)), ("i20x28", (20, 28)), ("i70", (70, 70))):
        values = np.random.default_rng(0).integers(0, 256, (12, *shape), dtype=np.uint8)
        np.save(folder / f"{name}.npy", values)
    for name, lines in (
        ("t.csv", ["a,b,c", *_ROWS]), ("t.txt", _ROWS), ("gaps.csv", ["a,b,c", *_ROWS, "1,,2"])
    ):  # fmt: skip
        (folder / name).write_text("\n".join(lines) + "\n")
    settings = Settings(kernels="reference", hidden=(4,), steps=2, batch_size=10)
    for name, chosen in (("run", settings), ("scheduled", replace(settings, lr_schedule="cosine"))):
        with Session.new(chosen, folder=folder / name) as session:
            session.train()
    return folder
