"""Parse a command line as a user types it, without running it."""

from __future__ import annotations

import shlex
from importlib.metadata import entry_points
from itertools import dropwhile

from vsmnp.cli import main


def parse(line: str) -> None:
    """Check that vsmnp, or Dask for its scheduler and workers, accepts the command line.

    A command parsed alone would cache ``--help`` as its only help option; ``-h`` is set by the program.
    """
    program, name, *arguments = dropwhile(lambda word: "=" in word, shlex.split(line))  # variables come first
    if program == "dask":
        (entry,) = entry_points(group="dask_cli", name=name)
        entry.load().make_context(name, arguments)
        return
    assert program == "vsmnp", line
    whole = main.make_context(program, [name, *arguments])
    command = main.get_command(whole, name)
    assert command is not None, line
    command.make_context(name, arguments, parent=whole)
