"""A command line as somebody types it: parsed, and not run."""

from __future__ import annotations

import shlex

from vsmnp.cli import main


def parse(line: str) -> None:
    """Fail where the program would complain.

    A command alone would be asked for ``--help`` only, and remember that: ``-h`` it learns from the program.
    """
    program, name, *arguments = shlex.split(line)
    assert program == "vsmnp", line
    whole = main.make_context(program, [name, *arguments])
    command = main.get_command(whole, name)
    assert command is not None, line
    command.make_context(name, arguments, parent=whole)
