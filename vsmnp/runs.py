"""Runs on disk: start, save, resume, load. A run killed at any instant goes on bit for bit."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint, toml
from .config import FREE_TO_CHANGE, Settings, option_name
from .data import NAMES, Dataset, load_data
from .errors import CheckpointError, ConfigError, Interrupted, StorageError
from .files import make_folder, write_text
from .history import History
from .kernels import choose, load
from .loop import Watch, run_loop
from .state import State, from_arrays, to_arrays
from .trained import TrainedVAE
from .trainer import Trainer
from .types import Array

CHECKPOINT, CONFIG, METRICS = "checkpoint.h5", "config.toml", "metrics.csv"

#: Seconds between checkpoints; a row of the metrics decides the exact step.
SAVE_EVERY = 10.0
_ROWS = 200


@dataclass
class Run:
    """A trained (or half-trained) run: settings, data, models and what they reported.

    Attributes
    ----------
    settings : Settings
        All of them, resolved.
    dataset : Dataset
        What it was trained on.
    vae : TrainedVAE
        The models.
    history : History
        The rows of ``metrics.csv``.
    step : int
        Decoder updates done.
    gamma_kept : Array
        ``(R,)`` counts of batches without an optimal gamma.
    folder : Path or None
        Where it lives, if on disk.
    """

    settings: Settings
    dataset: Dataset
    vae: TrainedVAE
    history: History
    step: int
    gamma_kept: Array
    folder: Path | None = None


@dataclass
class Session:
    """A run about to be trained, from its beginning or from where it stopped."""

    trainer: Trainer
    state: State
    history: History
    folder: Path | None
    _saved: float = field(default_factory=time.monotonic, init=False)

    @classmethod
    def new(cls, settings: Settings, dataset: Dataset | None = None, folder: Path | None = None) -> Session:
        """Resolve the settings, load the data and claim the folder.

        Raises
        ------
        ConfigError, DataError, DeviceError, StorageError
            If a setting, the data, the device or the folder is at fault.
        """
        settings = _resolved(settings)
        trainer = Trainer.build(load(settings.kernels), settings, dataset or _dataset(settings))
        if not settings.log_every:
            settings = replace(settings, log_every=max(1, trainer.total_steps // _ROWS))
            trainer = replace(trainer, settings=settings)
        session = cls(trainer, trainer.initial_state(), History(), folder)
        if folder is not None:
            _claim(folder)
            session.save(session.state)
        return session

    @classmethod
    def resumed(cls, folder: Path, changes: Mapping[str, Any] | None = None) -> Session:
        """Take up a run where its last checkpoint left it.

        Raises
        ------
        CheckpointError
            If the checkpoint is missing, damaged or foreign, or the data are no longer the same.
        ConfigError
            If ``changes`` would change the mathematics of the run.
        """
        arrays, attributes = checkpoint.load(folder / CHECKPOINT)
        settings = _settings_of(attributes, folder)
        settings = _changed(settings, changes or {}, folder)
        trainer = Trainer.build(load(settings.kernels), settings, _dataset(settings))
        state = from_arrays(trainer.k, trainer.model, trainer.initial_state(), arrays)
        session = cls(trainer, state, _history(arrays, attributes, folder), folder)
        if attributes.get("data") != session.fingerprint:
            raise CheckpointError(
                f"The data '{settings.dataset}' are no longer those that the run in {folder} was trained on: "
                "put the old file back or start a new run."
            )
        return session

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the test set: changes when the data do."""
        settings, dataset = self.trainer.settings, self.trainer.batches.dataset
        test = np.ascontiguousarray(dataset.test(settings.data_seed, np.float64))
        return hashlib.sha256(test.tobytes()).hexdigest()

    @property
    def total_steps(self) -> int:
        """Decoder updates when the run is done."""
        return self.trainer.total_steps

    def seconds_per_step(self, repeats: int = 3) -> float:
        """Measured on a copy of the state, compilation and first-use costs left out."""
        trial = self.state.copy()
        self.trainer.step(trial)
        start = time.perf_counter()
        for _ in range(repeats):
            self.trainer.step(trial)
        return (time.perf_counter() - start) / repeats

    def train(self, watch: Watch | None = None) -> Run:
        """Run to the end, saving on the way.

        Raises
        ------
        DivergenceError
            If every model's loss stopped being finite; the last good state was saved.
        Interrupted
            If the watch asked to stop; the state of the last row was saved.
        StorageError
            If a file could not be written.
        """
        watch = watch or Watch()
        last = self.state.copy()

        def on_row(snapshot: State, history: History) -> None:
            nonlocal last
            last = snapshot
            if time.monotonic() - self._saved > SAVE_EVERY:
                self.save(snapshot)
            watch.on_row(snapshot, history)

        every = self.trainer.settings.log_every
        try:
            last = run_loop(
                self.trainer, self.state, self.history, self.total_steps, every, replace(watch, on_row=on_row)
            )
        except Interrupted as stop:
            if self.folder is None:
                raise
            raise Interrupted(f"{stop} Go on with: vsmnp train --resume {self.folder}") from stop
        finally:
            self.save(last)
        return self.run(last)

    def run(self, state: State) -> Run:
        """The run as it stands."""
        trainer = self.trainer
        vae = TrainedVAE(trainer.k, trainer.model, state.phi, state.theta, trainer.settings.seeds)
        return Run(trainer.settings, trainer.batches.dataset, vae, self.history, state.step,
                   state.gamma_kept, self.folder)  # fmt: skip

    def save(self, state: State) -> None:
        """Write ``checkpoint.h5``, then what can be read off it; without a folder, nothing."""
        if self.folder is None:
            return
        trainer = self.trainer
        arrays = {**to_arrays(trainer.k, trainer.model, state), **self.history.to_arrays()}
        attributes = {
            "settings": trainer.settings.to_mapping(),
            "data": self.fingerprint,
            "columns": list(self.history.columns),
            "fused": False,
        }
        checkpoint.save(self.folder / CHECKPOINT, arrays, attributes)
        write_text(self.folder / CONFIG, toml.dumps(trainer.settings))
        write_text(self.folder / METRICS, self.history.to_csv(trainer.settings.seeds))
        self._saved = time.monotonic()


def load_run(folder: str | Path) -> Run:
    """A run from its folder, as far as it was trained.

    Raises
    ------
    CheckpointError, DataError
        If the checkpoint or the data cannot be read.
    """
    session = Session.resumed(Path(folder))
    return session.run(session.state)


def free_folder(settings: Settings) -> Path:
    """A folder under ``runs/`` that does not exist yet, named after the settings."""
    data = Path(settings.dataset).stem
    seeds = "-".join(
        map(str, settings.seeds[:1] if len(settings.seeds) == 1 else (settings.seeds[0], settings.seeds[-1]))
    )
    published = "-as-published" if settings.as_published else ""
    name = f"{data}-{settings.inference}-{settings.objective}{published}-seed{seeds}"
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-{number}"
    return folder


def _claim(folder: Path) -> None:
    """Create the folder; one that holds anything is left alone."""
    make_folder(folder)
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise StorageError(
            f"The folder {folder} is not empty: choose another with --out, or go on with the run in it by "
            f"--resume {folder}."
        )


def _resolved(settings: Settings) -> Settings:
    """The kernel set by name, and paths that hold from any folder."""
    data_dir = _absolute(settings.data_dir) if settings.data_dir else ""
    dataset = settings.dataset if settings.dataset in NAMES else _absolute(settings.dataset)
    kernels = choose(settings.device, settings.kernels)
    return replace(settings, kernels=kernels, data_dir=data_dir, dataset=dataset)


def _changed(settings: Settings, changes: Mapping[str, Any], folder: Path) -> Settings:
    """The settings with the changes that leave the mathematics alone; any other change is refused."""
    wanted = _resolved(Settings.from_mapping({**settings.to_mapping(), **changes}))
    for name in changes:
        kept, value = getattr(settings, name), getattr(wanted, name)
        if name not in FREE_TO_CHANGE and value != kept:
            raise ConfigError(
                f"{option_name(name)} {value} differs from the {kept} of the run in {folder}: a resumed run "
                "keeps its mathematics, so leave the option out or start a new run."
            )
    return wanted


def _absolute(path: str) -> str:
    return str(Path(os.path.expanduser(path)).absolute())


def _dataset(settings: Settings) -> Dataset:
    return load_data(settings.dataset, data_dir=settings.data_dir or None)


def _history(arrays: Mapping[str, Array], attributes: Mapping[str, Any], folder: Path) -> History:
    try:
        return History.from_arrays(arrays, attributes["columns"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"The history in {folder / CHECKPOINT} is not that of this version: {error}."
        ) from error


def _settings_of(attributes: Mapping[str, Any], folder: Path) -> Settings:
    try:
        return Settings.from_mapping(attributes["settings"])
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(
            f"The settings in {folder / CHECKPOINT} are not those of this version: {error}"
        ) from error
