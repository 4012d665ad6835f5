"""Test that a new activation touches the files that CONTRIBUTING.md lists, and trains on every kernel set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from extended_tree import ROOT, ExtendedTree, how_to

from vsmnp.kernels.formulas import activations as scalar
from vsmnp.kernels.reference import activations as reference
from vsmnp.layers.activations import ACTIVATIONS


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ExtendedTree:
    """Copy the package and add ``y = x / sqrt(1 + x^2)``, whose slope is ``(1 - y^2)^(3/2)``."""
    tree = ExtendedTree(tmp_path_factory.mktemp("tree"))
    tree.edit(
        "kernels/reference/activations.py",
        '    "exp": Activation(',
        '    "bounded": Activation(\n'
        "        lambda x: x / np.sqrt(1 + x * x), lambda y: (1 - y * y) ** 1.5,\n"
        "        lambda y: -3 * y * np.sqrt(1 - y * y),\n"
        "    ),\n"
        '    "exp": Activation(',
    )
    formulas = "kernels/formulas/activations.py"
    tree.edit(
        formulas,
        "#: The activations by name.\n",
        "@formula\ndef _bounded(x: Any) -> Any:\n    return x / sqrt(like(x, 1) + x * x)\n\n\n"
        "@formula\ndef _bounded_slope(y: Any) -> Any:\n"
        "    u = like(y, 1) - y * y\n    return u * sqrt(u)\n\n\n"
        "@formula\ndef _bounded_curve(y: Any) -> Any:\n"
        "    return like(y, -3) * y * sqrt(like(y, 1) - y * y)\n\n\n"
        "#: The activations by name.\n",
    )
    tree.edit(formulas, "from collections.abc", "from math import sqrt\nfrom collections.abc")
    tree.edit(
        formulas,
        '    "exp": ScalarActivation(',
        '    "bounded": ScalarActivation(_bounded, _bounded_slope, _bounded_curve),\n'
        '    "exp": ScalarActivation(',
    )
    tree.edit(
        "kernels/cuda/cu/activations.cuh",
        "struct Exp {",
        "struct Bounded {\n"
        "    __device__ static real value(real x) { return x / sqrt(1 + x * x); }\n"
        "    __device__ static real slope(real y) { return (1 - y * y) * sqrt(1 - y * y); }\n"
        "    __device__ static real curve(real y) { return -3 * y * sqrt(1 - y * y); }\n"
        "};\n\nstruct Exp {",
    )
    layers = "vsmnp/layers/activations.py"
    tree.edit(
        layers,
        "#: The activations that a network may use",
        "@dataclass(frozen=True)\nclass Bounded(Elementwise):\n"
        '    """The activation ``x / sqrt(1 + x^2)``."""\n\n'
        '    f: ClassVar[ActivationName] = "bounded"\n\n\n'
        "#: The activations that a network may use",
    )
    tree.edit(layers, "Tanh())", "Tanh(), Bounded())")
    return tree


SETTINGS = {"hidden": (6,), "batch_size": 40, "steps": 4, "log_every": 2, "dtype": "float64"}
#: Inference and objective of steps of first and of second order. The kernels of the copy are compiled from
#: nothing: the ordinary run compiles those of one step.
METHODS = (
    ("kl", "m2"),
    pytest.param("fisher-reparam", "elbo", marks=pytest.mark.slow),
    pytest.param("fisher", "fae", marks=pytest.mark.slow),
)
#: Trains a few steps by an inference and an objective, and keeps the resulting phi and theta.
TRAINED = f"""
import sys
import numpy as np
from vsmnp.data import load_data
from vsmnp.kernels import load
from vsmnp.settings.settings import Settings
from vsmnp.training.trainer import Trainer

def train(k, fused):
    inference, objective = sys.argv[1:3]
    settings = Settings(**{SETTINGS}, activation="bounded", objective=objective, inference=inference)
    trainer = Trainer.build(k, settings, load_data("mixture"))
    assert (trainer.fused is not None) == fused
    state = trainer.initial_state()
    for _ in range(settings.steps):
        trainer.step(state)
    return np.concatenate([np.asarray(state.phi), np.asarray(state.theta)], axis=None)

wanted = train(load("reference"), False)
assert np.isfinite(wanted).all()
"""


def test_the_activation_touches_the_listed_files(tree: ExtendedTree) -> None:
    assert tree.touched == how_to("An activation")
    assert len(tree.touched) <= 4


@pytest.mark.parametrize("kernels", ["reference", pytest.param("cpu", marks=pytest.mark.slow)])
def test_a_run_trains_and_evaluates(tree: ExtendedTree, kernels: str, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    few = ["--steps", "6", "--batch-size", "50", "--hidden", "5", "--seed", "3"]
    tree.vsmnp("train", "--activation", "bounded", "--kernels", kernels, *few, "--out", run)
    report = tree.vsmnp("evaluate", run, "--draws", "50", "--iwae-samples", "2", "--json")
    assert '"nll"' in report


@pytest.mark.parametrize(("inference", "objective"), METHODS)
def test_the_fused_step_of_the_cpu_is_the_composed_one(
    tree: ExtendedTree, inference: str, objective: str
) -> None:
    tree.python(
        TRAINED + 'np.testing.assert_allclose(train(load("cpu"), True), wanted, rtol=1e-9, atol=1e-11)',
        inference, objective,
    )  # fmt: skip


@pytest.mark.parametrize(("inference", "objective"), METHODS)
def test_the_sources_of_a_card_compute_it(
    tree: ExtendedTree, inference: str, objective: str, tmp_path: Path
) -> None:
    """Fused and composed, by the CUDA sources run on this machine."""
    composed = "type(k).fused_step = lambda self, spec, division=None: None"
    tree.python(
        f"{TRAINED}\nsys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "from pathlib import Path\n"
        "from cushim.runner import ShimLauncher\nfrom cushim.sets import GEOMETRIES, kernel_set\n"
        "k = kernel_set(ShimLauncher(Path(sys.argv[3])), GEOMETRIES[0])\n"
        "np.testing.assert_allclose(train(k, True), wanted, rtol=1e-9, atol=1e-11)\n"
        f"{composed}\n"
        "np.testing.assert_allclose(train(k, False), wanted, rtol=1e-9, atol=1e-11)\n",
        inference, objective, str(tmp_path),
    )  # fmt: skip


def test_the_tables_have_the_same_names() -> None:
    assert list(scalar.ACTIVATIONS) == list(reference.ACTIVATIONS)
    assert set(ACTIVATIONS) < set(reference.ACTIVATIONS)


def test_a_curve_is_left_out_where_it_is_zero() -> None:
    y = np.linspace(-0.9, 0.9, 10)
    for name, formulas in scalar.ACTIVATIONS.items():
        assert (formulas.curve is None) == (not reference.ACTIVATIONS[name].curve(y).any())
