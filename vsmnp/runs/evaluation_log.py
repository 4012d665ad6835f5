"""Evaluations on the test set during training: ``evaluation.csv``, one row per evaluation and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ForeignError
from ..metrics import MODEL_METRICS, Request, Subject, evaluate_all, posterior_sds, sd_histogram
from ..rng import Key
from ..training.history import History
from ..training.state import State
from ..training.trainer import Trainer
from ..types import Array
from ..types.progress import Progress

#: Columns of a row: the metrics that take few draws.
COLUMNS = tuple(each.name for each in MODEL_METRICS if each.during_training)
BINS = 50

_PREFIX = "evaluations/"


@dataclass
class Evaluations:
    """Rows over the evaluated steps, and histograms of the posterior standard deviations of each latent.

    Attributes
    ----------
    rows : History
        :data:`COLUMNS`, NaN where a figure is undefined or the model has diverged.
    edges : list of Array
        Per evaluation ``(B + 1,)``, the bin edges of the posterior standard deviations.
    counts : list of Array
        Per evaluation ``(R, Z, B)``, the number of test data in each bin.
    """

    rows: History = field(default_factory=History)
    edges: list[Array] = field(default_factory=list)
    counts: list[Array] = field(default_factory=list)

    def add(self, trainer: Trainer, state: State, progress: Progress | None = None) -> bool:
        """Evaluate on the whole test set and add a row; return false if this step already has one."""
        if self.rows.steps and self.rows.steps[-1] >= state.step:
            return False
        k, model, settings = trainer.k, trainer.model.frozen, trainer.settings
        clean = trainer.batches.dataset.test(settings.data_seed, np.dtype(settings.dtype))
        log_abs_det = trainer.prepared.preprocessing.log_abs_det
        subject = Subject(k, model, state.phi, state.theta, clean, Key(settings.seeds), log_abs_det)
        request = Request(subject, settings.noise, by_prior=False, iwae_samples=0)
        found = evaluate_all(request, progress)
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged model has no counts
            edges, counts = sd_histogram(posterior_sds(request.subject), BINS)
        self.rows.append(state.step, {name: np.array(found[name], np.float64) for name in COLUMNS})
        self.edges.append(edges)
        self.counts.append(counts)
        return True

    def to_arrays(self) -> dict[str, Array]:
        """Return arrays for a checkpoint; empty before the first evaluation."""
        if not self.rows.steps:
            return {}
        rows = {_PREFIX + name: array for name, array in self.rows.to_arrays().items()}
        return {
            **rows, f"{_PREFIX}sd_edges": np.stack(self.edges),
            f"{_PREFIX}sd_counts": np.stack(self.counts).astype(np.int32),
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Evaluations:
        """Rebuild the evaluations from :meth:`to_arrays`.

        Raises
        ------
        ForeignError
            If the arrays were not written by this version.
        """
        own: dict[str, Any] = {
            name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)
        }
        if not own:
            return cls()
        try:
            rows = History.from_arrays({**own, "active": arrays["active"]}, COLUMNS)
            edges, counts = own["sd_edges"], own["sd_counts"].astype(np.int64)
            if not len(rows.steps) == len(edges) == len(counts):
                raise TypeError("the histograms are not as many as the rows")
            return cls(rows, list(edges), list(counts))
        except (KeyError, TypeError) as error:
            raise ForeignError(
                f"The evaluations in the checkpoint are not those of this version ({error}): start a new run."
            ) from error
