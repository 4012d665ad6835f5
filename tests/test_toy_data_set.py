"""Test that a synthetic data set is added by the files that CONTRIBUTING.md lists, trained on and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from extended_tree import ExtendedTree, how_to

DATA_SET = '''
"""A two-dimensional dataset: a standard Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...types import Array
from ..dataset import Bounds
from .synthetic import Synthetic


@dataclass(frozen=True)
class Blob(Synthetic):
    """A standard Gaussian in the plane."""

    name: ClassVar[str] = "blob"
    bounds: ClassVar[Bounds] = Bounds(nll=float(np.log(2 * np.pi * np.e)), sm_loss=-1.0)
    normals: ClassVar[int] = 2

    def transform(self, n: Array, u: Array) -> Array:
        """Return the noise itself."""
        return n

    def log_density(self, x: Array) -> Array:
        """Compute ``log N(x; 0, I)``, ``(N,)``."""
        return np.asarray(-0.5 * (np.asarray(x) ** 2).sum(1) - np.log(2 * np.pi))

    def score(self, x: Array) -> Array:
        """Compute ``-x``, ``(N, 2)``."""
        return -np.asarray(x)
'''
CATALOGUE = "vsmnp/data/catalogue.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ExtendedTree:
    tree = ExtendedTree(tmp_path_factory.mktemp("tree"))
    tree.add("vsmnp/data/synthetic/blob.py", DATA_SET)
    tree.edit(
        CATALOGUE,
        "from .synthetic.mixture import Mixture",
        "from .synthetic.blob import Blob\nfrom .synthetic.mixture import Mixture",
    )
    tree.edit(CATALOGUE, "Pinwheel())", "Pinwheel(), Blob())")
    return tree


def test_two_files_are_touched(tree: ExtendedTree) -> None:
    listed = how_to("A data set")
    assert tree.touched == {name.replace("<data_set>", "blob") for name in listed}
    assert len(tree.touched) == 2


def test_the_set_is_listed_and_described(tree: ExtendedTree) -> None:
    assert "blob" in tree.vsmnp("data").splitlines()
    assert "A standard Gaussian in the plane." in tree.vsmnp("data", "blob")
    tree.python(
        "from vsmnp import load_data\n"
        "from vsmnp.errors import DataError\n"
        "try: load_data('blub')\n"
        "except DataError as error: assert ' blob,' in str(error), error"
    )


def test_the_set_is_trained_on_evaluated_and_drawn(tree: ExtendedTree, tmp_path: Path) -> None:
    tree.vsmnp(
        "train", "--dataset", "blob", "--kernels", "reference", "--steps", "3", "--batch-size", "20",
        "--hidden", "4", "--out", "run", "--quiet",
    )  # fmt: skip
    options = ("run", "--draws", "20", "--iwae-samples", "2", "--quiet")
    assert json.loads(tree.vsmnp("evaluate", *options, "--json"))["neg_elbo"] > 2.8379
    (row,) = (line for line in tree.vsmnp("evaluate", *options).splitlines() if line.startswith("nll "))
    assert "2.8379" in row.split()
    tree.vsmnp("plot", "run", "density", "--out", str(tmp_path / "density.png"))
    assert (tmp_path / "density.png").read_bytes().startswith(b"\x89PNG")
