"""Evaluation of a run with a progress bar, and its presentation as a table and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vsmnp.settings.draws import IWAE_SAMPLES, PRIOR_DRAWS

from .console import ProgressLine, mean_and_error, note, table

if TYPE_CHECKING:
    from vsmnp.runs.session import Run

Evaluation = dict[str, list[float | None]]


def evaluate_with_progress(
    run: Run, quiet: bool, draws: int | None = None, iwae_samples: int | None = None
) -> Evaluation:
    """Compute every metric with a progress bar; None stands for the default number."""
    from vsmnp.evaluation.evaluate import doubts, measured

    samples = IWAE_SAMPLES if iwae_samples is None else iwae_samples
    with ProgressLine("Evaluating", 100, quiet) as progress:
        found = measured(run, None, draws or PRIOR_DRAWS, progress.part, samples)
    for sentence in doubts(found):
        note(sentence, quiet)
    return found


def evaluation_table(run: Run, evaluation: Evaluation) -> str:
    """Tabulate the metrics: mean over the models, standard error, and the lower bound if known."""
    from vsmnp.evaluation.floors import floors
    from vsmnp.metrics import metric

    known = floors(run)
    units = ", standardised units" if run.vae.preprocessing else ""
    remark = {name: units if metric(name).in_model_units else "" for name in evaluation}
    rows = [
        (name, *mean_and_error(values), known.get(name), metric(name).explanation + remark[name])
        for name, values in evaluation.items()
        if any(value is not None for value in values)
    ]
    return table(("metric", "value", "s.e.m.", "floor", "meaning"), rows)


def evaluation_json(run: Run, evaluation: Evaluation) -> dict[str, Any]:
    """Return numbers for a single model, lists for an ensemble, and which are in standardised units."""
    from vsmnp.metrics import metric

    scaled = [name for name in evaluation if run.vae.preprocessing and metric(name).in_model_units]
    remark = {"in_standardised_units": scaled} if scaled else {}
    if len(run.settings.seeds) > 1:
        return {**evaluation, **remark}
    return {**{name: values[0] for name, values in evaluation.items()}, **remark}
