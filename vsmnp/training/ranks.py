"""The agreement of the ranks of one training: its parts, that they have the same run, and when to stop."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace

from ..errors import RankError
from ..parallel.tree import any_of, texts_of
from ..settings.settings import FREE_TO_CHANGE, Settings
from ..settings.values import option_name
from ..types import Array
from ..types.progress import Stop
from ..version import VERSION
from .history import History
from .loop import Watch
from .state import State
from .trainer import Trainer

#: Settings whose values may differ between ranks: what is free to change, and the name of the data.
_OWN = {*FREE_TO_CHANGE, "dataset"}


def with_parts(settings: Settings, size: int) -> Settings:
    """Return the settings with as many parts as ranks, unless the parts are chosen."""
    return settings if settings.parts else replace(settings, parts=size)


def check_alike(trainer: Trainer, state: State, fingerprint: Callable[[], str]) -> None:
    """Raise a RankError if a rank has another version of vsmnp, other settings or other data than rank 0.

    Parameters
    ----------
    state : State
        The state from which the training begins, which has to be the same too.
    fingerprint : callable
        Returns the SHA-256 of the data.
    """
    ranks, settings = trainer.ranks, trainer.settings.to_mapping()
    if ranks.size == 1:
        return
    own = {name: value for name, value in settings.items() if name not in _OWN}
    about = [VERSION, fingerprint(), {name: str(value) for name, value in own.items()}]
    first, *others = [json.loads(text) for text in texts_of(ranks, json.dumps(about))]
    for rank, other in enumerate(others, 1):
        if other[0] != first[0]:
            raise RankError(
                f"Rank {rank} has vsmnp {other[0]} and rank 0 has {first[0]}: install one version on all "
                "machines."
            )
        for name, value in other[2].items():
            if value != first[2].get(name):
                raise RankError(
                    f"Rank {rank} was started with {option_name(name)} {value} and rank 0 with "
                    f"{first[2].get(name)}: give all ranks the same options."
                )
        if other[1] != first[1]:
            raise RankError(
                f"Rank {rank} has other data than rank 0 (their SHA-256 begin with {other[1][:8]} and "
                f"{first[1][:8]}): give all ranks the same data."
            )
    _check_parameters(trainer, state)


def agreed(watch: Watch, trainer: Trainer, is_final: Stop) -> tuple[Watch, Stop]:
    """Return the watch and the early end of a training, agreed among its ranks.

    A signal to any rank stops all at the same step; rank 0, which evaluates, decides by ``is_final`` whether
    the training is long enough; and at every row all must have the same parameters.
    """
    ranks, patience = trainer.ranks, trainer.settings.patience
    if ranks.size == 1:
        return watch, is_final

    def on_row(state: State, history: History) -> None:
        _check_parameters(trainer, state)
        watch.on_row(state, history)

    together = replace(watch, on_row=on_row, stop=lambda: any_of(ranks, watch.stop()))
    return together, lambda: patience > 0 and any_of(ranks, ranks.rank == 0 and is_final())


def _check_parameters(trainer: Trainer, state: State) -> None:
    sums = texts_of(trainer.ranks, str([zlib.crc32(_bytes(trainer, v)) for v in (state.phi, state.theta)]))
    for rank, other in enumerate(sums):
        if other != sums[0]:
            raise RankError(
                f"After step {state.step} rank {rank} has other parameters than rank 0, although both "
                "computed the same: use processors of one kind, with the same libraries."
            )


def _bytes(trainer: Trainer, vector: Array) -> bytes:
    return trainer.k.to_host(vector).tobytes()
