"""Runs on disk: start, save, resume and load; a run killed at any time resumes bit for bit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data import Dataset
from ..data.arrays.given import Given, is_name
from ..data.dataset import fingerprint
from ..data.views import in_data_units
from ..errors import DivergenceError, Interrupted
from ..parallel.single import ALONE
from ..settings.in_effect import has_sigmoid
from ..settings.run_length import Lengths
from ..settings.settings import Settings
from ..training.build import advice
from ..training.history import History
from ..training.loop import Watch, run_loop
from ..training.ranks import agreed, check_alike
from ..training.state import State
from ..training.trainer import Trainer
from ..types.division import Communicator
from . import last_row
from .best import BestState
from .contents import contents_of
from .evaluation_log import Evaluations
from .folder import RunFolder, folder_of
from .newest import checkpoint_in
from .opening import new_trainer, read_run
from .run import Run as Run
from .stored_data import to_attributes
from .trained import TrainedVAE

#: Most seconds between checkpoints, which are written between two steps.
SAVE_EVERY = 10.0


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
    best: BestState = field(default_factory=BestState)
    #: The state of the last row; None before the first training of a session whose state is a row.
    last: State | None = None
    #: SHA-256 of the data of a stored run; empty before it is computed.
    digest: str = ""
    _saved: float = field(default_factory=time.monotonic, init=False)
    _saved_step: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self._saved_step = self.state.step

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
        trainer = new_trainer(settings, dataset, ranks)
        session = cls(trainer, trainer.initial_state(), History())
        check_alike(trainer, session.state, lambda: session.fingerprint)
        session.place = RunFolder() if ranks.rank else RunFolder.claimed(settings, folder, named)
        with session.place.released_on_failure():
            session.save(session.state)
        return session

    @classmethod
    def resumed(
        cls, folder: Path, changes: Mapping[str, Any] | None = None, to_read: bool = False, dry: bool = False,
        dataset: Given | Dataset = None, ranks: Communicator = ALONE, lengths: Lengths = Lengths.ANY,
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
        lengths : Lengths
            The lengths that ``changes`` may give the run.

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
        checkpoint_in(folder)  # lock only a folder that has a run
        place = RunFolder() if ranks.rank else RunFolder.resumed(folder, locked=not (to_read or dry))
        with place.released_on_failure():
            found = read_run(folder, changes or {}, to_read, dataset, ranks, lengths)
            place.seal = found.seal
            session = cls(
                found.trainer, found.state, found.history, place, found.evaluations, found.best, found.last,
                found.digest,
            )  # fmt: skip
            check_alike(found.trainer, found.state, lambda: session.fingerprint)
            return session

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the training data as they were when the run began."""
        self.digest = self.digest or fingerprint(self.dataset, self.trainer.settings.data_seed)
        return self.digest

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

    def settled(self) -> State:
        """Return the state, with models that have diverged since the last row as they were there."""
        return last_row.settled(self.trainer.k, self.state, self.last)

    def train(self, watch: Watch | None = None) -> Run:
        """Train the run to its end, and save it regularly.

        Raises
        ------
        DivergenceError
            If all models have diverged; the last finite state was saved.
        Interrupted
            If the watch requested a stop; the state was saved.
        StorageError
            If a file could not be written.
        LockedError
            If another session is training the run.
        """
        with self.place.held():
            return self._train(watch or Watch())

    def _train(self, watch: Watch) -> Run:
        if not self.trainer.k.to_host(self.state.active).any():
            raise DivergenceError(
                f"Every model of the run in {self.folder} had stopped by step {self.state.step}: start a new "
                "run."
            )
        trainer = self.trainer
        if self.last is not None and self.state.step >= trainer.total_steps:  # the last step is a row
            self.state = self.last.copy()
        self.last = self.last or self.state.copy()
        stopped = ended = False

        def evaluate(snapshot: State) -> bool:
            """Evaluate if that is due; also called on resumption, before the first step."""
            if trainer.ranks.rank or not trainer.evaluates_at(snapshot.step):
                return False
            added = self.evaluations.add(trainer, snapshot, watch.on_evaluation)
            return self.best.add(trainer, snapshot) or added

        def on_row(snapshot: State, history: History) -> None:
            self.last = snapshot
            if evaluate(snapshot) or self._is_due():
                self.save(snapshot)
            watch.on_row(snapshot, history)

        def on_state(state: State, snapshot: State) -> None:
            if state.step > self._saved_step and self._is_due():
                self.save(state)
            watch.on_state(state, snapshot)

        own = replace(watch, on_row=on_row, on_state=on_state)
        shared, is_final = agreed(own, trainer, lambda: self.best.is_final(trainer.settings.patience))

        def stop() -> bool:
            nonlocal stopped
            stopped = shared.stop()
            return stopped

        try:
            evaluate(self.last)
            self.last = run_loop(
                trainer, self.state, self.history, trainer.total_steps, trainer.settings.log_every,
                replace(shared, stop=stop), is_final, self.last,
            )  # fmt: skip
            ended = True
        except DivergenceError:
            ended = True
            raise
        except Interrupted as request:
            if self.folder is None:
                raise
            raise Interrupted(f"{request} Go on with: vsmnp train --resume {self.folder}") from request
        finally:
            self._end(ended, stopped)
        return self.run(self.last)

    def _end(self, ended: bool, stopped: bool) -> None:
        """Save the state of a training that was stopped between two steps, else its last row.

        A failure may have left the state within a step: it is then that of the last row.
        """
        assert self.last is not None
        if stopped:
            self.save(self.state)
            return
        if ended or self._saved_step <= self.last.step:  # nothing later is saved
            self.save(self.last)
        if not ended:
            self.state = self.last.copy()

    def _is_due(self) -> bool:
        """Return whether the last checkpoint is older than :data:`SAVE_EVERY`."""
        return time.monotonic() - self._saved > SAVE_EVERY

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
        """Write ``checkpoint.h5`` and the files derived from it; without a folder, write nothing."""
        if self.folder is None:
            return
        parts = state, self.history, self.evaluations, self.best
        about = to_attributes(self.dataset, self.fingerprint)
        self.place.write(*contents_of(self.trainer, *parts, about, self.last))
        self._saved, self._saved_step = time.monotonic(), state.step

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
    return session.best_run() if best else session.run(session.settled())
