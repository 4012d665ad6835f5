"""Train and measure a run of the controlled experiment; one that is finished is read from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from ....errors import DataError, DivergenceError
from ....runs.session import Run, Session, load_run
from ....settings.run_length import Lengths
from ....storage import make_folder
from ....sweeps.cell_session import WHOLE, is_finished, open_cell
from ....sweeps.cells import Cell
from ....sweeps.engines.engine import Report, WorkEngine
from ....training.build import gamma_rule
from ....training.history import History
from ....training.loop import Watch
from ....training.state import State
from ....types.progress import Progress, Stop
from ..grid import finish_cells
from .cells import FailureBudget, at_once, cell_of, factors_of
from .exact import ExactPosteriorLearning, Name, NoInference
from .factors import Factors
from .measures import EARLY, FINAL, OF_Q, measure, read_measured
from .tables import MeasuredRun, rounded


def finish_all(
    runs: Sequence[Factors],
    budget: FailureBudget,
    folder: Path,
    progress: Progress,
    stop: Stop,
    engine: WorkEngine,
) -> None:
    """Train and measure the runs on an engine: first those that need no other run.

    Raises what :func:`~vsmnp.paper.reproduce.grid.finish_cells` raises.
    """
    make_folder(folder)
    parts = [[cell_of(run, budget) for run in part] for part in at_once(runs)]
    sizes = [WHOLE * sum(cell.size for cell in part) for part in parts]
    before = 0
    for part, size in zip(parts, sizes, strict=True):
        shown = partial(_shifted, progress, before, sum(sizes))
        finish_cells(part, partial(finish, budget=budget, folder=folder), folder, shown, stop, engine)
        before += size


def finish(cell: Cell, report: Report, stop: Stop, budget: FailureBudget, folder: Path) -> None:
    """Train the run of a cell to its end and measure it there and at three quarters of its steps."""
    run = factors_of(cell)
    with open_cell(cell, folder, Lengths.SAME) as session:
        _prepare(session, run, budget, folder)
        early = session.total_steps * 3 // 4

        def on_row(state: State, history: History) -> None:
            if state.step == early:
                measure(session.run(state), state.active, budget.draws, budget.points, EARLY)

        watch = Watch(on_step=lambda step: report((WHOLE - 1) * step // session.total_steps),
                      on_row=on_row, stop=stop)  # fmt: skip
        if session.state.step == early:
            on_row(session.state, session.history)
        trained = _train(session, watch)
        last = session.last or session.state
        measure(trained, last.active, budget.draws, budget.points, FINAL)
    report(WHOLE)


def row_of(run: Factors, budget: FailureBudget, folder: Path) -> MeasuredRun | None:
    """Read the row of a finished run; None without its measurements.

    ``nll_early`` is the negative log-likelihood at three quarters of the steps, or not a number, as are the
    measurements of q with the exact posterior.
    """
    found = read_measured(folder / run.name, FINAL)
    if found is None:
        return None
    figures, machine = found
    early = read_measured(folder / run.name, EARLY)
    before = early[0]["nll"] if early else [float("nan")] * len(figures["nll"])
    plain = {name: rounded(values) for name, values in {**figures, "nll_early": before}.items()}
    if run.inference == "exact":  # the encoder is not trained
        plain |= dict.fromkeys(OF_Q, (float("nan"),) * len(before))
    steps = cell_of(run, budget).settings.steps
    command = f"vsmnp reproduce failure --budget {budget.name}"
    return MeasuredRun(run, steps, budget.points, plain, command, machine)


def _prepare(session: Session, run: Factors, budget: FailureBudget, folder: Path) -> None:
    """Place the exact posterior in the trainer, and the trained models of the origin in a new state."""
    trainer, state = session.trainer, session.state
    if run.inference == "exact":
        learning = ExactPosteriorLearning(
            cast(Name, run.objective), budget.nodes, gamma_rule(trainer.settings)
        )
        session.trainer = replace(trainer, learning=learning, inference=NoInference(), may_fuse=False)
    if run.origin is not None and state.step == 0:
        start = load_run(folder / run.origin.name)
        if start.vae.phi.shape != state.phi.shape or start.step == 0:
            raise DataError(f"{folder / run.origin.name} is not a trained start for {run.name}: remove it.")
        state.phi[:], state.theta[:] = start.vae.phi, start.vae.theta
        session.save(state)


def _train(session: Session, watch: Watch) -> Run:
    """Train a session to its end, or until all of its models have diverged, and return its run."""
    if is_finished(session):
        return session.run(session.state)
    try:
        return session.train(watch)
    except DivergenceError:
        return session.run(session.state)


def _shifted(progress: Progress, before: int, whole: int, done: int, of: int) -> None:
    """Report the progress of one part as that of the whole."""
    progress(before + done, whole)
