"""The contents of a run's folder: arrays and attributes of its checkpoint, and the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..settings import toml
from ..training.history import History
from ..training.state import State, to_arrays
from ..training.trainer import Trainer
from ..types import Array
from . import last_row
from .best import BestState
from .evaluation_log import Evaluations
from .folder import CONFIG, EVALUATION, METRICS, VALIDATION
from .stored_data import prepared_to_arrays


class Contents(NamedTuple):
    """Arrays and attributes of a checkpoint, and texts by file name."""

    arrays: dict[str, Array]
    attributes: dict[str, Any]
    texts: dict[str, str]


def contents_of(
    trainer: Trainer, state: State, history: History, evaluations: Evaluations, best: BestState,
    about: Mapping[str, Any], last: State | None = None,
) -> Contents:  # fmt: skip
    """Return the contents of a run in a state.

    ``about`` are the attributes that state its data, and ``last`` is the last row of a state after it.
    """
    settings = trainer.settings
    arrays = {
        **to_arrays(trainer.k, trainer.model, state), **history.to_arrays(), **evaluations.to_arrays(),
        **last_row.to_arrays(trainer.k, trainer.model, state, last), **best.to_arrays(trainer),
        **prepared_to_arrays(trainer.prepared),
    }  # fmt: skip
    attributes = {
        "settings": settings.to_mapping(),
        **about,
        "columns": list(history.columns),
        "fused": trainer.fused is not None,
        "steps": trainer.total_steps,
        "stopped_early": best.is_final(settings.patience),
    }
    texts = {CONFIG: toml.dumps(settings), METRICS: history.to_csv(settings.seeds)}
    for name, rows in ((EVALUATION, evaluations.rows), (VALIDATION, best.rows)):
        if rows.steps:
            texts[name] = rows.to_csv(settings.seeds)
    return Contents(arrays, attributes, texts)
