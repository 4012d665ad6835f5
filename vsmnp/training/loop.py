"""The training loop: steps, rows, snapshots; it knows nothing of files or screens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..errors import DivergenceError, Interrupted
from ..model.likelihood import precision
from ..types import Array
from .history import History
from .state import FLAGS, State
from .trainer import Info, Trainer


@dataclass
class Watch:
    """What the loop tells to whoever watches; each default says nothing.

    Attributes
    ----------
    on_step : callable
        ``on_step(step)`` after every step.
    on_row : callable
        ``on_row(snapshot, history)`` whenever a row was added; the snapshot may be saved.
    on_evaluation : callable
        ``on_evaluation(done, total)`` while an evaluation goes on.
    on_death : callable
        ``on_death(sentence)`` when a model of an ensemble stops.
    stop : callable
        Asked before every step; true ends the loop with :class:`~vsmnp.errors.Interrupted`.
    """

    on_step: Callable[[int], None] = field(default=lambda step: None)
    on_row: Callable[[State, History], None] = field(default=lambda state, history: None)
    on_evaluation: Callable[[int, int], None] = field(default=lambda done, total: None)
    on_death: Callable[[str], None] = field(default=lambda sentence: None)
    stop: Callable[[], bool] = field(default=lambda: False)


def run_loop(trainer: Trainer, state: State, history: History, steps: int, every: int, watch: Watch) -> State:
    """Train until ``steps`` decoder updates are done; returns the last state, which was also a row.

    A row is added every ``every`` steps, where an evaluation is due, and at the end. The state of the last
    row is kept as a snapshot: a model whose loss stops being finite goes back to it and takes no further
    part.

    Raises
    ------
    DivergenceError
        If no model is left alive; ``on_row`` was called with the last good state before.
    Interrupted
        If ``watch.stop`` said so; the last row is then what can be resumed.
    """
    k = trainer.k
    snapshot = state.copy()
    while state.step < steps:
        if watch.stop():
            raise Interrupted(f"Stopped after step {snapshot.step} of {steps}.")
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # flagged, not warned about
            info = trainer.step(state)
        watch.on_step(state.step)
        if state.step % every and not trainer.evaluates_at(state.step) and state.step < steps:
            continue
        trainer.audit(state, info)
        died = k.to_host(snapshot.alive & ~state.alive)
        if died.any():
            sentence = _divergence_message(trainer, state, snapshot.step, info, died)
            state.restore(snapshot, snapshot.alive & ~state.alive)
            if not k.to_host(state.alive).any():
                for name in FLAGS:
                    setattr(snapshot, name, getattr(state, name).copy())
                watch.on_row(snapshot, history)
                raise DivergenceError(sentence)
            watch.on_death(sentence)
        with np.errstate(over="ignore", divide="ignore"):
            row = {"gamma": 1 / precision(trainer.model.log_sd(state.theta)), **info.report()}
        history.append(state.step, {name: k.to_host(value) for name, value in row.items()})
        snapshot = state.copy()
        watch.on_row(snapshot, history)
    return snapshot


def _divergence_message(trainer: Trainer, state: State, kept: int, info: Info, died: Array) -> str:
    """One sentence: which model, when, in which term, and what to try."""
    r = int(np.flatnonzero(died)[0])
    cause = info.causes()[int(trainer.k.to_host(state.cause)[r]) - 1]
    step, seed = int(trainer.k.to_host(state.died_at)[r]), trainer.settings.seeds[r]
    return (
        f"The loss stopped being finite at step {step} in {cause} (seed {seed}); the state of step {kept} "
        "was kept: try a smaller --lr or --encoder-lr, or a larger --sd-init."
    )
