"""Build the trainer of a new run: resolve its settings, load and prepare its data."""

from __future__ import annotations

import logging
from dataclasses import replace

from ..data import Dataset
from ..data.arrays.given import Given
from ..data.held_out import training_part
from ..data.standardize import prepare
from ..kernels import load
from ..settings.in_effect import has_sigmoid
from ..settings.resolve import resolved, sized, with_data
from ..settings.settings import Settings
from ..training.trainer import Trainer
from ..types.division import Communicator
from .ranks import with_parts

_log = logging.getLogger(__name__)
#: Number of rows of a run's metrics, unless the settings say how often one is written.
_ROWS = 200


def new_trainer(settings: Settings, dataset: Given | Dataset, ranks: Communicator) -> Trainer:
    """Return the trainer of a new run; parameters and exceptions are those of ``Session.new``."""
    settings, dataset = with_data(with_parts(resolved(settings), ranks.size), dataset)
    dataset = training_part(dataset, settings.validation, settings.data_seed)
    settings = sized(settings, dataset)
    prepared = prepare(dataset, settings.standardize, has_sigmoid(settings), settings.data_seed)
    settings = replace(settings, standardize=prepared.preprocessing.kind)
    k = load(settings.kernels, settings.tf32)
    trainer = Trainer.build(k, settings, dataset, prepared=prepared, ranks=ranks)
    if prepared.told:
        _log.info(prepared.told)
    if settings.log_every:
        return trainer
    return replace(trainer, settings=replace(settings, log_every=max(1, trainer.total_steps // _ROWS)))
