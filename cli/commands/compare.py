"""``vsmnp compare``: tabulate and plot the evaluations of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..command import with_examples
from ..console import json_text, note, optional, table
from ..evaluation_options import Evaluated, evaluate_by_options, evaluation_options
from ..options import output_options
from ..overview import cell, csv_text, means, sorted_by
from ..values import PATH, RUN

#: What to do if the file of --csv cannot be written.
_CURE = "choose another place with --csv"


@with_examples("""
  vsmnp compare runs/mixture-kl-m1-seed0 runs/mixture-kl-m2-seed0
  vsmnp compare runs/* --sort nll --csv comparison.csv
  vsmnp compare runs/* --out comparison.png --json
  vsmnp compare runs/mnist-kl-m1-seed0 runs/mnist-kl-m2-seed0 --fid
""")
@click.argument("runs", type=RUN, nargs=-1, required=True)
@click.option("--out", type=PATH, default=Path("comparison.png"), help="Plot: .png, .pdf or .svg.")
@click.option("--sort", default="", help="Metric by which the runs are sorted, the best first.")
@click.option("--csv", "csv_file", type=PATH, help="CSV file of the means and standard errors.")
@evaluation_options
@output_options
def command(
    runs: tuple[Path, ...], out: Path, sort: str, csv_file: Path | None, as_json: bool, quiet: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Tabulate and plot the evaluations of several RUNS, means over their models.

    An evaluation that a run has kept (evaluation.json) is read if it is that of its last state by the same
    numbers of draws; others are computed and kept. Runs on different data are marked.
    """
    from vsmnp.data.dataset import fingerprint
    from vsmnp.figures import comparison
    from vsmnp.figures.canvas import check_picture
    from vsmnp.metrics import METRICS, metric
    from vsmnp.runs.session import load_run
    from vsmnp.storage import check_place, write_text

    check_picture(out)
    if csv_file is not None:
        check_place(csv_file, _CURE, follow_link=True)
    if sort:
        metric(sort)
    quiet = quiet or as_json
    loaded = [load_run(folder) for folder in runs]
    found = [evaluate_by_options(run, options, quiet, reuse=True) for run in loaded]
    order = list(range(len(runs)))
    if sort:
        order = sorted_by(sort, order, [each.figures for each in found])
    runs, found = tuple(runs[i] for i in order), [found[i] for i in order]
    digests = [fingerprint(each.run.dataset, each.run.settings.data_seed) for each in found]
    data = _names(found, digests)
    if len(set(data)) > 1:
        note(
            f"The runs are on different data ({', '.join(dict.fromkeys(data))}): compare values within one "
            "of them only."
        )
    names = [each.name for each in METRICS if each.compared]
    columns = {name: [means(each.figures, name) for each in found] for name in names}
    columns = {name: cells for name, cells in columns.items() if any(mean is not None for mean, _ in cells)}
    if csv_file is not None:
        about = {"run": runs, "data": data, "data_sha256": digests, "step": [each.run.step for each in found]}
        write_text(csv_file, csv_text(about, columns), _CURE, follow_link=True)
    try:
        if as_json:
            entries = [
                {"run": str(folder), **each.to_json()} for folder, each in zip(runs, found, strict=True)
            ]
            click.echo(json_text(entries))
        else:
            marks = {"run": [folder.name for folder in runs]} | ({"data": data} if len(set(data)) > 1 else {})
            shown = [map(cell, cells) for cells in columns.values()]
            click.echo(table((*marks, *columns), list(zip(*marks.values(), *shown, strict=True))))
            for text in dict.fromkeys(each.note for each in found if each.note):
                click.echo(text)
    finally:
        with optional("the comparison has no picture", quiet):
            comparison([each.run for each in found], [each.figures for each in found], out)
            if not as_json:
                click.echo(f"Picture: {out}")


def _names(found: Sequence[Evaluated], digests: Sequence[str]) -> list[str]:
    """Return the name of each run's data, with the start of the SHA-256 where two data share a name."""
    names = [each.run.dataset.name for each in found]
    of_name: dict[str, set[str]] = {}
    for name, digest in zip(names, digests, strict=True):
        of_name.setdefault(name, set()).add(digest)
    return [
        name if len(of_name[name]) == 1 else f"{name} {digest[:8]}"
        for name, digest in zip(names, digests, strict=True)
    ]
