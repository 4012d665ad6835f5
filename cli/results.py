"""Evaluations as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vsmnp.settings.draws import IWAE_SAMPLES, PRIOR_DRAWS

from .console import Progress, mean_and_error, table

if TYPE_CHECKING:
    from vsmnp.runs.session import Run

Evaluation = dict[str, list[float | None]]


def evaluate_with_progress(
    run: Run, quiet: bool, draws: int | None = None, iwae_samples: int | None = None
) -> Evaluation:
    """Every metric, with a progress bar; None is the usual number."""
    from vsmnp.evaluation.evaluate import evaluate

    with Progress("Evaluating", 100, quiet) as progress:
        return evaluate(
            run, draws or PRIOR_DRAWS, lambda done, total: progress.at(100 * done // max(total, 1)),
            IWAE_SAMPLES if iwae_samples is None else iwae_samples,
        )  # fmt: skip


def evaluation_table(run: Run, evaluation: Evaluation) -> str:
    """A row a metric: mean over the models, standard error, and the floor."""
    from vsmnp.evaluation.evaluate import floors
    from vsmnp.metrics import metric

    known = floors(run)
    rows = []
    for name, values in evaluation.items():
        if all(value is None for value in values):
            continue
        mean, error = mean_and_error(values)
        rows.append((name, mean, error, known.get(name), metric(name).explanation))
    return table(("metric", "value", "s.e.m.", "floor", "meaning"), rows)


def evaluation_json(run: Run, evaluation: Evaluation) -> dict[str, Any]:
    """Numbers for one model, lists over an ensemble."""
    if len(run.settings.seeds) > 1:
        return dict(evaluation)
    return {name: values[0] for name, values in evaluation.items()}
