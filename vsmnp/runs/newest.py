"""Find the newest checkpoint of a run that can be read: the last, or the one before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import CheckpointError, DamagedError
from ..storage import may_exist
from . import checkpoint
from .checkpoint import CHECKPOINT, PREVIOUS

_log = logging.getLogger(__name__)
#: Paths of damaged checkpoints that a warning has named, with the seals of those that were read instead.
_warned: set[tuple[str, str]] = set()


def checkpoint_in(folder: Path) -> Path:
    """Return the last checkpoint of a run, or the one before where the last is gone or its head is damaged.

    Raises
    ------
    CheckpointError
        If there is neither.
    """
    try:
        checkpoint.seal(folder / CHECKPOINT)
    except DamagedError:
        with suppress(CheckpointError):
            checkpoint.seal(folder / PREVIOUS)
            return folder / PREVIOUS
        raise
    return folder / CHECKPOINT


def has_run(folder: Path) -> bool:
    """Return whether a folder has the last checkpoint of a run, or the one before.

    It is also true if the system refuses a look: to read the run then fails with a sentence that says why.
    """
    return may_exist(folder / CHECKPOINT) or may_exist(folder / PREVIOUS)


def is_newest(folder: Path, seal: str) -> bool:
    """Return whether a seal is that of the checkpoint from which the run in a folder is read.

    Raises
    ------
    CheckpointError
        If none can be read.
    """
    with suppress(CheckpointError):
        if checkpoint.seal(folder / CHECKPOINT) == seal:
            return True
        if checkpoint.seal(folder / PREVIOUS) != seal:
            return False
    return newest_checkpoint(folder, ("step",))[1].seal == seal


def newest_checkpoint(
    folder: Path, names: Sequence[str] | None = None
) -> tuple[Path, checkpoint.CheckpointContent]:
    """Read the last checkpoint of a run, or the one before where the last is damaged.

    The one before is read with a warning, which a process gives once for each state of a run; ``names`` must
    have ``step``, which it states.

    Returns
    -------
    path : Path
        The file that was read.
    content : tuple
        Its content, as :func:`vsmnp.runs.checkpoint.glance` returns it.

    Raises
    ------
    CheckpointError
        If neither can be read; the error is that of the last.
    """
    path, previous = folder / CHECKPOINT, folder / PREVIOUS
    try:
        return path, checkpoint.glance(path, names)
    except DamagedError as error:
        try:
            found = checkpoint.glance(previous, names)
        except CheckpointError:
            raise error from None
        if (str(path.absolute()), found.seal) not in _warned:
            _warned.add((str(path.absolute()), found.seal))
            step = next(iter(np.ravel(found.arrays.get("step", "?"))), "?")
            _log.warning(
                "%s is damaged or gone: the run is read as it was at step %s, from %s.", path, step, previous
            )
        return previous, found
