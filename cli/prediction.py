"""Print the prediction of ``vsmnp bench --predict``: the counts of the fused step on an absent GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .console import json_text, table

if TYPE_CHECKING:
    from vsmnp.bench.case import Case


def print_prediction(case: Case, as_json: bool) -> None:
    """Compile the fused step of a case for a GPU, and print its counts and predicted speed.

    Raises
    ------
    ConfigError
        If the step is not fused, is of second order, or the compiler or the disassembler is missing.
    """
    from vsmnp.bench.predict.forecast import H100, forecast
    from vsmnp.bench.predict.problem import spec_of

    found = forecast(spec_of(case.settings), case.batch_size)
    if as_json:
        click.echo(json_text({"case": case.name, "gpu": H100.name, **found.to_mapping()}))
        return
    click.echo(table((f"whole step of {case.name}, {H100.name}", "predicted, not measured"), found.rows()))
