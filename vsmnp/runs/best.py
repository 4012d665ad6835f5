"""Early stopping: the best state of each model by its negative ELBO on a validation part of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..data.held_out import validation_part
from ..data.views import in_data_units
from ..errors import CheckpointError, ForeignError
from ..metrics import Subject, corrupted, negative_elbo
from ..model.layout import Layout
from ..rng import Key
from ..training.history import History
from ..training.state import State
from ..training.trainer import Trainer
from ..types import Array

_PREFIX = "validation/"
#: Name of the criterion in ``validation.csv``.
CRITERION = "neg_elbo"
_COUNTS = ("best", "best_step", "waited")


@dataclass
class BestState:
    """The criterion over the evaluated steps, and the parameters with which it was least.

    Each model is treated apart: its best state is the one that a run of this model alone would keep, and is
    final after ``patience`` evaluations without improvement.

    Attributes
    ----------
    rows : History
        The negative ELBO on the validation part in nats per sample, NaN of a diverged model.
    best, best_step, waited : Array
        ``(R,)``: the least value, its step, and the number of evaluations since then.
    phi, theta : Array
        ``(R, P_e)`` and ``(R, P_d)`` on the host, the parameters of each model at its best step.
    """

    rows: History = field(default_factory=History)
    best: Array = field(default_factory=lambda: np.zeros(0))
    best_step: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    waited: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    phi: Array = field(default_factory=lambda: np.zeros((0, 0)))
    theta: Array = field(default_factory=lambda: np.zeros((0, 0)))
    _samples: Array | None = field(default=None, init=False)

    def add(self, trainer: Trainer, state: State) -> bool:
        """Evaluate the criterion and keep what improved; return false without validation or if it is done."""
        settings, k = trainer.settings, trainer.k
        if not settings.validation or (self.rows.steps and self.rows.steps[-1] >= state.step):
            return False
        if self._samples is None:
            dataset, dtype = in_data_units(trainer.batches.dataset), np.dtype(settings.dtype)
            clean = validation_part(dataset, settings.validation, settings.data_seed, dtype)
            clean = trainer.prepared.preprocessing.to_model(clean).astype(dtype)
            self._samples = corrupted(k, clean, settings.noise)
        model, key = trainer.model.frozen, Key(settings.seeds)
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged model has no best state
            value = negative_elbo(Subject(k, model, state.phi, state.theta, self._samples, key))
        value = np.where(np.isfinite(value), value - trainer.prepared.preprocessing.log_abs_det, np.nan)
        phi, theta = k.to_host(state.phi), k.to_host(state.theta)
        if not self.rows.steps:
            models = len(value)
            self.best, self.best_step = np.full(models, np.inf), np.zeros(models, np.int64)
            self.waited, self.phi, self.theta = np.zeros(models, np.int64), phi.copy(), theta.copy()
        final = self.waited >= (settings.patience or np.inf)
        improved = (value < self.best) & ~final
        self.best = np.where(improved, value, self.best)
        self.best_step = np.where(improved, state.step, self.best_step)
        self.waited = np.where(improved, 0, self.waited + 1)
        self.phi[improved], self.theta[improved] = phi[improved], theta[improved]
        self.rows.append(state.step, {CRITERION: value})
        return True

    def is_final(self, patience: int) -> bool:
        """Return whether no model has improved during the last ``patience`` evaluations; 0 means never."""
        return patience > 0 and len(self.waited) > 0 and bool((self.waited >= patience).all())

    def state(self, trainer: Trainer, last: State) -> State:
        """Return a state with the best parameters of each model, and the latest of their steps.

        Raises
        ------
        CheckpointError
            If there is no best state.
        """
        if not self.best_step.any():
            raise CheckpointError(f"The run has no best state{self._why_none(trainer)}.")
        phi, theta = (trainer.k.asarray(vector) for vector in (self.phi, self.theta))
        return replace(last.copy(), step=int(self.best_step.max()), phi=phi, theta=theta)

    def _why_none(self, trainer: Trainer) -> str:
        """Write why there is no best state, and what to do."""
        if not trainer.settings.validation:
            return ": train one with --validation 0.1"
        if not self.rows.steps:
            return ", as it ended before its first evaluation: raise --steps, or lower --evaluate-every"
        return ", as its models had diverged at every evaluation: start a new run"

    def to_arrays(self, trainer: Trainer) -> dict[str, Array]:
        """Return arrays for a checkpoint; empty before the first evaluation."""
        if not self.rows.steps:
            return {}
        arrays = {_PREFIX + name: array for name, array in self.rows.to_arrays().items()}
        arrays |= {_PREFIX + name: getattr(self, name) for name in _COUNTS}
        for network, layout, vector in self._networks(trainer):
            arrays |= {f"{_PREFIX}{network}/{name}": array for name, array in layout.named(vector)}
        return arrays

    def _networks(self, trainer: Trainer) -> tuple[tuple[str, Layout, Array], ...]:
        model = trainer.model
        return ("encoder", model.phi_layout, self.phi), ("decoder", model.theta_layout, self.theta)

    @classmethod
    def from_arrays(cls, trainer: Trainer, state: State, arrays: Mapping[str, Array]) -> BestState:
        """Rebuild what :meth:`to_arrays` returned.

        Raises
        ------
        CheckpointError
            If the arrays were not written by this version.
        """
        own = {name.removeprefix(_PREFIX): a for name, a in arrays.items() if name.startswith(_PREFIX)}
        if not own:
            return cls()
        blank = [np.zeros_like(trainer.k.to_host(vector)) for vector in (state.phi, state.theta)]
        try:
            rows = History.from_arrays({**own, "active": arrays["active"]}, (CRITERION,))
            found = cls(rows, *(own[name] for name in _COUNTS), *blank)
            if any(getattr(found, name).shape != arrays["active"].shape for name in _COUNTS):
                raise TypeError("there is not one best state for each model")
            for network, layout, vector in found._networks(trainer):
                for name, view in layout.named(vector):
                    view[...] = own[f"{network}/{name}"]
            return found
        except (KeyError, TypeError, ValueError) as error:
            raise ForeignError(
                f"The best state in the checkpoint is not that of this version ({error}): start a new run."
            ) from error
