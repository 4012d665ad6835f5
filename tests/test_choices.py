"""Test the closed sets: stated once, true in every row, unknown names refused by one sentence."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from import_graph import MODULES, tree

from vsmnp.bench.suites import SuiteChoice
from vsmnp.errors import ConfigError
from vsmnp.kernels import NAMES, load
from vsmnp.layers.activations import ACTIVATIONS
from vsmnp.model.gaussian import DiagonalGaussian
from vsmnp.model.initial import initial_parameters
from vsmnp.model.networks.mlp import activation_named
from vsmnp.model.vae import GaussianVAE
from vsmnp.settings.choices import (
    ARCHITECTURES,
    CHOSEN_BY,
    GAMMA_RULES,
    IMAGE_ARCHITECTURES,
    INFERENCES,
    INITIAL,
    OBJECTIVES,
    OPTIMIZERS,
    POSTERIORS,
    SUITES,
    Member,
    imported,
)
from vsmnp.settings.presets import PRESETS, preset
from vsmnp.settings.settings import Settings
from vsmnp.training.build import build_model, ingredients, named_objective
from vsmnp.training.optimizers import optimizer

SETS = {
    "objective": OBJECTIVES, "inference": INFERENCES, "posterior": POSTERIORS, "arch": ARCHITECTURES,
    "gamma": GAMMA_RULES, "optimizer": OPTIMIZERS, "initial": INITIAL,
}  # fmt: skip
ROWS = [(chosen, name) for chosen, members in SETS.items() for name in members]
#: The members that are called with arguments by name, not in order.
BY_NAME = [
    (chosen, name)
    for chosen, name in ROWS
    if chosen != "initial" and not (chosen == "arch" and ARCHITECTURES[name].of_images)
]
PARTS = {spec.name: spec.metadata["part"] for spec in dataclasses.fields(Settings)}


@pytest.mark.parametrize(("chosen", "name"), ROWS)
def test_a_row_names_what_exists(chosen: str, name: str) -> None:
    member: Member = SETS[chosen][name]
    assert callable(member.load())
    for setting in member.reads:
        assert PARTS[setting].of == chosen


@pytest.mark.parametrize(("chosen", "name"), BY_NAME)
def test_a_member_has_the_parameters_that_a_run_gives(chosen: str, name: str) -> None:
    """Each is built from values by the names of its parameters, and accepts every setting that it reads."""
    places = [SETS[chosen][name].place]
    if name in OBJECTIVES and chosen == "objective":
        row = OBJECTIVES[name]
        places += [row.published] * bool(row.published)
        places += [row.joint.inference, row.joint.both] if row.joint else []
    values = {*ingredients(Settings()), "d_x", "features", "gamma", "beta1", "beta2", "eps"}
    for place in places:
        assert set(inspect.signature(imported(place)).parameters) <= values


def test_what_a_setting_belongs_to_reads_it() -> None:
    chosen = {setting: part.of for setting, part in PARTS.items() if part is not None}
    assert chosen
    for setting, of in chosen.items():
        assert any(setting in member.reads for member in CHOSEN_BY[of].values()), setting


class _Elsewhere:
    """A dataset that is not an image."""

    dim, image, name, shape = 2, None, "here", (2,)


UNKNOWN: dict[str, tuple[Callable[[], object], Iterable[str]]] = {
    "objective by name": (lambda: named_objective("nothing", 2), [*OBJECTIVES, *INFERENCES]),
    "optimiser": (lambda: optimizer("nothing"), OPTIMIZERS),
    "activation": (lambda: activation_named("nothing"), ACTIVATIONS),
    "architecture": (
        lambda: GaussianVAE.of_images("nothing", (1, 32, 32), DiagonalGaussian(2)), IMAGE_ARCHITECTURES
    ),
    "initial": (lambda: initial_parameters(GaussianVAE.mlp(2), (0,), "nothing", 1.0, np.float64), INITIAL),
    "preset": (lambda: preset("nothing", {}), PRESETS),
    "kernel set": (lambda: load("nothing"), NAMES),
    "suite": (lambda: SuiteChoice("nothing"), tuple(SUITES)),
    "gamma": (lambda: Settings(gamma="nothing"), GAMMA_RULES),
    **{
        name: (lambda name=name: Settings(**{name: "nothing"}), SETS[name])  # type: ignore[misc]
        for name in SETS if name != "gamma"
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_unknown_name_is_one_sentence_with_the_choices(kind: str) -> None:
    use, names = UNKNOWN[kind]
    with pytest.raises(ConfigError) as refusal:
        use()
    text = str(refusal.value)
    assert "nothing" in text
    assert text.count("\n") == 0
    assert text.endswith(".")
    assert [name for name in names if name not in text] == []


def test_networks_of_images_refuse_other_data() -> None:
    data: Any = _Elsewhere()
    for name in IMAGE_ARCHITECTURES:
        with pytest.raises(ConfigError, match=f"--arch {name} needs images"):
            build_model(Settings(arch=name), data)


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("vsmnp.paper")])
def test_no_match_ends_in_a_default(module: str) -> None:
    """A wildcard may raise an error or do nothing; it may not implement one member for all others."""
    assert _defaults(tree(module)) == []


def test_a_default_at_the_end_of_a_match_is_found() -> None:
    source = "match kind:\n  case 'm1':\n    x = 1\n  case _:\n    {}"
    assert _defaults(ast.parse(source.format("x = 2"))) == ["case _:\n    x = 2"]
    assert _defaults(ast.parse(source.format("raise ValueError"))) == []


def _defaults(module: ast.AST) -> list[str]:
    """Return the wildcard cases of a module that do something."""
    cases = [node for node in ast.walk(module) if isinstance(node, ast.match_case)]
    return [
        ast.unparse(case)
        for case in cases
        if ast.unparse(case.pattern) == "_" and not isinstance(case.body[-1], ast.Raise | ast.Pass)
    ]
