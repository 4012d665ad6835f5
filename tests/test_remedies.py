"""Every remedy that an error names works: each situation is entered, and its advice followed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest
import remedies
from import_graph import MODULES, tree
from remedies.follow import Remedy, follow, remedies_below
from remedies.prepared import enter_prepared

from vsmnp.cli import main
from vsmnp.cli.main import COMMANDS

REMEDIES = remedies_below(remedies)


@pytest.mark.parametrize("case", REMEDIES.values(), ids=REMEDIES)
def test_a_remedy_works(case: Remedy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_prepared(tmp_path, monkeypatch)
    follow(case, monkeypatch)


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
