"""Find out by a controlled experiment which objectives fail, and why.

Every run is compared with the ELBO at the same levels of all other factors; :mod:`.cells` has the grids and
:mod:`.verdicts` the rule. M2 and M3 are estimated by the paper's definition, with biased and with unbiased
estimators, and as the published script computes them. With the exact posterior in the place of q
(:mod:`.exact`) the definition of an objective is separated from its inference, and with a start from the
trained ELBO model from its optimisation.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....errors import CheckpointError, DataError
from ....runs.newest import has_run
from ....runs.session import load_run
from ....sweeps.engines.engine import WorkEngine
from ....sweeps.engines.local import THIS_PROCESS
from ....types.progress import Progress, Stop
from ..reproduction import Result, Table
from . import earlier, measures, tables, verdicts
from . import findings as failure_findings
from . import picture as failure_picture
from .cells import budget_named, wanted
from .factors import Factors
from .training import finish_all, row_of

TITLE = "which objectives fail, by their definition or their inference, and which does the script compute?"

_log = logging.getLogger(__name__)
_REPEATS, _QUICK_REPEATS = 400, 40
#: The run whose gradients are measured: trained on the mixture with KL inference by M1.
_TRAINED = Factors("mixture", "kl", "m1")


def reproduce(
    out: Path, quick: bool, progress: Progress, *, budget: str = "laptop", datasets: Sequence[str] = (),
    engine: WorkEngine = THIS_PROCESS, no_train: bool = False, records: Sequence[Path] = (),
    stop: Stop = lambda: False,
) -> Result:  # fmt: skip
    """Train the grids, or resume them, then judge, draw and conclude; see the module and the protocol.

    Parameters
    ----------
    budget : str
        A name of :data:`.cells.BUDGETS`; ``quick`` stands for the first.
    datasets : sequence of str
        Data sets to run; empty for those of the budget.
    engine : WorkEngine
        Where the runs are trained.
    no_train : bool
        Whether only finished runs are shown.
    records : sequence of Path
        Folders that earlier commands wrote, perhaps on other machines: their runs are shown and not trained
        again.
    stop : callable
        Returns true to save the current runs and stop.

    Raises
    ------
    DataError
        If no run is finished, or a record is not one of this budget.
    """
    size = budget_named("quick" if quick else budget)
    wished, folder = wanted(size, tuple(datasets)), out / "runs" / size.name
    known, variances = earlier.read_all(records, size)
    if not no_train:
        finish_all(earlier.missing(wished, known), size, folder, progress, stop, engine)
    found = {run: row_of(run, size, folder) for run in wished}
    rows = [row for run in wanted(size) if (row := found.get(run) or known.get(run)) is not None]
    if not rows:
        raise DataError(f"There is no finished run in {folder}: leave out --no-train, or name another --out.")
    own = _variances(folder, _QUICK_REPEATS if size.name == "quick" else _REPEATS)
    return conclude(rows, own or variances, out, size.name)


def conclude(
    rows: Sequence[tables.MeasuredRun], variances: Sequence[Mapping[str, Any]], out: Path, budget: str
) -> Result:
    """Decide all comparisons of the rows, write the record and the picture into ``out``, and return both."""
    found = verdicts.verdicts(rows)
    picture = out / "failure.png"
    failure_picture.draw(found, picture)
    judged, variance = verdicts.table(found), tables.variance(variances)
    summary = Table("medians", failure_findings.HEADER, list(failure_findings.medians(rows)))
    written = [picture, *(each.write(out) for each in (tables.full(rows), judged, variance))]
    data = {
        "budget": budget, "medians": summary.records(), "verdicts": judged.records(),
        "gradient_variance": list(variances),
    }  # fmt: skip
    sentences = failure_findings.findings(rows, found, variances)
    return Result(data, (judged, summary, variance), sentences, written)


def _variances(folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Measure the gradients of the trained run, if it is there and can be read."""
    place = folder / _TRAINED.name
    if not has_run(place):
        return []
    try:
        run = load_run(place)
    except CheckpointError as error:
        _log.warning("The gradients of %s are left out: %s", _TRAINED.name, error)
        return []
    return measures.gradient_variance(run, run.settings, repeats)
