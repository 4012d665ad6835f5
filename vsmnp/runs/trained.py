"""A model bound to its trained parameters: encode, decode, sample, density, score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from numbers import Integral
from typing import Any

import numpy as np

from ..data.arrays.given import numbers_of
from ..data.fixed import channels_first
from ..data.preprocessing import NONE, Preprocessing
from ..errors import ConfigError, DataError
from ..metrics import Subject, log_prob_and_score
from ..model.vae import GaussianVAE
from ..objectives import Objective, Outcome
from ..rng import Key, Stream
from ..settings.draws import POSTERIOR_SAMPLES, PRIOR_DRAWS
from ..training.build import named_objective
from ..types import Array, Kernels
from ..types.shown import Shown, counted, shortened
from .copies import reduced

#: Numbers of a block of draws, and its least and most rows.
_NUMBERS, _ROWS = 2**20, (1_000, 65_536)


def block_of(dim: int) -> int:
    """Return the rows of a block of draws of ``dim`` values; it does not depend on the number of models."""
    least, most = _ROWS
    return min(most, max(least, _NUMBERS // dim))


@dataclass(frozen=True, repr=False)
class TrainedVAE(Shown):
    """R trained models side by side; every returned array is a NumPy array with a leading axis R.

    Data are given and returned in their own units. Pixels are unsigned bytes, or their 255th parts as other
    numbers. A standardisation of the training data is applied and undone here. Data may be arrays of any
    library, lists or tables; see :func:`vsmnp.data.arrays.given.numbers_of`. Models can be copied and
    pickled; a copy has the same parameters and the kernel set of the same name.

    Attributes
    ----------
    k : Kernels
        The kernel set of the computations.
    model : GaussianVAE
        The architecture.
    phi, theta : Array
        ``(R, P_e)`` and ``(R, P_d)``.
    seeds : tuple of int
        One seed per model.
    preprocessing : Preprocessing
        The map from the data's own units to those of the networks, which have the units of ``gamma``.
    """

    k: Kernels
    model: GaussianVAE
    phi: Array
    theta: Array
    seeds: tuple[int, ...]
    preprocessing: Preprocessing = NONE

    def facts(self) -> dict[str, str]:
        return {
            "data": counted(self.model.d_x, "dimension"),
            "latent": counted(self.model.d_z, "dimension"),
            "parameters": f"{self.phi.shape[1] + self.theta.shape[1]:,}",
            "seeds": shortened([str(seed) for seed in self.seeds]),
            "gamma": shortened([f"{gamma:.3g}" for gamma in self.gamma]),
            "kernels": self.k.name,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return reduced(self)

    @property
    def gamma(self) -> Array:
        """Likelihood variance of each model in the model's units, ``(R,)``."""
        with np.errstate(over="ignore"):  # a diverged model has an infinite gamma
            return np.exp(2 * self.k.to_host(self.model.log_sd(self.theta)).astype(np.float64))

    def on(self, x: Array) -> Subject:
        """Return the models with data ``x (N, D)`` on which they are measured; see :mod:`vsmnp.metrics`.

        Raises
        ------
        DataError
            If ``x`` has another shape, or integers that are no bytes in place of pixels.
        """
        x, log_abs_det = self._in_model_units(x), self.preprocessing.log_abs_det
        return Subject(self.k, self.model, self.phi, self.theta, x, Key(self.seeds), log_abs_det)

    def some(self, models: slice) -> TrainedVAE:
        """Return some of the models."""
        return replace(self, phi=self.phi[models], theta=self.theta[models], seeds=self.seeds[models])

    def encode(self, x: Array) -> tuple[Array, Array]:
        """Compute the mean and standard deviation of q(z|x), each ``(R, N, Z)``.

        ``x`` is ``(N, D)`` or ``(R, N, D)`` in the data's own units, or pictures ``(N, H, W)``,
        ``(N, C, H, W)`` or ``(N, H, W, C)``. For a model that was trained on pixels,
        unsigned bytes are divided by 255, as in training, and floating-point numbers are taken to be so.

        Raises
        ------
        DataError
            If ``x`` has another shape, or is of other integers above 1 in place of pixels.
        """
        q, _ = self.model.encode(self.k, self.phi, self._data(x))
        return self.k.to_host(q.mu)[:, 0], self.k.to_host(q.s)[:, 0]

    def decode(self, z: Array) -> Array:
        """Compute ``g(z)``, ``(R, N, D)`` in the data's own units, for ``z (N, Z)`` or ``(R, N, Z)``.

        Raises
        ------
        DataError
            If ``z`` has another shape.
        """
        return self.preprocessing.to_data(self._means(z))

    def reconstruct(self, x: Array) -> Array:
        """Compute ``g(mu(x))``, ``(R, N, D)``, for ``x (N, D)`` or ``(R, N, D)``; see :meth:`encode`."""
        return self.decode(self.encode(x)[0])

    def sample(self, n: int, seed: int = 0, noise: bool = True) -> Array:
        """Draw from p(x), ``(R, n, D)``: ancestral samples, or the decoder's means without the noise.

        Parameters
        ----------
        n : int
            Number of draws per model.
        seed : int
            Counter of the draws: another value gives other draws.
        noise : bool
            Whether the likelihood's ``N(0, gamma I)`` is added.

        Raises
        ------
        ConfigError
            If ``n`` or ``seed`` is out of range.
        """
        blocks = self.sample_blocks(n, seed, noise)
        first = next(blocks)
        draws = np.empty((len(first), n, first.shape[2]), first.dtype)
        done = 0
        for block in chain((first,), blocks):
            draws[:, done : done + block.shape[1]] = block
            done += block.shape[1]
        return draws

    def sample_blocks(self, n: int, seed: int = 0, noise: bool = True) -> Iterator[Array]:
        """Yield the draws of :meth:`sample` in their order, in blocks ``(R, m, D)`` of bounded memory."""
        whole = isinstance(n, Integral) and isinstance(seed, Integral)
        if not whole or n < 1 or not 0 <= seed < 2**32:
            raise ConfigError(
                f"Samples need an integer n of at least 1 and a seed below 2^32, not {n!r} and {seed!r}."
            )
        rows = block_of(self.model.d_x)
        for first in range(0, n, rows):
            yield self._draws(slice(first, min(first + rows, n)), seed, noise)

    def _draws(self, rows: slice, seed: int, noise: bool) -> Array:
        """Draw some rows of :meth:`sample`, ``(R, m, D)``."""
        dtype, key, m = self.theta.dtype, Key(self.seeds), rows.stop - rows.start
        d_z, d_x = self.model.d_z, self.model.d_x
        ancestral = key.on(Stream.ANCESTRAL, seed)
        g = self._means(self.model.posterior.prior(self.k, ancestral, (m, d_z), dtype, rows.start * d_z))
        if not noise:
            return self.preprocessing.to_data(g)
        eps = key.on(Stream.LIKELIHOOD, seed).normal(self.k, (m, d_x), dtype, rows.start * d_x)
        sd = np.sqrt(self.gamma).astype(dtype)
        return self.preprocessing.to_data(np.asarray(g + sd[:, None, None] * self.k.to_host(eps)))

    def log_prob(self, x: Array, draws: int = PRIOR_DRAWS) -> Array:
        """Estimate ``log p(x)`` in nats from prior samples, ``(R, N)``; raises as :meth:`encode`."""
        return self._marginal(x, draws)[0]

    def score(self, x: Array, draws: int = PRIOR_DRAWS) -> Array:
        """Estimate ``grad_x log p(x)`` from the same samples, ``(R, N, D)``; raises as :meth:`encode`."""
        return self._marginal(x, draws)[1]

    def outcome(
        self, objective: Objective | str, x: Array, step: int = 0, samples: int = POSTERIOR_SAMPLES
    ) -> Outcome:
        """Compute loss, terms and gradients of any objective on a batch, as NumPy arrays.

        Parameters
        ----------
        objective : Objective or str
            One of :mod:`vsmnp.objectives`, or a name: elbo, m1, m2, m3, fae, kl, fisher, fisher-reparam.
        x : Array
            ``(N, D)`` or ``(R, N, D)``.
        step : int
            Counter of the posterior noise: another value gives other samples.
        samples : int
            S, if the objective is given by its name.

        Raises
        ------
        ConfigError, DataError
            If there is no such objective, or ``x`` has another shape.
        """
        if isinstance(objective, str):
            objective = named_objective(objective, samples)
        key = Key(self.seeds, Stream.OUTCOME, step)
        seen = objective(self.k, self.model, self.phi, self.theta, self._data(x), key)
        return seen.on_host(self.k)

    def _marginal(self, x: Array, draws: int) -> tuple[Array, Array]:
        """Compute ``log p(x)`` and its gradient in the data's own units."""
        batch, own = self.k.to_host(self._data(x))[:, 0], replace(self, preprocessing=NONE)
        parts = [own] if len(batch) == 1 else [own.some(slice(r, r + 1)) for r in range(len(batch))]
        each = [log_prob_and_score(part.on(rows), draws) for part, rows in zip(parts, batch, strict=True)]
        log_p, score = (np.concatenate(found) for found in zip(*each, strict=True))
        return log_p + self.preprocessing.log_abs_det, self.preprocessing.score_to_data(score)

    def _data(self, x: Array) -> Array:
        return self._batch(self._in_model_units(x), "data", self.model.d_x)

    def _means(self, z: Array) -> Array:
        """Compute ``g(z)`` in the model's units, ``(R, N, D)``."""
        g, _ = self.model.decode(self.k, self.theta, self._batch(z, "codes", self.model.d_z))
        return self.k.to_host(g)[:, 0]

    def _in_model_units(self, x: Array) -> Array:
        """Divide bytes in place of pixels, and apply the preprocessing."""
        x = self._numbers(x, "data")
        if x.ndim > 2 and x.shape[-1] != self.model.d_x == np.prod(x.shape[1:]):
            x = channels_first(x).reshape(len(x), self.model.d_x)
        if self.preprocessing.divisor != 1 and x.dtype.kind in "iu":
            if x.dtype == np.uint8:
                x = x / self.theta.dtype.type(self.preprocessing.divisor)
            elif x.size and x.max() > 1:
                raise DataError(
                    f"The model was trained on pixels, and {x.dtype} up to {x.max()} may be bytes or not: "
                    "convert them to uint8, or divide them by 255."
                )
        if self.preprocessing and x.ndim and x.shape[-1] == self.model.d_x and x.dtype.kind in "biuf":
            return self.preprocessing.to_model(x)
        return x

    def _numbers(self, x: Array, what: str) -> Array:
        """Return an array of the kernel set, or of any library, as real numbers on the host."""
        own = type(x) is type(self.phi)  # a masked array is one of NumPy's, with more to read
        return numbers_of(self.k.to_host(x) if own else x, f"The array of {what}")[0]

    def _batch(self, x: Array, what: str, width: int) -> Array:
        """Copy ``x (N, width)`` or ``(R, N, width)`` to the device as ``(1 or R, 1, N, width)``."""
        x = self._numbers(x, what)
        models = len(self.theta)
        if x.ndim not in (2, 3) or x.shape[-1] != width or (x.ndim == 3 and len(x) != models):
            raise DataError(
                f"The model needs {what} of shape (N, {width}) or ({models}, N, {width}), not {x.shape}."
            )
        if not len(x):
            raise DataError(f"The array of {what} has shape {x.shape}, which holds no samples.")
        if what == "data" and not np.isfinite(x).all():  # the codes of a diverged model are not finite
            raise DataError("The array of data holds NaN or infinity: leave those samples out.")
        return self.k.asarray(x[None, None] if x.ndim == 2 else x[:, None], self.theta.dtype)
