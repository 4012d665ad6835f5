"""The contents of a run's folder: arrays and attributes of its checkpoint, and the files beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..data.views import FACTS
from ..errors import ForeignError
from ..settings import toml
from ..training.history import History
from ..training.state import State, to_arrays
from ..training.trainer import Trainer
from ..types import Array
from . import last_row
from .best import BestState
from .evaluation_log import Evaluations
from .folder import CONFIG, EVALUATION, METRICS, VALIDATION
from .stored_data import ABOUT, prepared_to_arrays

#: Types of attributes of a checkpoint and of the facts of its data, where they are there.
_TYPES: dict[str, type] = {
    "data": str, "fused": bool, "steps": int, "stopped_early": bool, "name": str, "source": str, "dim": int,
    "n_train": int, "n_test": int, "divisor": float, "is_image": bool,
}  # fmt: skip
#: Those of them that are at least 1.
_POSITIVE = ("dim", "n_train")
#: What every number among them is below.
_MOST = 2**53
#: Characters of a value that a message shows.
_SHOWN = 60
#: Kinds of NumPy's types by the last part of an array's name, and by the first, where it is fixed.
_KINDS = {"step": "iu", "active": "b", "steps": "iu", "t": "iuf"}
_NUMBERS = ("history", "evaluations", "validation")


def require_contents(arrays: Mapping[str, Array], attributes: Mapping[str, Any], path: Path) -> None:
    """Check the types of what was read from the checkpoint ``path``, before it is used.

    Raises
    ------
    ForeignError
        If one is another; the message names it, and of its value no more than a few characters.
    """
    for name, array in arrays.items():
        parts = name.split("/")
        kinds = _KINDS.get(parts[-1], "biuf" if parts[0] in _NUMBERS else "")
        if kinds and array.dtype.kind not in kinds:
            raise _wrong(path, name, array.dtype)
        if parts[-1] == "step" and (array.shape or not 0 <= int(array) < 2**32):
            raise _wrong(path, name, array.tolist())
    if not isinstance(attributes, dict):
        raise _wrong(path, "vsmnp", attributes)
    facts = attributes.get(ABOUT, {})
    if not isinstance(facts, dict):
        raise _wrong(path, ABOUT, facts)
    for name, kind in _TYPES.items():
        stated = facts if name in FACTS else attributes
        if name in stated and not _is_of(stated[name], kind, least=1 if name in _POSITIVE else 0):
            raise _wrong(path, name, stated[name])
    for name, kind in (("columns", str), ("shape", int), ("image", int)):
        for stated in (attributes, facts):
            values = stated.get(name)
            is_none = values is None and (name == "image" or name not in stated)
            if not is_none and not (isinstance(values, list) and all(_is_of(v, kind) for v in values)):
                raise _wrong(path, name, values)
    if "shape" in facts and math.prod(facts["shape"]) != facts.get("dim"):
        raise _wrong(path, "dim", facts.get("dim"))


def _is_of(value: object, kind: type, least: int = 0) -> bool:
    """Return whether an attribute is of a type, and as a number so small that a float has it exactly."""
    if isinstance(value, float) and kind is float:
        return least <= value < _MOST
    if kind in (int, float):
        return type(value) is int and least <= value < _MOST
    return type(value) is kind


def _wrong(path: Path, name: str, value: object) -> ForeignError:
    """Build the error for a value of a checkpoint that cannot be what was written."""
    shown = str(value)
    shown = shown if len(shown) < _SHOWN else f"{shown[:_SHOWN]}..."
    return ForeignError(f"'{name}' in {path} is {shown}, which no version writes: start a new run.")


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
