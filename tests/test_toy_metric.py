"""Test that a metric is added by the files that CONTRIBUTING.md lists, and that every report contains it."""

from __future__ import annotations

import csv
import json

import pytest
from extended_tree import ExtendedTree, how_to

#: The mean of |E[z|x]|^2, and a separate stream of noise that has no effect on it.
METRIC = '''
"""The squared length of the posterior mean."""

import numpy as np

from ..types import Array
from .batches import Subject, host

#: Step of the evaluation stream.
NOISE = 6


def code_length(subject: Subject) -> Array:
    """Compute the mean of |mu(x) + 0 eps|^2 over the data, ``(R,)``."""
    total = np.zeros(subject.models)
    for batch in subject.batches():
        mu = batch.q.mu + 0 * subject.normals(NOISE, batch, 1)
        total += host(subject.k, (mu * mu).sum((1, 2, 3)))
    return total / len(subject.x)
'''
ROW = """
    ModelMetric(
        name="code_length", meaning="mean squared length of the code", title="Code length",
        best=BestValue.NONE, noise=(code_length.NOISE,),
        compute=lambda at, _: code_length.code_length(at.subject),
    ),
)  # fmt: skip

SAMPLE_METRICS"""
TINY = (
    "--dataset", "mixture", "--kernels", "reference", "--hidden", "4", "--samples", "2",
    "--batch-size", "50000", "--epochs", "2", "--evaluate-every", "1", "--seeds", "0-1",
    "--out", "run", "--quiet",
)  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ExtendedTree:
    tree = ExtendedTree(tmp_path_factory.mktemp("tree"))
    tree.add("vsmnp/metrics/code_length.py", METRIC)
    tree.edit("vsmnp/metrics/table.py", "from . import mmd,", "from . import code_length, mmd,")
    tree.edit("vsmnp/metrics/table.py", ")  # fmt: skip\n\nSAMPLE_METRICS", ROW.removeprefix("\n"))
    tree.vsmnp("train", *TINY)
    return tree


def test_two_files_are_touched(tree: ExtendedTree) -> None:
    listed = how_to("A metric")
    assert tree.touched == {name.replace("<metric>", "code_length") for name in listed}
    assert len(tree.touched) == 2


def test_the_metric_is_in_every_report(tree: ExtendedTree) -> None:
    rows = list(csv.DictReader((tree.folder / "run" / "evaluation.csv").read_text().splitlines()))
    assert [(row["step"], row["seed"]) for row in rows] == [("2", "0"), ("2", "1"), ("4", "0"), ("4", "1")]
    options = ("run", "--draws", "20", "--iwae-samples", "0", "--quiet")
    found = json.loads(tree.vsmnp("evaluate", *options, "--json"))["code_length"]
    for row, value in zip(rows[2:], found, strict=True):
        assert float(row["code_length"]) == pytest.approx(value, rel=1e-6)
        assert value > 0
    table = tree.vsmnp("evaluate", *options)
    assert any(
        line.startswith("code_length ") and line.endswith("mean squared length of the code")
        for line in table.splitlines()
    )


def test_the_metric_is_compared_and_drawn(tree: ExtendedTree) -> None:
    compared = tree.vsmnp("compare", "run", "run", "--draws", "20", "--iwae-samples", "0", "--quiet")
    assert "code_length" in compared.splitlines()[0].split()
    tree.vsmnp("plot", "run", "evaluation", "--out", "evaluation.png")
    assert (tree.folder / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    titles = tree.python(
        "from unittest.mock import patch\n"
        "from matplotlib.axes import Axes\n"
        "from vsmnp import figures\n"
        "from vsmnp.evaluation.evaluate import evaluate\n"
        "from vsmnp.runs.session import load_run\n"
        "run, seen = load_run('run'), []\n"
        "with patch.object(Axes, 'set_title', lambda axes, text, **_: seen.append(text)):\n"
        "    figures.comparison([run], [evaluate(run, prior_draws=20, iwae_samples=0)], 'comparison.png')\n"
        "print(seen)"
    )
    assert "Code length" in titles
