"""Runs on disk: start, save, resume and load; a run killed at any time resumes bit for bit."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..data import Dataset
from ..data.arrays.given import Given, is_name
from ..data.dataset import fingerprint
from ..data.held_out import training_part
from ..data.standardize import prepare
from ..data.views import in_data_units
from ..errors import CheckpointError, ConfigError, DivergenceError, Interrupted
from ..kernels import load, stand_in
from ..parallel.single import ALONE
from ..settings.in_effect import has_sigmoid
from ..settings.resolve import place_of, resolved, sized, stored, with_allowed_changes, with_data
from ..settings.settings import Settings
from ..training.build import advice
from ..training.history import History, stored_history
from ..training.loop import Watch, run_loop
from ..training.state import State, from_arrays
from ..training.trainer import Trainer
from ..types.division import Communicator
from . import checkpoint
from .best import BestState
from .contents import contents_of
from .evaluation_log import Evaluations
from .folder import CHECKPOINT, RunFolder, folder_of
from .ranks import agreed, check_alike, with_parts
from .run import Run as Run
from .stored_data import StoredData, prepared_from_arrays, to_attributes
from .trained import TrainedVAE

_log = logging.getLogger(__name__)

#: Minimum seconds between checkpoints, which are written after rows of the metrics.
SAVE_EVERY = 10.0
_ROWS = 200


@dataclass
class Session:
    """A run to be trained, from its start or from its last checkpoint.

    Its folder is locked until it is trained or closed; in a ``with`` statement, until the statement ends.
    """

    trainer: Trainer
    state: State
    history: History
    place: RunFolder = field(default_factory=RunFolder)
    evaluations: Evaluations = field(default_factory=Evaluations)
    #: The state of the last row, once a training has ended or was stopped.
    last: State | None = field(default=None, init=False)
    best: BestState = field(default_factory=BestState)
    _saved: float = field(default_factory=time.monotonic, init=False)

    @classmethod
    def new(
        cls, settings: Settings, dataset: Given | Dataset = None, folder: Path | None = None,
        named: bool = False, ranks: Communicator = ALONE,
    ) -> Session:  # fmt: skip
        """Resolve the settings, load the data and claim the folder.

        Parameters
        ----------
        folder : Path, optional
            An empty folder, or one to be created.
        named : bool
            Whether a run without a folder gets one under ``runs/``; otherwise nothing is written.
        ranks : Communicator
            The processes that train the run together; rank 0 alone has its folder.

        Raises
        ------
        ConfigError, DataError, DeviceError, StorageError
            If a setting, the data, the device or the folder is invalid.
        """
        asked, settings = settings, with_parts(resolved(settings), ranks.size)
        settings, dataset = with_data(settings, dataset)
        dataset = training_part(dataset, settings.validation, settings.data_seed)
        settings = sized(settings, dataset)
        prepared = prepare(dataset, settings.standardize, has_sigmoid(settings), settings.data_seed)
        settings = replace(settings, standardize=prepared.preprocessing.kind)
        k = load(settings.kernels, settings.tf32)
        trainer = Trainer.build(k, settings, dataset, prepared=prepared, ranks=ranks)
        if prepared.told:
            _log.info(prepared.told)
        if not settings.log_every:
            settings = replace(settings, log_every=max(1, trainer.total_steps // _ROWS))
            trainer = replace(trainer, settings=settings)
        session = cls(trainer, trainer.initial_state(), History())
        check_alike(trainer, session.state, lambda: session.fingerprint)
        session.place = RunFolder() if ranks.rank else RunFolder.claimed(asked, folder, named)
        with session.place.released_on_failure():
            session.save(session.state)
        return session

    @classmethod
    def resumed(
        cls, folder: Path, changes: Mapping[str, Any] | None = None, to_read: bool = False, dry: bool = False,
        dataset: Given | Dataset = None, ranks: Communicator = ALONE,
    ) -> Session:  # fmt: skip
        """Resume a run from its last checkpoint.

        Parameters
        ----------
        changes : mapping, optional
            Settings to change from this point on; ``dataset`` is a new place of the same data.
        to_read : bool
            Whether the run is only read: on a machine without its GPU too, and while it is trained.
        dry : bool
            Whether only the settings of a resumed run are wanted; its folder is then not locked.
        dataset : Dataset or array_like, optional
            The data of the run, where they are not at the place that its settings name.
        ranks : Communicator
            As in :meth:`new`; all of them read the checkpoint.

        Raises
        ------
        CheckpointError
            If the checkpoint is missing, damaged or foreign, or the data have changed.
        ConfigError
            If ``changes`` would change the mathematics of the run.
        LockedError
            If another session is training the run.
        StorageError
            If the folder cannot be locked.
        """
        checkpoint.seal(folder / CHECKPOINT)  # lock only a folder that has a run
        place = RunFolder() if ranks.rank else RunFolder.resumed(folder, locked=not (to_read or dry))
        with place.released_on_failure():
            return cls._from_checkpoint(folder, place, changes or {}, to_read, dataset, ranks)

    @classmethod
    def _from_checkpoint(
        cls, folder: Path, place: RunFolder, changes: Mapping[str, Any], to_read: bool,
        given: Given | Dataset, ranks: Communicator,
    ) -> Session:  # fmt: skip
        place.seal = checkpoint.seal(folder / CHECKPOINT)  # read first, so that a newer checkpoint is noticed
        arrays, attributes = checkpoint.load(folder / CHECKPOINT)
        settings = stored(attributes, folder / CHECKPOINT)
        if not to_read:
            settings = with_allowed_changes(settings, changes, folder)
        elif "dataset" in changes:
            settings = replace(settings, dataset=place_of(changes["dataset"]))
        data = StoredData(settings, attributes, folder, moved="dataset" in changes, given=given)
        dataset = data.dataset(at_once=not to_read)
        prepared = prepared_from_arrays(settings, dataset, arrays, folder / CHECKPOINT)
        kernels = stand_in(settings.kernels) if to_read else settings.kernels
        k = load(kernels, settings.tf32 and kernels == settings.kernels)
        trainer = Trainer.build(k, settings, dataset, bool(attributes.get("fused")), prepared, ranks)
        try:
            state = from_arrays(trainer.k, trainer.model, trainer.initial_state(), arrays)
        except CheckpointError as error:
            raise CheckpointError(
                f"{folder / CHECKPOINT} does not fit its settings: {str(error).rstrip('.')}. Start a new run."
            ) from error
        if state.step < 0:
            raise CheckpointError(
                f"{folder / CHECKPOINT} says that {state.step} steps are done: start a new run."
            )
        if changes and trainer.total_steps < state.step:
            raise ConfigError(
                f"The run in {folder} has done {state.step} steps, more than the {trainer.total_steps} asked "
                "for: raise --steps or --epochs."
            )
        history = stored_history(arrays, attributes, folder / CHECKPOINT)
        evaluations, best = Evaluations.from_arrays(arrays), BestState.from_arrays(trainer, state, arrays)
        session = cls(trainer, state, history, place, evaluations, best)
        check_alike(trainer, state, lambda: session.fingerprint)
        return session

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the training data."""
        return fingerprint(self.dataset, self.trainer.settings.data_seed)

    @property
    def dataset(self) -> Dataset:
        """The training data in their own units."""
        return in_data_units(self.trainer.batches.dataset)

    def notes(self) -> list[str]:
        """Write sentences for the user before training: on the settings, the data and their scales."""
        trainer = self.trainer
        settings, prepared = trainer.settings, trainer.prepared
        of_data = (*self.dataset.notes, *prepared.notes(self.dataset, has_sigmoid(settings)))
        return [*advice(settings, trainer.model.d_x), *of_data]

    @property
    def folder(self) -> Path | None:
        """Folder of the run, if on disk."""
        return self.place.folder

    @property
    def total_steps(self) -> int:
        """Number of decoder updates of the complete run."""
        return self.trainer.total_steps

    def seconds_per_step(self, repeats: int = 3) -> float:
        """Time a step on a copy of the state; see :meth:`vsmnp.training.trainer.Trainer.seconds_per_step`."""
        return self.trainer.seconds_per_step(self.state.copy(), repeats)

    def is_finite(self) -> bool:
        """Return whether no model of the current state has diverged since the last row."""
        k, state, last = self.trainer.k, self.state, self.last
        fine = k.finite(state.phi) & k.finite(state.theta) & state.alive
        return bool(k.to_host(fine | ~last.alive if last is not None else fine).all())

    def train(self, watch: Watch | None = None) -> Run:
        """Train the run to its end, and save it regularly.

        Raises
        ------
        DivergenceError
            If all models have diverged; the last finite state was saved.
        Interrupted
            If the watch requested a stop; the state of the last row was saved.
        StorageError
            If a file could not be written.
        LockedError
            If another session is training the run.
        """
        with self.place.held():
            return self._train(watch or Watch())

    def _train(self, watch: Watch) -> Run:
        if not self.trainer.k.to_host(self.state.alive).any():
            raise DivergenceError(
                f"Every model of the run in {self.folder} had stopped by step {self.state.step}: start a new "
                "run."
            )
        trainer, last = self.trainer, self.state.copy()

        def evaluate(snapshot: State) -> bool:
            """Evaluate if that is due; also called on resumption, before the first step."""
            if trainer.ranks.rank or not trainer.evaluates_at(snapshot.step):
                return False
            added = self.evaluations.add(trainer, snapshot, watch.on_evaluation)
            return self.best.add(trainer, snapshot) or added

        def on_row(snapshot: State, history: History) -> None:
            nonlocal last
            last = snapshot
            if evaluate(snapshot) or time.monotonic() - self._saved > SAVE_EVERY:
                self.save(snapshot)
            watch.on_row(snapshot, history)

        watched = agreed(replace(watch, on_row=on_row), trainer, self.best)
        try:
            evaluate(last)
            last = run_loop(
                trainer, self.state, self.history, trainer.total_steps, trainer.settings.log_every, *watched
            )
        except Interrupted as stop:
            if self.folder is None:
                raise
            raise Interrupted(f"{stop} Go on with: vsmnp train --resume {self.folder}") from stop
        finally:
            self.save(last)
            self.last = last
        return self.run(last)

    def run(self, state: State) -> Run:
        """Return the run with the models of a state."""
        trainer = self.trainer
        vae = TrainedVAE(trainer.k, trainer.model.frozen, state.phi, state.theta, trainer.settings.seeds,
                         trainer.prepared.preprocessing)  # fmt: skip
        kept, floored = (trainer.k.to_host(count) for count in (state.gamma_kept, state.gamma_floored))
        return Run(trainer.settings, self.dataset, vae, self.history, state.step,
                   kept, floored, self.folder, self.evaluations, self.place.seal, self.best)  # fmt: skip

    def best_run(self) -> Run:
        """Return the run with each model at its best step on the validation part; raises as its ``state``."""
        return replace(self.run(self.best.state(self.trainer, self.state)), is_best=True)

    def save(self, state: State) -> None:
        """Write ``checkpoint.h5``, then the files derived from it; without a folder, write nothing."""
        if self.folder is None:
            return
        parts = state, self.history, self.evaluations, self.best
        about = to_attributes(self.dataset, self.fingerprint)
        self.place.write(*contents_of(self.trainer, *parts, about))
        self._saved = time.monotonic()

    def close(self) -> None:
        """Release the lock of the folder."""
        self.place.release()

    def __enter__(self) -> Session:
        self.place.kept = True
        return self

    def __exit__(self, *failure: object) -> None:
        self.place.kept = False
        self.close()


def load_run(folder: str | Path, dataset: Given | Dataset = None, best: bool = False) -> Run:
    """Load a run from its folder or checkpoint, at the state of the last checkpoint or at its best state.

    The data are read when they are first needed, so that a run without its data file can be sampled.
    ``dataset`` are the data, as a dataset, a path or an array, if they are no longer where they were.

    Raises
    ------
    CheckpointError, ConfigError, DataError
        If the checkpoint cannot be read, or ``dataset`` cannot be or has not the data of the run.
    """
    changes, given = ({"dataset": str(dataset)}, None) if is_name(dataset) else (None, dataset)
    session = Session.resumed(folder_of(folder), changes, to_read=True, dataset=given)
    return session.best_run() if best else session.run(session.state)
