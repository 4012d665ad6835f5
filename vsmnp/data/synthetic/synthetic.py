"""Two-dimensional data drawn afresh each epoch: what the five synthetic sets have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import cleandoc
from typing import ClassVar

from ...kernels import load
from ...rng import Key, Stream
from ...types import Array, DType, Shape
from ..dataset import Bounds, paragraph


class Synthetic(ABC):
    """A sampler in the plane: 100,000 fresh training points an epoch and 5,000 test points.

    A set states how much noise a point takes, how noise becomes points, and, where it can, its exact
    density and score. Noise comes from the ``reference`` kernel set in float64, so that every machine
    sees the same data.
    """

    name: ClassVar[str]
    bounds: ClassVar[Bounds] = Bounds()
    #: Standard normals and uniforms in [0, 1) that one point takes.
    normals: ClassVar[int]
    uniforms: ClassVar[int] = 0

    shape: ClassVar[Shape] = (2,)
    dim: ClassVar[int] = 2
    is_image: ClassVar[bool] = False
    image: ClassVar[None] = None
    digest: ClassVar[str] = ""
    notes: ClassVar[tuple[str, ...]] = ()
    n_train: ClassVar[int] = 100_000
    n_test: ClassVar[int] = 5_000

    @property
    def source(self) -> str:
        """Its name."""
        return self.name

    @abstractmethod
    def transform(self, n: Array, u: Array) -> Array:
        """Points ``(N, 2)`` from ``n (N, normals)`` and ``u (N, uniforms)``."""

    def log_density(self, x: Array) -> Array | None:
        """``log pi(x)``, ``(N,)``; None unless the set overrides it."""
        return None

    def score(self, x: Array) -> Array | None:
        """``grad log pi(x)``, ``(N, 2)``; None unless the set overrides it."""
        return None

    def stream(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        """The points of :meth:`epoch`: a draw is made as a whole."""
        return self.epoch(data_seed, epoch, dtype)

    def epoch(self, data_seed: int, epoch: int, dtype: DType) -> Array:
        """Fresh points for every epoch, ``(n_train, 2)``."""
        key = Key((data_seed,), Stream.TRAIN_DATA, epoch)
        return self.draw(key, self.n_train).astype(dtype, copy=False)

    def test(self, data_seed: int, dtype: DType) -> Array:
        """The test set of this seed, ``(n_test, 2)``."""
        key = Key((data_seed,), Stream.TEST_DATA)
        return self.draw(key, self.n_test).astype(dtype, copy=False)

    def epoch_labels(self, data_seed: int, epoch: int) -> Array | None:
        """There are no classes."""
        return None

    def test_labels(self) -> Array | None:
        """There are no classes."""
        return None

    def draw(self, key: Key, n_points: int) -> Array:
        """``n_points`` points in float64, a pure function of the key.

        The normals take the first words of the stream and the uniforms the ones after them, from an even
        index on because Box-Muller uses words in pairs.
        """
        k = load("reference")
        n_words = n_points * self.normals
        n = key.normal(k, (n_points, self.normals), float)[0]
        u = key.uniform(k, (n_points, self.uniforms), float, first=n_words + n_words % 2)[0]
        return self.transform(n, u)

    def describe(self) -> str:
        """A paragraph for the reader of ``vsmnp data``."""
        sizes = f"points in the plane, {self.n_train:,} fresh ones an epoch and {self.n_test:,} to test on."
        return paragraph(self.name, sizes, cleandoc(type(self).__doc__ or ""), self.bounds)
