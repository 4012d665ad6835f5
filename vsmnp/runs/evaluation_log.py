"""What the test set said of a run on its way: the rows of ``evaluation.csv``, one an evaluation and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..training.history import History
from ..metrics import evaluate_all, posterior_sds, sd_histogram
from ..metrics.batches import Progress
from ..metrics.reconstruction import corrupted
from ..metrics.report import TEST_NOISE
from ..rng import Key
from ..training.state import State
from ..training.trainer import Trainer
from ..types import Array

#: Columns of a row, of those that :func:`vsmnp.metrics.evaluate_all` knows.
COLUMNS = ("neg_elbo", "mse", "mmd", "posterior_fd", "gamma")
BINS = 50

_PREFIX = "evaluations/"


@dataclass
class Evaluations:
    """Rows over the evaluated steps, and how sure the encoder was of each latent.

    Attributes
    ----------
    rows : History
        :data:`COLUMNS`, NaN where a figure makes no sense or the model has diverged.
    edges : list of Array
        ``(B + 1,)`` an evaluation, of the bins of the posterior standard deviations.
    counts : list of Array
        ``(R, Z, B)`` an evaluation: test data in each bin.
    """

    rows: History = field(default_factory=History)
    edges: list[Array] = field(default_factory=list)
    counts: list[Array] = field(default_factory=list)

    def lack(self, step: int) -> bool:
        """Whether there is no row of this step yet."""
        return not self.rows.steps or self.rows.steps[-1] < step

    def add(self, trainer: Trainer, state: State, progress: Progress | None = None) -> None:
        """Evaluate the models as they stand, on the whole test set."""
        k, model, settings = trainer.k, trainer.model.frozen, trainer.settings
        clean = trainer.batches.dataset.test(settings.data_seed, np.dtype(settings.dtype))
        key = Key(settings.seeds)
        found = evaluate_all(
            k, model, state.phi, state.theta, clean, key,
            noise_sd=settings.noise, iwae_samples=0, by_prior=False, progress=progress,
        )  # fmt: skip
        noisy = corrupted(k, clean, settings.noise, TEST_NOISE)
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged model fills no bin
            edges, counts = sd_histogram(posterior_sds(k, model, state.phi, noisy), BINS)
        self.rows.append(state.step, {name: np.array(found[name], np.float64) for name in COLUMNS})
        self.edges.append(edges)
        self.counts.append(counts)

    def to_arrays(self) -> dict[str, Array]:
        """For a checkpoint; nothing before the first evaluation."""
        if not self.rows.steps:
            return {}
        rows = {_PREFIX + name: array for name, array in self.rows.to_arrays().items()}
        return {
            **rows, f"{_PREFIX}sd_edges": np.stack(self.edges),
            f"{_PREFIX}sd_counts": np.stack(self.counts).astype(np.int32),
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Evaluations:
        """What :meth:`to_arrays` wrote.

        Raises
        ------
        CheckpointError
            If it is not that of this version.
        """
        own: dict[str, Any] = {
            name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)
        }
        if not own:
            return cls()
        try:
            rows = History.from_arrays({**own, "alive": arrays["alive"]}, COLUMNS)
            edges, counts = own["sd_edges"], own["sd_counts"].astype(np.int64)
            if not len(rows.steps) == len(edges) == len(counts):
                raise TypeError("the histograms are not as many as the rows")
            return cls(rows, list(edges), list(counts))
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"The evaluations in the checkpoint are not those of this version ({error})."
            ) from error
