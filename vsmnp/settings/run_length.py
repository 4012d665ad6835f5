"""Decide the length of a stored run that goes on: by its number of steps, whatever unit is asked for."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path

from ..errors import ConfigError
from .choices import LR_SCHEDULES
from .in_effect import has_open_length, length, with_decided_length
from .settings import Settings


class Lengths(Enum):
    """The lengths that a stored run may get: any, as many steps at least, or the same number."""

    ANY = "any"
    AT_LEAST = "at least"
    SAME = "same"


def decided_steps(settings: Settings, n_train: int) -> int:
    """Return the number of steps of a run on ``n_train`` training data, of which the minibatch is decided."""
    return round(length(settings, n_train))


def with_allowed_length(
    run: Settings, wanted: Settings, n_train: int, folder: Path, allowed: Lengths
) -> Settings:
    """Return the settings ``wanted`` for a stored run, with a length that it may have.

    Lengths are compared by their numbers of steps on ``n_train`` training data: the same number is the length
    of the run as it is stored, whether steps or epochs are asked for. A run whose step sizes fall to 0 at its
    end keeps its length.

    Parameters
    ----------
    run, wanted : Settings
        The settings of the run in ``folder``, and those that it is to have; a length that these leave open is
        decided.
    n_train : int
        Number of training data.
    allowed : Lengths
        The lengths that the caller permits.

    Raises
    ------
    ConfigError
        If the run may not have this length.
    """
    run, open_length = with_decided_length(run, n_train), has_open_length(wanted)
    found, asked = decided_steps(run, n_train), decided_steps(wanted, n_train)
    if asked == found:
        return replace(wanted, steps=run.steps, epochs=run.epochs)
    ends = LR_SCHEDULES[run.lr_schedule].ends_with_run
    if ends and allowed is Lengths.ANY:
        raise ConfigError(
            f"The step sizes of the run in {folder} fall to 0 at its last step (--lr-schedule "
            f"{run.lr_schedule}), so it keeps its length: leave out --steps and --epochs, or start a new run."
        )
    if ends or allowed is Lengths.SAME or (allowed is Lengths.AT_LEAST and asked < found):
        over = f", over which --lr-schedule {run.lr_schedule} falls to 0" if ends else ""
        words = "asked for" if wanted.steps else f"that {wanted.epochs:g} epochs are"
        words = "of a length that is not chosen" if open_length else words
        remedy = f"ask for --steps {found}" if ends else "ask for at least as many"
        remedy = "remove it" if allowed is Lengths.SAME else remedy
        raise ConfigError(
            f"{folder} holds a run of {found} steps{over}, {'more' if asked < found else 'fewer'} than the "
            f"{asked} {words}: {remedy}, or choose another folder by --out (for a figure with a grid by "
            "--runs)."
        )
    return with_decided_length(wanted, n_train)
