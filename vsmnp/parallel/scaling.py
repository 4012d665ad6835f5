"""Predict the time of a step that several ranks divide, from the latency and bandwidth of an exchange."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2


@dataclass(frozen=True)
class DividedStep:
    """A step of one model that ranks compute together.

    The values of P parts are reduced by a binary tree (:mod:`.tree`): at each of its log2 N levels above the
    ranks, two ranks exchange their values. So N ranks need ``log2 N (exchanges latency + size / bandwidth)``
    seconds more than the computation.

    Attributes
    ----------
    seconds : float
        Seconds of the step in one rank, for its whole minibatch.
    exchanges : float
        Number of reductions in a step: those of gradients and of the statistics of batch norm.
    size : float
        Bytes that a rank sends in all of them together, at one level of the tree.
    latency, bandwidth : float
        Seconds, and bytes a second, of an exchange between two ranks.
    """

    seconds: float
    exchanges: float
    size: float
    latency: float
    bandwidth: float

    def communication(self, ranks: int) -> float:
        """Return the seconds of all exchanges in a step."""
        return ceil(log2(ranks)) * (self.exchanges * self.latency + self.size / self.bandwidth)

    def strong(self, ranks: int) -> float:
        """Return the seconds of the step if the ranks divide its minibatch."""
        return self.seconds / ranks + self.communication(ranks)

    def weak(self, ranks: int) -> float:
        """Return the seconds of a step whose minibatch is as many times larger as there are ranks."""
        return self.seconds + self.communication(ranks)

    def speed(self, ranks: int) -> float:
        """Return how many times faster the ranks take a step of the same minibatch."""
        return self.seconds / self.strong(ranks)

    def efficiency(self, ranks: int) -> float:
        """Return the share of a step of the larger minibatch in which the ranks compute."""
        return self.seconds / self.weak(ranks)


def fitted(sizes: list[float], seconds: list[float]) -> tuple[float, float]:
    """Fit ``seconds = latency + size / bandwidth`` by relative least squares; return both."""
    import numpy as np

    y = np.asarray(seconds)
    design = np.stack([np.ones_like(y), np.asarray(sizes)], axis=1) / y[:, None]
    (latency, slope), *_ = np.linalg.lstsq(design, np.ones_like(y), rcond=None)
    return float(latency), float(1 / slope)
