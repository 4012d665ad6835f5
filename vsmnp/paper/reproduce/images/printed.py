"""Hold Tables 1 and 2 of the paper: FID and KID (times 1000) by method, architecture and dataset.

The paper's FID and KID of MNIST and Fashion-MNIST come from a classifier whose weights are not public, so
orderings can be compared with them and values cannot.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from ..conditions import Estimate, MetricValues, Place
from ..methods import NAMES
from .records import Row


class Quality(NamedTuple):
    """Sample quality as printed: FID, and KID times 1000."""

    fid: float
    kid: float


def _row(fids: str, kids: str) -> Mapping[str, Quality]:
    pairs = zip(fids.split(), kids.split(), strict=True)
    return MappingProxyType({
        name: Quality(float(fid), float(kid)) for name, (fid, kid) in zip(NAMES, pairs, strict=True)
    })  # fmt: skip


#: By architecture and dataset; methods are in the order K-ELBO, K-M1, F-M1, K-M2, F-M2, K-M3, F-M3.
QUALITY: Mapping[tuple[str, str], Mapping[str, Quality]] = MappingProxyType({
    # Table 1, ConvNets: means of five runs, standard errors of at most 5 %.
    ("dcgan", "mnist"): _row("5.27 5.22 5.87 21.1 21.1 12.2 13.5", "63.7 60.8 68.8 402 417 161 195"),
    ("dcgan", "fashion"): _row("5.60 5.47 5.26 29.1 25.2 19.2 24.0", "58.2 55.4 55.1 465 360 300 403"),
    ("dcgan", "celeba"): _row("144 145 153 170 172 157 178", "160 161 173 156 166 165 196"),
    # Table 2, ResNets. Of K-M1 on MNIST it has KID 90.2 where Table 1 has 90.8.
    ("resnet18", "mnist"): _row("5.58 5.24 2.93 5.81 2.88 12.6 8.70", "96.8 90.2 54.7 99.8 44.3 264 177"),
    ("resnet18", "fashion"): _row("4.89 4.63 4.86 4.77 3.65 10.7 28.6", "81.1 73.5 79.4 76.0 52.2 205 637"),
    ("resnet18", "celeba"): _row("55.4 54.6 59.2 54.3 60.4 208 203", "56.9 56.1 58.6 55.1 60.0 226 196"),
})  # fmt: skip


def rows() -> Iterator[Row]:
    """Yield the paper's numbers as rows of a record, so that its claims can be tested on its own tables."""
    for (architecture, dataset), methods in QUALITY.items():
        for method, quality in methods.items():
            yield {
                "dataset": dataset, "architecture": architecture, "method": method, "seed": None,
                "epoch": 1000.0, "fid": quality.fid, "kid": quality.kid / 1000,
            }  # fmt: skip


#: Standard error of a printed number as a share of it: the largest that Table 1 states. Table 2 states none.
PRINTED_ERROR = 0.05
#: Number of runs whose mean Table 1 prints.
RUNS = 5


class PrintedValues(MetricValues):
    """The printed numbers of one metric on one dataset: means over seeds that are not known."""

    def has_learned(self, place: Hashable) -> bool:
        """Return true: the paper's models are trained."""
        return True

    @cached_property
    def learned(self) -> bool:
        """Whether some method has learned: the paper's have."""
        return True

    @property
    def noise(self) -> float:
        """The largest difference between two methods that compute the same thing, of unlike seeds; or 0."""
        known = [pair for pair in self.identical if set(pair) <= set(self.values)]
        return max((abs(self.difference(*pair).mean) for pair in known), default=0.0)

    def difference(self, above: Place, below: Place) -> Estimate:
        """Subtract two independent means; the error has at least the degrees of freedom of one of them."""
        first, second = (self.values[place][0] for place in (above, below))
        return Estimate(first - second, PRINTED_ERROR * math.hypot(first, second), RUNS - 1)
