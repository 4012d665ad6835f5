"""Resolve settings: kernel set, paths and data, and the changes that a resumed run permits."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data import NAMES, Dataset, load_data
from ..data.arrays.given import Given
from ..data.arrays.rows_in_use import as_missing
from ..data.arrays.table import names_in
from ..data.dataset import is_dataset
from ..data.pictures.decode import as_channels
from ..errors import CheckpointError, ConfigError
from ..kernels import choose, device_of
from ..storage import may_be_folder
from .choices import ARCHITECTURES, GAMMA_RULES, IMAGE_SIDES
from .in_effect import STANDARDISED, bilevel_step_size, has_open_length, with_decided_length
from .left_open import BATCH_SIZE
from .settings import FREE_TO_CHANGE, Settings
from .values import option_name

_log = logging.getLogger(__name__)


def resolved(settings: Settings) -> Settings:
    """Return the settings with the names of device and kernel set, absolute paths and a bi-level step size.

    Raises
    ------
    DeviceError
        If the device does not exist.
    """
    data_dir = _absolute(settings.data_dir) if settings.data_dir else ""
    kernels = choose(settings.device, settings.kernels, settings.tf32)
    dataset = place_of(settings.dataset)
    settings = _with_step_size(settings)
    return replace(settings, device=device_of(kernels), kernels=kernels, data_dir=data_dir, dataset=dataset)


def _with_step_size(settings: Settings) -> Settings:
    """Return the settings with the step size of their bi-level updates, which a run keeps in all versions."""
    return replace(settings, bilevel_lr=bilevel_step_size(settings)) if settings.bilevel_steps else settings


def place_of(dataset: str) -> str:
    """Return the absolute path of data in a file or a folder, and other names unchanged.

    A name that the system refuses to look at is a path: it is opened next, and may be readable then.
    """
    if not dataset or dataset in NAMES:
        return dataset
    is_path = Path(dataset).suffix or "/" in dataset or may_be_folder(Path(dataset))
    return _absolute(dataset) if is_path else dataset


def sized(settings: Settings, dataset: Dataset) -> Settings:
    """Return the settings with a minibatch size and a length for the data, and an interval of validations.

    A size that is not chosen is a multiple of the parts of a minibatch.
    """
    every = settings.evaluate_every or (1.0 if settings.validation else 0.0)
    parts = max(settings.parts, 1)
    size = settings.batch_size or max(min(BATCH_SIZE, dataset.n_train) // parts, 1) * parts
    return with_decided_length(replace(settings, batch_size=size, evaluate_every=every), dataset.n_train)


#: Settings that a run decides from its data or its ranks, with the values that leave them to the data.
_LEFT_OPEN = {"standardize": "auto", "batch_size": 0, "image_size": 0, "parts": 0, "sd_init": 0.0}


def as_decided(wanted: Settings, run: Settings) -> Settings:
    """Return the settings with what the run decided, where they leave it to the data or the ranks.

    Their length is as they have it: see :func:`~vsmnp.settings.run_length.with_allowed_length`.
    """
    left = [name for name, value in _LEFT_OPEN.items() if getattr(wanted, name) == value]
    return replace(wanted, **{name: getattr(run, name) for name in left})


def with_allowed_changes(settings: Settings, changes: Mapping[str, Any], folder: Path) -> Settings:
    """Apply to the settings of the run in ``folder`` those changes that preserve the mathematics.

    Another place of the data is one of them: whether they are the same data is checked when they are read.
    Whether the run may have another length is decided by its data:
    see :func:`~vsmnp.settings.run_length.with_allowed_length`.

    Raises
    ------
    ConfigError
        If a change would alter the mathematics.
    """
    epochs_decide = {"steps": 0} if "epochs" in changes else {}
    try:
        wanted = resolved(Settings.from_mapping({**settings.to_mapping(), **epochs_decide, **changes}))
    except ConfigError:  # a change that is not allowed may not fit to the rest of the run
        allowed = {name: value for name, value in changes.items() if name in FREE_TO_CHANGE}
        Settings.from_mapping({**settings.to_mapping(), **epochs_decide, **allowed})
        chosen = {name: tuple(v) if isinstance(v, list) else v for name, v in changes.items()
                  if v not in ("auto", _LEFT_OPEN.get(name))}  # fmt: skip
        _require_unchanged(settings, chosen, folder)
        raise
    wanted = as_decided(wanted, settings)
    _require_unchanged(settings, {name: getattr(wanted, name) for name in changes}, folder)
    return wanted


def _require_unchanged(settings: Settings, values: Mapping[str, Any], folder: Path) -> None:
    """Raise the ConfigError of the first value that alters the mathematics of the run in ``folder``."""
    for name, value in values.items():
        kept = getattr(settings, name)
        if name not in {*FREE_TO_CHANGE, "dataset"} and value != kept:
            raise ConfigError(
                f"{option_name(name)} {value} differs from the {kept} of the run in {folder}: a resumed run "
                "keeps its mathematics, so leave the option out or start a new run."
            )


def from_stored(values: Mapping[str, Any]) -> Settings:
    """Return the settings of a run from the values that a version wrote."""
    values = {"standardize": "none", "parts": 1, **values}  # versions without these settings did the same
    if not values.get("sd_init") and values.get("gamma", "learn") in GAMMA_RULES:
        # versions that left the initial sqrt(gamma) open began with these
        values["sd_init"] = 1.0 if values["standardize"] in STANDARDISED else 0.1
    if not values.get("bilevel_steps"):  # some versions wrote the step size of updates that were not done
        values["bilevel_lr"] = Settings.bilevel_lr
    return _with_step_size(Settings.from_mapping(values))


def with_stored_length(settings: Settings, attributes: Mapping[str, Any]) -> Settings:
    """Return the settings with the number of steps of a checkpoint whose version stored an open length."""
    return replace(settings, steps=attributes.get("steps") or 0) if has_open_length(settings) else settings


def stored(attributes: Mapping[str, Any], path: Path) -> Settings:
    """Read the settings from the attributes of a checkpoint.

    Raises
    ------
    CheckpointError
        If they were not written by this version; the message contains ``path``.
    """
    try:
        return with_stored_length(from_stored(attributes["settings"]), attributes)
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(
            f"The settings in {path} are not those of this version ({str(error).rstrip('.')}): start a new "
            "run."
        ) from error


def dataset_of(settings: Settings, given: Given | Dataset = None) -> Dataset:
    """Load the data that the settings name, or those given in Python; raises as :func:`vsmnp.load_data`."""
    if is_dataset(given):
        found: Dataset = given
        return found
    return load_data(
        settings.dataset if given is None else given,
        data_dir=settings.data_dir or None,
        image_size=settings.image_size,
        crop=settings.crop,
        channels=as_channels(settings.channels),
        memory_budget=settings.memory_budget,
        columns=names_in(settings.columns),
        drop_columns=names_in(settings.drop_columns),
        missing=as_missing(settings.missing),
    )


def with_data(settings: Settings, given: Given | Dataset = None) -> tuple[Settings, Dataset]:
    """Load the data, and frame pictures for a network of images that takes the next larger side.

    The settings are returned with the ``image_size`` that was used; raises as :func:`vsmnp.load_data` does.
    """
    dataset = dataset_of(settings, given)
    takes_any_side = is_dataset(given) or not ARCHITECTURES[settings.arch].of_images
    if takes_any_side or settings.image_size or dataset.image is None:
        return settings, dataset
    height, width = dataset.image[1:]
    larger = [side for side in IMAGE_SIDES if side > height]
    if height != width or height in IMAGE_SIDES or not larger:
        return settings, dataset
    settings = replace(settings, image_size=larger[0])
    _log.info(
        f"--arch {settings.arch} takes pictures of {' or '.join(map(str, IMAGE_SIDES))} pixels a side: those "
        f"of {height} get --image-size {larger[0]}."
    )
    return settings, dataset_of(settings, given)


def _absolute(path: str) -> str:
    return str(Path(os.path.expanduser(path)).absolute())
