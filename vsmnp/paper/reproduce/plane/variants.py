"""Define in which ways a run of the grid may be optimised, and M2 and M3 estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ....settings.choices import INFERENCES, OBJECTIVES
from ..methods import METHODS, Method

#: Changes of a preset by the name of an optimisation: none, or Adam for both networks.
OPTIMIZERS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "paper": {},
    "tuned": {"lr": 1e-3, "encoder_optimizer": "adam", "encoder_lr": 1e-3},
})  # fmt: skip

#: Changes of a preset by the name of an estimator of M2 and M3: the definition with biased sample means and
#: without a baseline, with unbiased estimators, or what the author's script computes.
ESTIMATORS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "definition": {},
    "unbiased": {"squared_mean": "u-statistic", "baseline": "leave-one-out"},
    "published": {"as_published": True},
})  # fmt: skip
#: Estimator of the methods that have no other: the ELBO and M1.
ONLY = "definition"

#: Methods with several estimators, which the paper trains with bi-level updates as well.
BILEVEL = tuple(method.name for method in METHODS if OBJECTIVES[method.objective].reads)


def changes(method: Method, optimizer: str, estimator: str, bilevel_steps: int) -> dict[str, Any]:
    """Return the settings of a method that differ from the preset; names are those of the tables above."""
    reads = (*OBJECTIVES[method.objective].reads, "as_published")
    chosen = {
        **OPTIMIZERS[optimizer],
        **{name: value for name, value in ESTIMATORS[estimator].items() if name in reads},
    }
    if bilevel_steps:
        row, published = INFERENCES[method.inference], chosen.get("as_published", False)
        # "tuned" has the number of the script, and a loss by definition
        lr = row.plain_step(published) if optimizer == "paper" else row.published_lr
        chosen |= {"bilevel_steps": bilevel_steps, "bilevel_lr": lr}
    return chosen


def combinations(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the pairs of optimisation and estimator that rows have; without M2 and M3 there is one."""
    estimators = {row["estimator"] for row in rows if row["method"] in BILEVEL} or {ONLY}
    optimizers = {row["optimizer"] for row in rows}
    return [(a, b) for a in OPTIMIZERS if a in optimizers for b in ESTIMATORS if b in estimators]


def belongs(row: Mapping[str, Any], optimizer: str, estimator: str) -> bool:
    """Return whether a row is of a combination: the ELBO and M1 belong to every estimator."""
    return row["optimizer"] == optimizer and (row["estimator"] == estimator or row["method"] not in BILEVEL)
