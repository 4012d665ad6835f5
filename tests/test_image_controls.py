"""Ask every claim about images of real runs that have learned nothing: of none may it be said to agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from vsmnp.evaluation.classifier import Classifier, save
from vsmnp.evaluation.classifier.lenet import lenet5
from vsmnp.evaluation.feature_choice import FeatureChoice
from vsmnp.model.layout import Layout
from vsmnp.paper.reproduce.answers import Answer
from vsmnp.paper.reproduce.conditions import Level
from vsmnp.paper.reproduce.images import ImageGridPlan, load, verdicts
from vsmnp.paper.reproduce.images.budgets import ImageBudget
from vsmnp.paper.reproduce.images.cells import cells
from vsmnp.paper.reproduce.images.claims import ImageClaim
from vsmnp.paper.reproduce.images.figures import FIGURES
from vsmnp.paper.reproduce.rules import worse
from vsmnp.runs.session import Session

#: Eight decoder steps, evaluated three times.
FEW = ImageBudget(
    "few", "seconds", 1.5, (), (0, 1, 2), 0.5, 1,
    {"hidden": (8,), "samples": 2, "batch_size": 10, "kernels": "reference"},
)  # fmt: skip
#: The figures that have claims; all but the one about binary latents share their runs.
FIGURE_NAMES = ("fig4", "fig8", "fig9", "fig10", "fig11", "table1", "table2")
BINARY, GRIDS = "fig11", ("fig11", "table1")
DATASETS = ("mnist", "fashion", "celeba")


class Control(NamedTuple):
    """Rows of a grid in which nothing was learned, by the figure whose runs they are."""

    untrained: Mapping[str, Sequence[Mapping[str, Any]]]
    hardly_trained: Mapping[str, Sequence[Mapping[str, Any]]]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> ImageGridPlan:
    """Draw 300 pictures of a disc of random place and size, and a classifier with random weights."""
    folder, rng = tmp_path_factory.mktemp("control"), np.random.default_rng(0)
    x, y, size = (rng.uniform(low, high, (300, 1, 1)) for low, high in ((2, 6), (2, 6), (1, 3)))
    row, column = np.mgrid[:8, :8]
    distance = np.hypot(row - y, column - x)
    np.save(folder / "discs.npy", (255 / (1 + np.exp(4 * (distance - size)))).astype(np.uint8))
    vector = rng.normal(0, 0.1, (1, Layout(lenet5(1, 10).shapes).size))
    save(Classifier("any", 1, 10, 0, 0, 0.1, vector.astype(np.float32)), folder / "any.lenet")
    return ImageGridPlan(
        FEW, folder / "runs", (str(folder / "discs.npy"),), architectures=("mlp",),
        features=FeatureChoice(str(folder / "any.lenet")),
    )  # fmt: skip


@pytest.fixture(scope="module")
def control(plan: ImageGridPlan, tmp_path_factory: pytest.TempPathFactory) -> Control:
    """Start all runs of both grids and measure them, then train them for a few steps."""
    out = tmp_path_factory.mktemp("figures")
    for name in GRIDS:
        part = FIGURES[name].parts[0]
        for cell in cells(plan, "mlp", part.methods, part.changes, part.mark):
            with Session.new(cell.settings, folder=plan.folder / cell.name) as session:
                session.save(session.state)

    def rows(train: bool) -> dict[str, Sequence[Mapping[str, Any]]]:
        return {
            name: load(name).reproduce(out, replace(plan, train=train), lambda done, total: None).data["rows"]
            for name in GRIDS
        }

    found = Control(rows(train=False), rows(train=True))
    steps = [{row["step"] for each in stage.values() for row in each} for stage in found]
    assert steps == [{0}, {3, 6, 8}]
    return found


def _claims(name: str) -> list[ImageClaim]:
    return [claim for part in FIGURES[name].parts for claim in part.claims]


def _verdicts(
    name: str, claims: Sequence[ImageClaim], stage: Mapping[str, Sequence[Mapping[str, Any]]], samples: int
) -> list[verdicts.ImageVerdict]:
    """Ask claims of the rows as if they were of each of the paper's datasets."""
    rows = stage[name if name == BINARY else "table1"]
    known = [{**row, "dataset": dataset} for dataset in DATASETS for row in rows]
    return verdicts.verdicts(claims, known, DATASETS, samples)


@pytest.mark.parametrize("samples", [1, 5])
@pytest.mark.parametrize("name", FIGURE_NAMES)
def test_no_claim_agrees_with_models_that_have_learned_nothing(
    name: str, samples: int, control: Control
) -> None:
    for stage in control:
        found = _verdicts(name, _claims(name), stage, samples)
        assert {verdict.claim for verdict in found} == set(_claims(name))
        assert {verdict.answer for verdict in found} == {Answer.UNDECIDED}


@pytest.mark.parametrize("name", FIGURE_NAMES)
def test_a_claim_that_holds_of_these_models_would_be_found(
    name: str, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the rule that models have to have learned, what their numbers say agrees."""
    monkeypatch.setattr(verdicts, "GAIN", -1e6)
    for metric in dict.fromkeys(metric for claim in _claims(name) for metric in claim.metrics):
        methods = FIGURES[name].parts[0].methods
        planted = ImageClaim("metrics are numbers", "nowhere", (metric,), worse(methods, (Level(-1e9),)))
        for stage in control:
            assert {v.answer for v in _verdicts(name, [planted], stage, 5)} == {Answer.AGREES}


def test_with_one_posterior_sample_m1_and_m2_of_a_seed_are_the_same_run(
    plan: ImageGridPlan, tmp_path: Path
) -> None:
    """So that their difference says nothing of the noise from run to run, and nothing is decided of it."""
    budget = replace(FEW, name="one", settings={**FEW.settings, "samples": 1})
    one = replace(plan, budget=budget, methods=("K-M1", "K-M2", "F-M1", "F-M2"))
    rows = load("fig8").reproduce(tmp_path, one, lambda done, total: None).data["rows"]
    by_method = {name: [row for row in rows if row["method"] == name] for name in one.methods}
    metrics = ("neg_elbo", "mse", "mmd", "posterior_fd", "gamma")
    for inference in "KF":
        m1, m2 = ([{name: row[name] for name in ("seed", "step", *metrics)} for row in
                   by_method[f"{inference}-{objective}"]] for objective in ("M1", "M2"))  # fmt: skip
        assert m1 == m2
    assert len({row["neg_elbo"] for row in by_method["K-M1"]}) == len(by_method["K-M1"])  # seeds differ
    claim = ImageClaim("M2 is worse than M1", "nowhere", metrics, worse(("K-M2",), ("K-M1",)))
    for found in verdicts.verdicts([claim], rows, ["discs"], samples=1):
        assert found.answer is Answer.UNDECIDED
