"""The training loop: steps, rows and snapshots, without any file or terminal output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..errors import DivergenceError, Interrupted
from ..model.likelihood import precision
from ..settings.in_effect import bilevel_step_size, has_sigmoid
from ..types import Array
from ..types.progress import Progress, Stop
from .history import History
from .info import BILEVEL_UPDATES, Info
from .state import FLAGS, State
from .trainer import Trainer


@dataclass
class Watch:
    """Callbacks of the training loop; each default does nothing.

    Attributes
    ----------
    on_step : callable
        ``on_step(step)`` after every step.
    on_row : callable
        ``on_row(snapshot, history)`` after a row was added; the snapshot may be saved.
    on_evaluation : callable
        ``on_evaluation(done, total)`` during an evaluation.
    on_divergence : callable
        ``on_divergence(sentence)`` when a model of an ensemble has diverged and is stopped.
    stop : callable
        Called before every step; true ends the loop with :class:`~vsmnp.errors.Interrupted`.
    on_state : callable
        ``on_state(state, snapshot)`` before every step, with the state and that of the last row; both may be
        saved, and the next step changes the first.
    """

    on_step: Callable[[int], None] = field(default=lambda step: None)
    on_row: Callable[[State, History], None] = field(default=lambda state, history: None)
    on_evaluation: Progress = field(default=lambda done, total: None)
    on_divergence: Callable[[str], None] = field(default=lambda sentence: None)
    stop: Stop = field(default=lambda: False)
    on_state: Callable[[State, State], None] = field(default=lambda state, snapshot: None)


def run_loop(
    trainer: Trainer, state: State, history: History, steps: int, every: int, watch: Watch,
    is_enough: Stop = lambda: False, snapshot: State | None = None,
) -> State:  # fmt: skip
    """Train until ``steps`` decoder updates are done, and return the last state, which is also a row.

    The loop ends before, with the last row, if ``is_enough`` returns true.

    A row is added every ``every`` steps, where an evaluation is due, and at the end. The state of the last
    row is kept as a snapshot: a model whose loss is not finite is reset to it and is not updated any further.
    ``snapshot`` is that of a state between two rows, which is not changed; by default the state is a row.

    Raises
    ------
    DivergenceError
        If all models have diverged; ``on_row`` was called with the last finite state before.
    Interrupted
        If ``watch.stop`` returned true; the state is whole, between two steps.
    """
    k = trainer.k
    snapshot = snapshot or state.copy()
    while state.step < steps and not is_enough():
        watch.on_state(state, snapshot)
        if watch.stop():
            raise Interrupted(f"Stopped after step {state.step} of {steps}.")
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # flagged instead of warned about
            info = trainer.step(state)
        watch.on_step(state.step)
        if state.step % every and not trainer.evaluates_at(state.step) and state.step < steps:
            continue
        trainer.audit(state, info)
        diverged = k.to_host(snapshot.active & ~state.active)
        if diverged.any():
            sentence = _divergence_message(trainer, state, snapshot.step, info, diverged)
            state.restore(snapshot, snapshot.active & ~state.active)
            if not k.to_host(state.active).any():
                for name in FLAGS:
                    setattr(snapshot, name, getattr(state, name).copy())
                watch.on_row(snapshot, history)
                raise DivergenceError(sentence)
            watch.on_divergence(sentence)
        with np.errstate(over="ignore", divide="ignore"):
            row = {"gamma": 1 / precision(trainer.model.log_sd(state.theta)), **info.report()}
        history.append(state.step, {name: k.to_host(value) for name, value in row.items()})
        snapshot = state.copy()
        watch.on_row(snapshot, history)
    return snapshot


def _divergence_message(trainer: Trainer, state: State, kept: int, info: Info, diverged: Array) -> str:
    """Write one sentence: which model diverged, when, in which term, and what to try."""
    r = int(np.flatnonzero(diverged)[0])
    cause = info.causes()[int(trainer.k.to_host(state.cause)[r]) - 1]
    step, seed = int(trainer.k.to_host(state.diverged_at)[r]), trainer.settings.seeds[r]
    return (
        f"The loss stopped being finite at step {step} in {cause} (seed {seed}); the state of step {kept} "
        f"was kept: {_remedy(trainer, cause)}."
    )


def _remedy(trainer: Trainer, cause: str) -> str:
    """Write what to try after a divergence: the scale of the data comes before the settings."""
    if cause == BILEVEL_UPDATES:
        return f"try a smaller --bilevel-lr than {bilevel_step_size(trainer.settings):g}"
    summary, settings = trainer.prepared.summary, trainer.settings
    if summary is None or trainer.prepared.preprocessing or not summary.unequal:
        rates = "--lr, --encoder-lr or --bilevel-lr" if settings.bilevel_steps else "--lr or --encoder-lr"
        return f"try a smaller {rates}, or a larger --sd-init"
    if has_sigmoid(settings):
        return f"scale the data ({summary.ranges()}) to [0, 1], where the decoder's sigmoid is"
    return f"the data are far from unit scale ({summary.ranges()}), so start a run with --standardize columns"
