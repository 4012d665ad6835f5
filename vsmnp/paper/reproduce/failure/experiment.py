"""Find out by a controlled experiment whether M2 and M3 fail, or the script computes something else.

Everything but the learning objective is held equal: data, architecture, posterior samples, steps,
optimisers, seeds. M2 and M3 are estimated by the paper's definition, with biased and with unbiased
estimators, and as the published script computes them; the ELBO and M1 are run for comparison, and so are
the Fisher autoencoder and reparametrised Fisher inference, which the paper says failed badly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....settings.draws import PRIOR_DRAWS
from ....storage import make_folder
from ..grid import Cell, finish_cells, train_cell
from ..reproduction import Progress, Result
from ..workers import Report, Stop
from . import cells as failure_cells
from . import measures, tables
from . import picture as failure_picture
from .findings import findings

TITLE = "do M2 and M3 fail, or did the published script compute something else?"

_QUICK_DRAWS = 4_000
_REPEATS, _QUICK_REPEATS = 400, 40
#: The run whose gradients are measured: trained on the mixture with KL inference by M1.
_TRAINED = "mixture-kl-m1-J2"


def reproduce(out: Path, quick: bool, progress: Progress) -> Result:
    """Train the grid, or resume it, then measure, draw and conclude; see the module and the protocol."""
    cells = failure_cells.quick_grid() if quick else failure_cells.full_grid()
    draws = _QUICK_DRAWS if quick else PRIOR_DRAWS
    rows: list[dict[str, Any]] = []
    variances: list[dict[str, Any]] = []

    def work(cell: Cell, report: Report, stop: Stop) -> None:
        run = train_cell(cell, folder, report, stop)
        rows.append(measures.summary(cell.labels, measures.measure(run, draws)))
        if cell.name == _TRAINED:
            repeats = _QUICK_REPEATS if quick else _REPEATS
            variances.extend(measures.gradient_variance(run, cell.settings, repeats))

    folder = make_folder(out / "runs")
    finish_cells(cells, work, progress)
    floors = tables.floors(rows)
    picture = out / "failure.png"
    failure_picture.draw(rows, floors, picture)
    variance = tables.variance(variances)
    data = {
        "quick": quick, "steps": cells[0].settings.steps, "rows": rows,
        "gradient_variance": variances, "floors": floors,
    }  # fmt: skip
    written = [picture, tables.full(rows).write(out), variance.write(out)]
    return Result(data, (tables.narrow(rows), variance), findings(rows, variances), written)
