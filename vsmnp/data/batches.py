"""The endless sequence of minibatches, a pure function of the index, so that a run resumes at any step."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import ConfigError
from ..rng import Key, Stream
from ..types import Array, DType, Kernels
from ..types.division import RowRange
from .dataset import Dataset
from .rows import Rows


def batches_per_epoch(n_train: int, batch_size: int) -> int:
    """Return the number of whole minibatches in an epoch of ``n_train`` data."""
    return n_train // batch_size


@dataclass
class Batches:
    """Minibatches of a dataset, epoch after epoch; the remainder of an epoch is dropped.

    Parameters
    ----------
    k : Kernels
        Kernel set that receives the batches and draws their noise.
    dataset : Dataset
        Dataset that provides the epochs.
    batch_size : int
        N, the minibatch size.
    data_seed : int
        Seed of the order and of the input noise.
    noise_sd : float
        Standard deviation of the noise added to every input, drawn anew for each use.
    dtype : dtype
        Type of the batches.
    own : RowRange, optional
        Rows of each minibatch that this process reads, if not all.

    Raises
    ------
    ConfigError
        If a batch is larger than the training set.
    """

    k: Kernels
    dataset: Dataset
    batch_size: int
    data_seed: int
    noise_sd: float
    dtype: DType
    own: RowRange | None = None
    _epoch: int = field(default=-1, init=False)
    _rows: Rows | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.batch_size > self.dataset.n_train:
            raise ConfigError(
                f"--batch-size {self.batch_size} exceeds the {self.dataset.n_train} training points of "
                f"{self.dataset.name}: make it smaller."
            )

    @property
    def per_epoch(self) -> int:
        """Number of minibatches per epoch."""
        return batches_per_epoch(self.dataset.n_train, self.batch_size)

    def clean(self, index: int) -> Array:
        """Return minibatch ``index``, ``(1, 1, N, D)``, or its own rows, without noise."""
        epoch, place = divmod(index, self.per_epoch)
        own = self.own or RowRange(0, self.batch_size, self.batch_size)
        first = place * self.batch_size + own.first
        return self.rows(epoch)[first : first + own.count][None, None]

    def rows(self, epoch: int) -> Rows:
        """Return the samples of an epoch in order; the first ``per_epoch`` N of them make its minibatches."""
        if epoch != self._epoch or self._rows is None:
            self._rows = self.dataset.stream(self.data_seed, epoch, self.dtype)
            self._epoch = epoch
        return self._rows

    def noisy(self, index: int, use: int) -> Array:
        """Return minibatch ``index`` with the input noise of its ``use``-th use in the run."""
        return self.with_noise(self.k.asarray(self.clean(index)), use)

    def with_noise(self, x: Array, use: int) -> Array:
        """Add the input noise of the ``use``-th use in the run to a clean minibatch."""
        if self.noise_sd == 0:
            return x
        key = Key((self.data_seed,), Stream.INPUT_NOISE, use, self.own)
        return x + self.noise_sd * key.normal(self.k, x.shape[1:], x.dtype)
