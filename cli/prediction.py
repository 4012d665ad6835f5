"""Print the prediction of ``vsmnp bench --predict``: the counts of the fused step on an absent GPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vsmnp.errors import ConfigError
from vsmnp.storage import write_text

from .console import json_text, table

if TYPE_CHECKING:
    from vsmnp.bench.case import Case


def refuse_others(given: Mapping[str, object]) -> None:
    """Refuse options of timed benchmarks, whose values are true if they were given.

    Raises
    ------
    ConfigError
        If there are any.
    """
    if others := [name for name, value in given.items() if value]:
        raise ConfigError(
            "--predict counts one fused step of perceptrons, and times nothing: leave out "
            f"{', '.join(others)}."
        )


def print_prediction(case: Case, json_file: str | None, remedy: str) -> None:
    """Compile the fused step of a case for a GPU, and print its counts and predicted speed.

    Parameters
    ----------
    case : Case
        The case.
    json_file : str or None
        File that the counts are written to as JSON; ``-`` prints them so instead of a table.
    remedy : str
        End of the message about a file that cannot be written.

    Raises
    ------
    ConfigError
        If the step is not fused, is of second order, or the compiler or the disassembler is missing.
    StorageError
        If the file cannot be written.
    """
    from vsmnp.bench.predict.forecast import H100, forecast
    from vsmnp.bench.predict.problem import spec_of

    found = forecast(spec_of(case.settings), case.batch_size)
    counts = json_text({"case": case.name, "gpu": H100.name, **found.to_mapping()})
    if json_file == "-":
        click.echo(counts)
        return
    if json_file is not None:
        write_text(Path(json_file), counts + "\n", remedy, True)
    click.echo(table((f"whole step of {case.name}, {H100.name}", "predicted, not measured"), found.rows()))
