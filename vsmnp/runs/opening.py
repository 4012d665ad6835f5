"""Open a run: build the trainer of a new one, or read a stored one from its checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..data import Dataset
from ..data.arrays.given import Given
from ..data.held_out import training_part
from ..data.standardize import prepare
from ..errors import CheckpointError, ConfigError, ForeignError
from ..kernels import load, stand_in
from ..parallel.single import ALONE
from ..settings.in_effect import has_sigmoid, with_initial_sd
from ..settings.resolve import place_of, resolved, sized, stored, with_allowed_changes, with_data
from ..settings.run_length import Lengths, with_allowed_length
from ..settings.settings import Settings
from ..training.history import History, stored_history
from ..training.ranks import with_parts
from ..training.state import State, from_arrays
from ..training.trainer import Trainer
from ..types.division import Communicator
from . import last_row
from .best import BestState
from .contents import require_contents
from .evaluation_log import Evaluations
from .newest import newest_checkpoint
from .stored_data import DIGEST, StoredData, prepared_from_arrays

_log = logging.getLogger(__name__)
#: Number of rows of a run's metrics, unless the settings say how often one is written.
_ROWS = 200


def new_trainer(settings: Settings, dataset: Given | Dataset, ranks: Communicator) -> Trainer:
    """Return the trainer of a new run; parameters and exceptions are those of ``Session.new``."""
    settings, dataset = with_data(with_parts(resolved(settings), ranks.size), dataset)
    dataset = training_part(dataset, settings.validation, settings.data_seed)
    settings = sized(settings, dataset)
    prepared = prepare(dataset, settings.standardize, has_sigmoid(settings), settings.data_seed)
    settings = with_initial_sd(replace(settings, standardize=prepared.preprocessing.kind))
    k = load(settings.kernels, settings.tf32)
    trainer = Trainer.build(k, settings, dataset, prepared=prepared, ranks=ranks)
    if prepared.told:
        _log.info(prepared.told)
    if settings.log_every:
        return trainer
    return replace(trainer, settings=replace(settings, log_every=max(1, trainer.total_steps // _ROWS)))


class StoredRun(NamedTuple):
    """The content of a checkpoint; ``last`` is the last row, None if the state is that row.

    ``seal`` is that of the checkpoint, and ``digest`` the SHA-256 of the data.
    """

    trainer: Trainer
    state: State
    history: History
    evaluations: Evaluations
    best: BestState
    last: State | None
    seal: str
    digest: str


def read_run(
    folder: Path, changes: Mapping[str, Any], to_read: bool, given: Given | Dataset = None,
    ranks: Communicator = ALONE, lengths: Lengths = Lengths.ANY,
) -> StoredRun:  # fmt: skip
    """Read the run in a folder; parameters and exceptions are those of ``Session.resumed``."""
    path, (arrays, attributes, seal) = newest_checkpoint(folder)
    require_contents(arrays, attributes, path)
    known = settings = stored(attributes, path)
    if not to_read:
        settings = with_allowed_changes(settings, changes, folder)
    elif "dataset" in changes:
        settings = replace(settings, dataset=place_of(changes["dataset"]))
    data = StoredData(settings, attributes, folder, moved="dataset" in changes, given=given)
    dataset = data.dataset(at_once=not to_read)
    if not to_read:
        settings = with_allowed_length(known, settings, dataset.n_train, folder, lengths)
    prepared = prepared_from_arrays(settings, dataset, arrays, path)
    kernels = stand_in(settings.kernels) if to_read else settings.kernels
    k = load(kernels, settings.tf32 and kernels == settings.kernels)
    trainer = Trainer.build(k, settings, dataset, bool(attributes.get("fused")), prepared, ranks=ranks)
    try:
        state = from_arrays(trainer.k, trainer.model, trainer.initial_state(), arrays)
        last = last_row.from_arrays(trainer.k, trainer.model, state, arrays)
    except CheckpointError as error:
        raise ForeignError(
            f"{path} does not fit its settings: {str(error).rstrip('.')}. Start a new run."
        ) from error
    if changes and trainer.total_steps < state.step:
        raise ConfigError(
            f"The run in {folder} has done {state.step} steps, more than the {trainer.total_steps} asked "
            "for: raise --steps or --epochs."
        )
    history = stored_history(arrays, attributes, path)
    evaluations, best = Evaluations.from_arrays(arrays), BestState.from_arrays(trainer, state, arrays)
    return StoredRun(
        trainer, state, history, evaluations, best, last, seal, str(attributes.get(DIGEST) or "")
    )
