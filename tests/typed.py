"""Parse a command line as a user types it, without running it."""

from __future__ import annotations

import shlex

from vsmnp.cli import main


def parse(line: str) -> None:
    """Check that the program accepts the command line.

    A command parsed alone would cache ``--help`` as its only help option; ``-h`` is set by the program.
    """
    program, name, *arguments = shlex.split(line)
    assert program == "vsmnp", line
    whole = main.make_context(program, [name, *arguments])
    command = main.get_command(whole, name)
    assert command is not None, line
    command.make_context(name, arguments, parent=whole)
