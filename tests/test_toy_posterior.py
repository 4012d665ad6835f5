"""Test that a posterior is added by the files that CONTRIBUTING.md lists, trained with and evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from extended_tree import ExtendedTree, how_to

POSTERIOR = '''
"""A Gaussian posterior whose standard deviation is the temperature."""

from __future__ import annotations

from dataclasses import dataclass

from ..types import Array, Kernels
from .gaussian import DiagonalGaussian
from .posterior import Moments


@dataclass(frozen=True)
class Ball(DiagonalGaussian):
    """The posterior ``q(z|x) = N(z; mu(x), T^2 I)``; the encoder outputs mu."""

    temperature: float = 0.5

    @property
    def n_features(self) -> int:
        return self.d_z

    def moments(self, k: Kernels, features: Array) -> Moments:
        return Moments(features, 0 * features + self.temperature)

    def vjp(self, k: Kernels, q: Moments, gmu: Array, gs: Array) -> Array:
        return gmu
'''
FEW = ("--steps", "6", "--batch-size", "50", "--hidden", "5", "--samples", "2", "--latent", "3")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ExtendedTree:
    tree = ExtendedTree(tmp_path_factory.mktemp("tree"))
    tree.add("vsmnp/model/ball.py", POSTERIOR)
    tree.edit(
        "vsmnp/settings/choices.py",
        '    "bernoulli": PosteriorRow(',
        '    "ball": PosteriorRow("model.ball:Ball", reads=("temperature",), inferences=("kl", "fisher")),\n'
        '    "bernoulli": PosteriorRow(',
    )
    return tree


def test_two_files_are_touched(tree: ExtendedTree) -> None:
    listed = how_to("A posterior")
    assert tree.touched == {path.replace("<posterior>", "ball") for path in listed}
    assert len(tree.touched) == 2


@pytest.mark.parametrize("inference", ["kl", "fisher"])
def test_a_run_trains_and_evaluates(tree: ExtendedTree, inference: str, tmp_path: Path) -> None:
    """Its settings are passed to it, and the encoder has the outputs that it needs."""
    run = tmp_path / "run"
    chosen = ("--posterior", "ball", "--temperature", "0.25", "--inference", inference)
    tree.vsmnp("train", *chosen, *FEW, "--out", str(run))
    report = tree.vsmnp("evaluate", str(run), "--draws", "50", "--iwae-samples", "2", "--json")
    assert json.loads(report)
    tree.python(
        "import sys\n"
        "import numpy as np\n"
        "from vsmnp import load_run\n"
        "mu, s = load_run(sys.argv[1]).vae.encode(np.zeros((4, 2)))\n"
        "assert mu.shape == (1, 4, 3) and (s == 0.25).all(), (mu.shape, s)",
        str(run),
    )


def test_what_does_not_go_with_it_is_refused(tree: ExtendedTree) -> None:
    tree.python(
        "from vsmnp.errors import ConfigError\n"
        "from vsmnp.settings.settings import Settings\n"
        "for chosen in ({'inference': 'fisher-reparam', 'posterior': 'ball'}, {'temperature': 0.25}):\n"
        "    try: Settings(**chosen)\n"
        "    except ConfigError as error: assert 'ball' in str(error), error\n"
        "    else: raise AssertionError(chosen)"
    )
