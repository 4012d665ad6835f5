"""Every remedy that a sentence of the package names works, and every such sentence is tested so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest
import remedies
from import_graph import MODULES, tree
from remedies.follow import Remedy, follow, refuse, remedies_below
from remedies.prepared import enter_prepared
from remedies.sentences import sentences, sentences_recorded

from vsmnp.cli import main
from vsmnp.cli.main import COMMANDS

REMEDIES = remedies_below(remedies)


@pytest.mark.parametrize("case", REMEDIES.values(), ids=REMEDIES)
def test_a_remedy_works(case: Remedy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_prepared(tmp_path, monkeypatch)
    follow(case, monkeypatch)


def test_every_sentence_is_tested(tmp_path: Path) -> None:
    """A new sentence needs a situation that leads to it, in a file of ``tests/remedies/``.

    The sentences of the readers of data have their own test, ``test_data_remedies.py``.
    """
    with sentences_recorded() as reached:
        for name, case in REMEDIES.items():
            with pytest.MonkeyPatch.context() as patch:
                enter_prepared(tmp_path / name.replace("/", "-"), patch)
                reached.refused(refuse(case, patch), case.advice)
    found = sentences(lambda module: not module.startswith("vsmnp.data."))
    untested = [each.place for each in found if not reached.has(each)]
    assert not untested, "\n".join(untested)


def options_of_commands() -> set[str]:
    """List every option of every command."""
    context = click.Context(main)
    known = [command for name in COMMANDS if (command := main.get_command(context, name))]
    return {
        option
        for command in known
        for each in command.params
        for option in (*each.opts, *each.secondary_opts)
    }


def test_every_option_that_a_sentence_names_exists() -> None:
    known = options_of_commands() | {"--help"}
    unknown = []
    for module, path in MODULES.items():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]", node.value):
                    if option not in known:
                        unknown.append(f"{path}: {option}")
    assert unknown == []
