"""Split a trained ensemble into the runs of its models, each as if it had been trained by itself."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

from ..errors import StorageError
from ..runs import checkpoint
from ..runs.best import BestState
from ..runs.contents import contents_of
from ..runs.evaluation_log import Evaluations
from ..runs.folder import CHECKPOINT
from ..runs.session import Session
from ..runs.stored_data import to_attributes
from ..settings.in_effect import OF_A_MODEL
from ..settings.settings import Settings
from ..storage import make_folder, write_text
from ..training.history import History
from ..training.optimizers import Memory
from ..training.state import FLAGS, State


def write_members(session: Session, members: tuple[Settings, ...], folders: tuple[Path, ...]) -> None:
    """Write the run of every model into its own folder; folders with a run are left alone.

    The checkpoint is written last, so that a run exists when all of its files do: after a kill, the same call
    writes what is missing.

    Parameters
    ----------
    session : Session
        The ensemble at its end.
    members : tuple of Settings
        The settings of each model, as its cell asks for them.
    folders : tuple of Path
        The folder of each model.

    Raises
    ------
    StorageError
        If a file cannot be written; the runs of the other models are then written all the same.
    """
    about = to_attributes(session.dataset, session.fingerprint)
    trainer = session.trainer
    fused, last = trainer.fused is not None, session.last or session.state
    problems: list[StorageError] = []
    for model, (member, folder) in enumerate(zip(members, folders, strict=True)):
        if os.path.exists(folder / CHECKPOINT):  # where nobody may look, to write fails with a sentence
            continue
        own = {name: getattr(member, name) for name in OF_A_MODEL}
        alone = replace(trainer, settings=replace(trainer.settings, **own), may_fuse=fused, members=())
        state = member_state(last, model)
        history = member_history(session.history, model, state.step)
        arrays, attributes, texts = contents_of(alone, state, history, Evaluations(), BestState(), about)
        try:
            make_folder(folder)
            for name, text in texts.items():
                write_text(folder / name, text)
            checkpoint.save(folder / CHECKPOINT, arrays, attributes)
        except StorageError as error:
            problems.append(error)
    if problems:
        raise problems[0]


def member_state(state: State, model: int) -> State:
    """Return the state of one model, with its own arrays.

    Its step is the number of its decoder updates: a model that diverged has been reset to the state of a row,
    and a run of this model alone ends there.
    """
    here = slice(model, model + 1)

    def memory(all_of: Memory) -> Memory:
        return Memory(all_of.m[here].copy(), all_of.v[here].copy(), all_of.t[here].copy())

    phi_memory, theta_memory = memory(state.phi_memory), memory(state.theta_memory)
    flags = {name: getattr(state, name)[here].copy() for name in FLAGS}
    step = state.step if bool(flags["active"][0]) else int(theta_memory.t[0])
    return State(step, state.phi[here].copy(), state.theta[here].copy(), phi_memory, theta_memory, **flags)


def member_history(history: History, model: int, step: int) -> History:
    """Return the rows of one model up to a step."""
    count = sum(1 for _ in itertools.takewhile(lambda each: each <= step, history.steps))
    columns = {
        name: [row[model : model + 1] for row in column[:count]]
        for name, column in history.columns.items()
        if count
    }
    return History(history.steps[:count], columns)
