"""``vsmnp list``: show all runs below a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vsmnp.errors import ConfigError

from ..command import with_examples
from ..console import json_text, say, table
from ..options import json_option
from ..overview import cell, means, sorted_by
from ..values import PATH

if TYPE_CHECKING:
    from vsmnp.evaluation.kept import Figures
    from vsmnp.runs.survey import RunSummary

#: Settings that make no difference to the result.
_WITHOUT_EFFECT = ("data_dir", "memory_budget", "threads", "log_every", "evaluate_every")


@with_examples("""
  vsmnp list
  vsmnp list experiments --sort nll
  vsmnp list experiments --json
""")
@click.argument("folder", type=PATH, default=Path("runs"))
@click.option(
    "--sort", default="", help="Metric by which the runs are sorted, the best first; default: by path."
)
@json_option
def command(folder: Path, sort: str, as_json: bool) -> None:
    """Show all runs below FOLDER: their progress, the settings that differ, and their metrics.

    Metrics are those that a run has kept of its last state (evaluation.json), as means over its models. Data
    are not read.
    """
    from vsmnp.evaluation.kept import kept
    from vsmnp.metrics import metric
    from vsmnp.runs.survey import survey

    if sort:
        metric(sort)
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}: name one that contains runs.")
    runs, evaluations = list(survey(folder)), []
    for run in runs:
        found = kept(run.folder)
        evaluations.append(found.figures if found is not None and found.state == run.state else {})
    if sort:
        order = sorted_by(sort, range(len(runs)), evaluations)
        runs, evaluations = [runs[i] for i in order], [evaluations[i] for i in order]
    if as_json:
        click.echo(json_text([_entry(*each) for each in zip(runs, evaluations, strict=True)]))
    elif not runs:
        say(f"There are no runs below {folder}.")
    else:
        click.echo(_table(folder, runs, evaluations))
        for run in runs:
            if run.problem:
                say(f"Note: {run.problem}")


def _entry(run: RunSummary, figures: Figures) -> dict[str, Any]:
    """Return a run for JSON, with a list over the models for each metric."""
    return {
        "run": str(run.folder), "state": run.phase.value, "step": run.step, "steps": run.steps,
        "diverged_models": run.diverged, "settings": run.settings and run.settings.to_mapping(),
        "metrics": figures or None, "problem": run.problem or None,
    }  # fmt: skip


def _table(folder: Path, runs: Sequence[RunSummary], evaluations: Sequence[Figures]) -> str:
    """Format a line per run: folder, progress, the settings that differ, and the metrics that are known."""
    from vsmnp.metrics import METRICS

    columns: dict[str, list[str]] = {
        "run": [_name(run.folder, folder) for run in runs],
        "state": [_state(run) for run in runs],
        **_differences(runs),
    }
    for each in METRICS:
        values = [means(figures, each.name) for figures in evaluations]
        if each.listed and any(mean is not None for mean, _ in values):
            columns[each.name] = [cell(value) for value in values]
    return table(tuple(columns), list(zip(*columns.values(), strict=True)))


def _name(run: Path, folder: Path) -> str:
    """Return the path of a run from the folder on."""
    name = run.relative_to(folder).as_posix()
    return run.name or "." if name == "." else name


def _state(run: RunSummary) -> str:
    """Format the progress of a run, with the step if it is not finished."""
    text = run.phase.value
    if run.settings is None:
        return text
    if text != "finished":
        text += f" at step {run.step}" + (f" of {run.steps}" if run.steps else "")
    if 0 < run.diverged < len(run.settings.seeds):
        text += f", {run.diverged} of {len(run.settings.seeds)} models diverged"
    return text


def _differences(runs: Sequence[RunSummary]) -> dict[str, list[str]]:
    """Return the settings in effect that are not the same in all runs, each as a column."""
    from vsmnp.settings.in_effect import settings_in_effect

    shown: list[Mapping[str, str]] = [
        {} if run.settings is None else settings_in_effect(run.settings) for run in runs
    ]
    names = dict.fromkeys(name for each in shown for name in each if name not in _WITHOUT_EFFECT)
    columns = {name: [each.get(name, "-") for each in shown] for name in names}
    readable = [place for place, run in enumerate(runs) if run.settings is not None]
    return {
        name: values for name, values in columns.items() if len({values[place] for place in readable}) > 1
    }
