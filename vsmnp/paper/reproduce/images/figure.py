"""Make a figure or table of the paper about images: its runs, its pictures and its claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from ....sweeps.cells import Cell
from ....types.progress import Progress, Stop
from ..answers import sentences
from ..measured_cells import check_any, gaps, unreadable
from ..methods import NAMES
from ..reproduction import Result, Table
from . import distances, printed
from .cells import cells, samples_of
from .claims import ImageClaim
from .measured import MeasuredImageRun, read
from .plan import ImageGridPlan
from .records import Row, record
from .training import finish_all
from .verdicts import ImageVerdict, table, verdicts


class Draw(Protocol):
    """A function that draws a picture of runs of one architecture."""

    def __call__(self, title: str, runs: Sequence[MeasuredImageRun], path: Path) -> None:
        """Draw runs into a PNG file.

        Parameters
        ----------
        title : str
            Title of the picture.
        runs : sequence of MeasuredImageRun
            Runs of one architecture, at least one; if the figure has a picture for each dataset, of one.
        path : Path
            Path of the PNG file.

        Raises
        ------
        ConfigError
            If samples are to be drawn that are not images.
        StorageError
            If the file cannot be written.
        """


@dataclass(frozen=True)
class FigurePart:
    """The runs of one architecture in a figure."""

    #: A key of :data:`.cells.PRESETS`.
    architecture: str
    #: Claims of the paper about these runs.
    claims: Sequence[ImageClaim] = ()
    #: Methods that are shown, all seven by default.
    methods: tuple[str, ...] = NAMES
    #: Settings that differ from the preset's.
    changes: Mapping[str, Any] = field(default_factory=dict)
    #: Part of the folders' names that distinguishes these runs from others.
    mark: str = ""


@dataclass(frozen=True)
class ImageFigure:
    """A figure or table of the paper."""

    #: Name on the command line.
    name: str
    #: One line for the help page.
    title: str
    #: Parts that make up the grid.
    parts: Sequence[FigurePart]
    #: Function that makes the table of the rows.
    tabulate: Callable[[Sequence[Row]], Table]
    #: Function that draws a picture for each architecture, if any.
    draw: Draw | None = None
    #: Whether there is a picture for each dataset, too.
    each_dataset: bool = False
    #: Whether the figure shows FID and KID.
    quality: bool = False

    def reproduce(
        self, out: Path, plan: ImageGridPlan, progress: Progress, stop: Stop = lambda: False
    ) -> Result:
        """Run or resume the grid, draw the finished runs, and compare them with the paper.

        Parameters
        ----------
        out : Path
            An existing folder for pictures and CSV files.
        plan : ImageGridPlan
            Part of the grid to run, and how to run it.
        progress : callable
            Called with the work done and the whole work.
        stop : callable
            Returns true to save the current runs and stop.

        Returns
        -------
        Result
            ``data`` has ``budget``, the ``rows`` of the record, the ``claims`` with their verdicts, and the
            names of the runs that are ``missing``, ``unfinished`` or ``unreadable``; ``features`` describes
            what FID and KID compare.

        Raises
        ------
        DataError
            If there is no run at all, and none was to be trained.
        Interrupted
            If ``stop`` returned true.
        VsmnpError
            If training or drawing raises it.
        """
        parts = self._wanted(plan)
        grid = {p.architecture: cells(plan, p.architecture, p.methods, p.changes, p.mark) for p in parts}
        everything = [cell for each in grid.values() for cell in each]
        finish_all(everything, plan, progress, stop, quality=self.quality)
        runs = {name: _measured(each, plan) for name, each in grid.items()}
        lacking = [cell for cell in everything if cell.name not in runs[cell.labels["architecture"]]]
        damaged = unreadable(lacking, plan.folder)
        check_any([run for each in runs.values() for run in each], self.name, plan.folder, damaged)
        rows = [row for each in runs.values() for run in each.values() for row in run.rows]
        datasets = list(dict.fromkeys(cell.labels["dataset"] for cell in everything))
        found = verdicts_of(parts, grid, rows, datasets)
        theirs = verdicts_of(parts, {}, list(printed.rows()), datasets)
        pictures = [
            path for name, each in runs.items() for path in self._draw(list(each.values()), name, out)
        ]
        missing = [cell.name for cell in lacking if cell.name not in damaged]
        unfinished = [name for each in runs.values() for name, run in each.items() if not run.finished]
        tables = [self.tabulate(rows), table(f"{self.name}-claims", found, theirs)]
        files = [*pictures, record(self.name, rows).write(out), tables[1].write(out)]
        kinds = distances.about([plan.folder / cell.name for cell in everything], plan.features)
        data = {
            "budget": plan.budget.name, "rows": rows, "claims": [_plain(verdict) for verdict in found],
            "missing": missing, "unfinished": unfinished, "unreadable": list(damaged),
            "features": kinds,
        }  # fmt: skip
        findings = (*gaps(missing, unfinished, damaged), *_features(kinds), *sentences(found))
        return Result(data, tables, findings, files)

    def _draw(self, runs: Sequence[MeasuredImageRun], architecture: str, out: Path) -> Iterator[Path]:
        """Draw the pictures of one architecture and yield their paths."""
        if self.draw is None or not runs:
            return
        groups: dict[str, list[MeasuredImageRun]] = {}
        for run in runs:
            groups.setdefault(run.labels["dataset"] if self.each_dataset else "", []).append(run)
        for dataset, group in groups.items():
            marks = (architecture if len(self.parts) > 1 else "", dataset)
            path = out / ("-".join([self.name, *filter(None, marks)]) + ".png")
            title = ", ".join(filter(None, (self.title.capitalize(), dataset, architecture)))
            self.draw(title, group, path)
            yield path

    def _wanted(self, plan: ImageGridPlan) -> list[FigurePart]:
        """Return the parts of the requested architectures; if there are none, the first part with these."""
        if not plan.architectures:
            return list(self.parts)
        known = [part for part in self.parts if part.architecture in plan.architectures]
        return known or [replace(self.parts[0], architecture=name) for name in plan.architectures]


def _measured(grid: Sequence[Cell], plan: ImageGridPlan) -> dict[str, MeasuredImageRun]:
    """Read the measured runs of the cells by name; known FID and KID are added to the last row."""
    found = {}
    for cell in grid:
        folder = plan.folder / cell.name
        run = read(folder)
        if run is not None:
            *earlier, last = run.rows
            found[cell.name] = replace(
                run, rows=(*earlier, {**last, **distances.figures(folder, plan.features)})
            )
    return found


def verdicts_of(
    parts: Sequence[FigurePart], grid: Mapping[str, Sequence[Cell]], rows: Sequence[Row],
    datasets: Sequence[str],
) -> list[ImageVerdict]:  # fmt: skip
    """Test the claims of each part on the rows of its architecture, with its number of posterior samples.

    That is the number of the part's cells in ``grid``, by architecture, or the paper's if it has none there.
    """
    found = []
    for part in parts:
        here = [row for row in rows if row["architecture"] == part.architecture]
        cells_here = grid.get(part.architecture)
        samples = cells_here[0].settings.samples if cells_here else samples_of(part.architecture)
        found += verdicts(part.claims, here, datasets, samples)
    return found


def _plain(verdict: ImageVerdict) -> dict[str, str]:
    claim = verdict.claim
    return {
        "claim": claim.text, "source": claim.source, "dataset": verdict.dataset, "metric": verdict.metric,
        "answer": str(verdict.answer), "numbers": verdict.numbers,
    }  # fmt: skip


def _features(known: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield sentences that describe the samples, data and features of FID and KID."""
    for about in known:
        yield (
            f"FID and KID: {about['samples']:,} samples against the {about['reference_samples']:,} of the "
            f"{about['reference']}, by {about['features']} features of {about['extractor']}, SHA-256 "
            f"{about['sha256']}."
        )
