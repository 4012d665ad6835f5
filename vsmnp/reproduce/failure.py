"""Do M2 and M3 fail, or did the published script compute something else? A controlled experiment.

Everything but the learning objective is held equal: data, architecture, posterior samples, steps,
optimisers, seeds. M2 and M3 appear by the paper's definition, with biased and with unbiased estimators,
and as the published script computes them; beside them stand the ELBO and M1, and the Fisher autoencoder
and reparametrised Fisher inference, which the paper says failed badly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..data import load_data
from ..runs import Run
from . import failure_cells, failure_figures, failure_picture
from .grid import Cell, train_grid
from .reproduction import Progress, Result, Table

TITLE = "do M2 and M3 fail, or did the published script compute something else?"

_PRIOR_DRAWS, _QUICK_DRAWS = 100_000, 4_000
_REPEATS, _QUICK_REPEATS = 400, 40
#: Whose gradients are measured: trained on the mixture with KL inference by M1.
_TRAINED = "mixture-kl-m1-J2"
_SHOWN = ("dataset", "inference", "objective", "encoder_steps", "activation", "batch_size", "models")


def reproduce(out: Path, quick: bool, progress: Progress) -> Result:
    """Train the grid (or go on with it), measure, draw and conclude; see the module and the protocol."""
    cells = failure_cells.quick_grid() if quick else failure_cells.full_grid()
    draws = _QUICK_DRAWS if quick else _PRIOR_DRAWS
    rows: list[dict[str, Any]] = []
    variances: list[dict[str, Any]] = []

    def visit(cell: Cell, run: Run) -> None:
        rows.append(failure_figures.summary(cell.labels, failure_figures.measure(run, draws)))
        if cell.name == _TRAINED:
            repeats = _QUICK_REPEATS if quick else _REPEATS
            variances.extend(failure_figures.gradient_variance(run, cell.settings, repeats))

    train_grid(cells, out / "runs", progress, visit)
    floors = {name: load_data(name).bounds for name in dict.fromkeys(row["dataset"] for row in rows)}
    bounds = {name: {"nll": b.nll, "sm_loss": b.sm_loss} for name, b in floors.items()}
    picture = out / "failure.png"
    failure_picture.draw(rows, bounds, picture)
    full, variance = _full_table(rows), _variance_table(variances)
    data = {
        "quick": quick, "steps": cells[0].settings.steps, "rows": rows,
        "gradient_variance": variances, "floors": bounds,
    }  # fmt: skip
    written = [picture, full.write(out), variance.write(out)]
    return Result(data, (_narrow_table(rows), variance), findings(rows, variances), written)


def _narrow_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What fits on a screen: the median over the models, and the standard error of the mean."""
    header = ["data", "q", "objective", "J", "N", "f", "nll", "+-", "sm loss", "+-", "gamma", "tr Cov g"]
    names = (*_SHOWN[:4], "batch_size", "activation", "nll_median", "nll_se", "sm_loss_median", "sm_loss_se",
             "gamma_median", "reconstruction_variance_median")  # fmt: skip
    return Table("summary", header, [tuple(row[name] for name in names) for row in rows])


def _full_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    metrics = [
        column for name in failure_figures.METRICS for column in (name, f"{name}_se", f"{name}_median")
    ]
    header = (*_SHOWN, *metrics)
    return Table("failure", header, [tuple(row[name] for name in header) for row in rows])


def _variance_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    header = ("objective", "variance", "squared_mean", "ratio_to_m1")
    return Table("gradient_variance", header, [tuple(row[name] for name in header) for row in rows])


def findings(rows: Sequence[Mapping[str, Any]], variances: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the numbers say, a sentence each; nothing in them is taken for granted."""
    sentences = []
    groups = dict.fromkeys(_group(row) for row in rows if _main(row))
    ahead: dict[str, int] = {}
    for group in groups:
        here = {row["objective"]: row for row in rows if _main(row) and _group(row) == group}
        base = here["elbo"]["nll_median"]
        dataset, inference, encoder_steps = group
        others = {name: row["nll_median"] - base for name, row in here.items() if name != "elbo"}
        told = ", ".join(f"{name} {difference:+.3g}" for name, difference in others.items())
        sentences.append(
            f"{dataset}, {inference} inference, J = {encoder_steps}: median nll {base:.3f} nats with the "
            f"ELBO; the others against it: {told}."
        )
        for name, row in here.items():
            ahead[name] = ahead.get(name, 0) + (row["nll_median"] <= base)
    for name in ("m2-unbiased", "m3-unbiased", "m2-as-published", "m3-as-published"):
        sentences.append(f"{name}: at least as good as the ELBO in {ahead[name]} of {len(groups)} settings.")
    for row in rows:
        if row["activation"] != "relu" or row["inference"] == "fisher-reparam":
            sentences.append(
                f"{row['dataset']}, {row['objective']} with {row['inference']} inference, "
                f"{row['activation']}: nll {row['nll']:.3f} +- {row['nll_se']:.2g}, gamma {row['gamma']:.2g}."
            )
    if variances:
        told = ", ".join(f"{row['objective']} {row['ratio_to_m1']:.2g}" for row in variances)
        sentences.append(f"Variance of the gradient at a trained model, against M1's: {told}.")
    return tuple(sentences)


def _main(row: Mapping[str, Any]) -> bool:
    """Whether a row is of the main comparison: relu, and the grid's own minibatch."""
    return row["activation"] == "relu" and row["batch_size"] < 1000 and row["inference"] in ("kl", "fisher")


def _group(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["dataset"], row["inference"], row["encoder_steps"]
