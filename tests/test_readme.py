"""Test that the commands in README.md and on the help pages are valid."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import click
import pytest
from typed import parse

from vsmnp.cli.main import COMMANDS
from vsmnp.evaluation import evaluate
from vsmnp.paper.record import RECORDS
from vsmnp.paper.reproduce.failure import tables
from vsmnp.paper.reproduce.failure.cells import budget_named, wanted
from vsmnp.paper.reproduce.failure.findings import by_inference
from vsmnp.paper.reproduce.failure.verdicts import verdicts

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def _epilog(name: str) -> str:
    """Return the text below a command's help."""
    command = import_module(f"vsmnp.cli.commands.{name}").command
    assert isinstance(command, click.Command)
    return command.epilog or ""


def _lines(text: str) -> list[str]:
    """Extract every line that begins with ``vsmnp``, without its explanation."""
    found = re.findall(r"^(?:>>> |\$ |  +)?(vsmnp [^\n]*)", text, re.MULTILINE)
    return [re.split(r"\s{2,}|\s#|\s>", line.strip())[0] for line in found]


EXAMPLES = _lines(README) + [line for name in COMMANDS for line in _lines(_epilog(name))]


def test_there_are_examples_for_every_command() -> None:
    shown = {line.split()[1] for line in EXAMPLES}
    assert shown >= set(COMMANDS)


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_parses(line: str) -> None:
    parse(line)


def test_the_verdicts_are_those_of_the_record() -> None:
    """README has the sentence of each inference, made from the record of the controlled experiment."""
    rows, _ = tables.read(RECORDS)
    text = " ".join(README.split())
    sentences = list(by_inference(verdicts(rows)))
    assert sentences
    assert [each for each in sentences if each not in text] == []
    count = len(wanted(budget_named("laptop")))
    of_all = f"{len(rows)} of the {count} runs" if len(rows) < count else f"all {count} runs"
    page = " ".join((Path(__file__).resolve().parent.parent / "docs" / "failure.md").read_text().split())
    assert [place for place in (text, page) if of_all not in place] == []


def test_the_notebook_lines_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    few = {"prior_draws": 500, "progress": None, "iwae_samples": 10}
    monkeypatch.setattr(evaluate.evaluate, "__kwdefaults__", few)
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block is not None
    assert "steps=2000" in block[1]
    names: dict[str, object] = {}
    exec(block[1].replace("steps=2000", "steps=3, batch_size=50, kernels='reference'"), names)
    assert "nll" in capsys.readouterr().out
    assert getattr(names["x"], "shape", None) == (1, 1000, 2)
