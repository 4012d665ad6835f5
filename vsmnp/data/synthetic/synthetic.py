"""The base class of the synthetic datasets: points drawn anew in each epoch."""

from __future__ import annotations

from abc import abstractmethod
from inspect import cleandoc
from typing import ClassVar

from ...kernels import load
from ...rng import Key, Stream
from ...types import Array, DType, Shape
from ...types.shown import Shown
from ..dataset import Bounds, dataset_facts, paragraph


class Synthetic(Shown):
    """A sampler, in the plane by default: 100,000 new training points per epoch and 5,000 test points.

    A subclass states the noise that a point takes, the map from noise to points, and, if known, the exact
    density and score. Noise comes from the ``reference`` kernel set in float64, so that the data are
    identical on every machine.
    """

    name: ClassVar[str]
    bounds: ClassVar[Bounds] = Bounds()
    #: Number of standard normals and of uniforms in [0, 1) per point.
    normals: ClassVar[int]
    uniforms: ClassVar[int] = 0

    shape: ClassVar[Shape] = (2,)
    dim: ClassVar[int] = 2
    is_image: ClassVar[bool] = False
    image: ClassVar[None] = None
    digest: ClassVar[str] = ""
    divisor: ClassVar[float] = 1.0
    notes: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[str, ...]] = ()
    n_train: ClassVar[int] = 100_000
    n_test: ClassVar[int] = 5_000

    def facts(self) -> dict[str, str]:
        return dataset_facts(self)

    @property
    def source(self) -> str:
        return self.name

    @abstractmethod
    def transform(self, n: Array, u: Array) -> Array:
        """Map ``n (N, normals)`` and ``u (N, uniforms)`` to points ``(N, D)``."""

    def log_density(self, x: Array) -> Array | None:
        return None

    def score(self, x: Array) -> Array | None:
        return None

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        return self.epoch(data_seed, epoch, dtype)

    def epoch(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        key = Key((data_seed,), Stream.TRAIN_DATA, epoch)
        return self.draw(key, self.n_train).astype(dtype, copy=False)

    def test(self, data_seed: int, dtype: DType) -> Array:
        key = Key((data_seed,), Stream.TEST_DATA)
        return self.draw(key, self.n_test).astype(dtype, copy=False)

    def epoch_labels(self, data_seed: int, epoch: int) -> Array | None:
        return None

    def test_labels(self) -> Array | None:
        return None

    def draw(self, key: Key, n_points: int) -> Array:
        """Draw ``n_points`` points in float64, a pure function of the key.

        The normals take the first words of the stream and the uniforms the words after them, from an even
        index on because Box-Muller uses words in pairs.
        """
        k = load("reference")
        n_words = n_points * self.normals
        n = key.normal(k, (n_points, self.normals), float)[0]
        u = key.uniform(k, (n_points, self.uniforms), float, first=n_words + n_words % 2)[0]
        return self.transform(n, u)

    def describe(self) -> str:
        where = "the plane" if self.dim == 2 else f"{self.dim} dimensions"
        sizes = f"points in {where}, {self.n_train:,} fresh ones an epoch and {self.n_test:,} to test on."
        return paragraph(self.name, sizes, cleandoc(type(self).__doc__ or ""), self.bounds)
