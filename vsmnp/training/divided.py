"""Evaluate an objective on the parts of a minibatch, and average what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from ..model.vae import GaussianVAE
from ..objectives import Objective, Outcome
from ..parallel.turns import Meeting, in_turns
from ..rng import Key
from ..types import Array, Kernels
from ..types.division import Division, RowRange


class _PartKernels:
    """The kernels of one part, whose means over the minibatch are those of all parts."""

    def __init__(self, k: Kernels, division: Division, meeting: Meeting) -> None:
        self._k, self._division, self._meeting = k, division, meeting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._k, name)

    def parts(self) -> int:
        return self._division.parts

    def mean_over_parts(self, *values: Array) -> tuple[Array, ...]:
        return cast(tuple[Array, ...], self._meeting((self._division.means, values)))

    def channel_moments(self, x: Array) -> tuple[Array, Array]:
        own = np.stack(self._k.channel_moments(x))
        mean, variance = self._meeting((self._division.moments, own))
        return mean, variance


def _met(values: Sequence[Any]) -> Any:
    """Reduce the values of all own parts by the function that comes with each."""
    return values[0][0]([value for _, value in values])


def over_parts(
    division: Division | None, objective: Objective, k: Kernels, model: GaussianVAE, phi: Array, theta: Array,
    x: Array, key: Key,
) -> Outcome:  # fmt: skip
    """Evaluate the objective on a whole minibatch, or on the own parts of a divided one.

    Each part is a minibatch of its own, but for its noise, which is that of its rows of the whole minibatch,
    and for the means over the whole minibatch that an objective or a layer asks for. A loss, its terms and
    its gradients are means over the minibatch: those of the whole are the means over the parts.

    Parameters
    ----------
    x : Array
        ``(1, 1, N, D)``, or the rows of the own parts.
    """
    if division is None:
        return objective(k, model, phi, theta, x, key)
    count = x.shape[2] // len(division.own)

    def evaluated(place: int, meeting: Meeting) -> Outcome:
        rows = RowRange(division.own[place] * count, count, division.parts * count)
        here = x[:, :, place * count : (place + 1) * count]
        with_means = cast(Kernels, _PartKernels(k, division, meeting))
        return objective(with_means, model, phi, theta, here, replace(key, rows=rows))

    places = range(len(division.own))
    outcomes = in_turns([partial(evaluated, place) for place in places], _met, division.threads)
    return _mean(division, outcomes)


def _mean(division: Division, outcomes: Sequence[Outcome]) -> Outcome:
    """Average losses, terms and gradients over the parts, in one exchange; all else is equal in them."""
    first = outcomes[0]
    gradients = [name for name in ("g_phi", "g_theta") if getattr(first, name) is not None]
    values = [
        [*(getattr(each, name) for name in gradients), each.loss, *each.terms.values()] for each in outcomes
    ]
    means = iter(division.means(values))
    of_gradients: dict[str, Any] = {name: next(means) for name in gradients}
    loss, terms = next(means), {name: next(means) for name in first.terms}
    return replace(first, loss=loss, terms=terms, **of_gradients)
