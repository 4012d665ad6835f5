"""Test that an architecture is added by the files that CONTRIBUTING.md lists, trained with and evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from extended_tree import ExtendedTree, how_to

ARCHITECTURE = '''
"""Linear networks: a dense layer each way."""

from __future__ import annotations

from ...layers.compose import Chain
from ...layers.dense import Dense


def linear(d_x: int, features: int, latent: int) -> tuple[Chain, Chain]:
    """Build the encoder and the decoder."""
    return Chain((Dense(d_x, features),)), Chain((Dense(latent, d_x),))
'''
FEW = ("--steps", "6", "--batch-size", "50", "--samples", "2", "--latent", "3")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ExtendedTree:
    tree = ExtendedTree(tmp_path_factory.mktemp("tree"))
    tree.add("vsmnp/model/networks/linear.py", ARCHITECTURE)
    tree.edit(
        "vsmnp/settings/choices.py",
        '    "dcgan": ArchitectureRow(',
        '    "linear": ArchitectureRow("model.networks.linear:linear"),\n    "dcgan": ArchitectureRow(',
    )
    return tree


def test_two_files_are_touched(tree: ExtendedTree) -> None:
    listed = how_to("An architecture")
    assert tree.touched == {path.replace("<architecture>", "linear") for path in listed}
    assert len(tree.touched) == 2


@pytest.mark.parametrize("kernels", ["reference", "cpu"])
def test_a_run_trains_and_evaluates(tree: ExtendedTree, kernels: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tree.vsmnp("train", "--arch", "linear", "--kernels", kernels, *FEW, "--out", str(run))
    report = tree.vsmnp("evaluate", str(run), "--draws", "50", "--iwae-samples", "2", "--json")
    assert json.loads(report)
    tree.python(
        "import sys\n"
        "from vsmnp import load_run\n"
        "model = load_run(sys.argv[1]).vae.model\n"
        "assert model.phi_layout.count == 6 * 2 + 6 and model.theta_layout.count == 2 * 3 + 2 + 1",
        str(run),
    )


def test_the_settings_of_the_others_are_refused(tree: ExtendedTree) -> None:
    tree.python(
        "from vsmnp.errors import ConfigError\n"
        "from vsmnp.settings.settings import Settings\n"
        "for chosen in ({'hidden': (3,)}, {'width': 0.5}, {'batch_norm': 'frozen'}):\n"
        "    try: Settings(arch='linear', **chosen)\n"
        "    except ConfigError as error: assert 'not of linear' in str(error), error\n"
        "    else: raise AssertionError(chosen)"
    )
