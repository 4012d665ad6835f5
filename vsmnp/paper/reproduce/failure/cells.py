"""List the cells of the controlled experiment: objective, inference, dataset and seeds of each run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ....settings.settings import Settings
from ..grid import Cell

#: Options of the learning objectives that are compared; each estimator has a name of its own.
OBJECTIVES: Mapping[str, Mapping[str, Any]] = {
    "elbo": {"objective": "elbo"},
    "m1": {"objective": "m1"},
    "m2-biased": {"objective": "m2", "squared_mean": "biased"},
    "m2-unbiased": {"objective": "m2", "squared_mean": "u-statistic"},
    "m3-biased": {"objective": "m3", "squared_mean": "biased", "baseline": "none"},
    "m3-unbiased": {"objective": "m3", "squared_mean": "u-statistic", "baseline": "leave-one-out"},
    "m2-as-published": {"objective": "m2", "as_published": True},
    "m3-as-published": {"objective": "m3", "as_published": True},
}

#: Options of the methods that the paper says failed badly, and of those they are to be compared with.
ADDITIONAL: Mapping[str, Mapping[str, Any]] = {
    "fae-tanh": {"objective": "fae", "inference": "fisher-reparam", "activation": "tanh"},
    "fisher-reparam-m1-tanh": {"objective": "m1", "inference": "fisher-reparam", "activation": "tanh"},
    "fisher-m1-tanh": {"objective": "m1", "inference": "fisher", "activation": "tanh"},
    "kl-m1-tanh": {"objective": "m1", "inference": "kl", "activation": "tanh"},
    "fisher-reparam-m1-relu": {"objective": "m1", "inference": "fisher-reparam", "activation": "relu"},
}

#: Objectives that are repeated with the paper's minibatch.
_LARGE_BATCH = ("elbo", "m1", "m2-biased", "m3-unbiased", "m2-as-published", "m3-as-published")

_COMMON: Mapping[str, Any] = {"hidden": (30, 30), "samples": 5, "steps": 5000, "batch_size": 200}
_TEN, _THREE = tuple(range(10)), (0, 1, 2)


def full_grid() -> tuple[Cell, ...]:
    """Return the cells of the full experiment.

    Mixture and star data, KL and Fisher inference, J = 2 with ten seeds and J = 5 with three; further
    the methods of ``ADDITIONAL`` and the runs with the paper's minibatch.
    """
    return (
        *_main(("mixture", "star"), 2, _TEN, _COMMON),
        *_additional(("mixture", "star"), _COMMON),
        *_large_batch(),
        *_main(("mixture", "star"), 5, _THREE, _COMMON),
    )


def quick_grid() -> tuple[Cell, ...]:
    """Return a small grid: the mixture alone, two seeds, few steps; enough to see M3 as published fail."""
    few = {**_COMMON, "steps": 400, "lr": 3e-3, "encoder_lr": 3e-3}
    return tuple(_main(("mixture",), 2, (0, 1), few))


def _main(
    datasets: tuple[str, ...], encoder_steps: int, seeds: tuple[int, ...], common: Mapping[str, Any]
) -> Iterator[Cell]:
    for dataset in datasets:
        for inference in ("kl", "fisher"):
            for name, options in OBJECTIVES.items():
                values = {**common, **options, "inference": inference}
                yield _cell(f"{dataset}-{inference}-{name}-J{encoder_steps}", name, dataset,
                            {**values, "encoder_steps": encoder_steps, "seeds": seeds})  # fmt: skip


def _additional(datasets: tuple[str, ...], common: Mapping[str, Any]) -> Iterator[Cell]:
    for dataset in datasets:
        for name, options in ADDITIONAL.items():
            values = {**common, **options, "encoder_steps": 2, "seeds": _THREE}
            yield _cell(f"{dataset}-{name}-J2", str(options["objective"]), dataset, values)


def _large_batch() -> Iterator[Cell]:
    for name in _LARGE_BATCH:
        values = {**_COMMON, **OBJECTIVES[name], "inference": "kl", "batch_size": 1000}
        yield _cell(f"mixture-kl-{name}-J2-N1000", name, "mixture",
                    {**values, "encoder_steps": 2, "seeds": _THREE})  # fmt: skip


def _cell(name: str, objective: str, dataset: str, values: Mapping[str, Any]) -> Cell:
    settings = Settings(dataset=dataset, **values)
    labels = {
        "dataset": dataset, "inference": settings.inference, "objective": objective,
        "encoder_steps": settings.encoder_steps, "activation": settings.activation,
        "batch_size": settings.batch_size, "models": len(settings.seeds),
    }  # fmt: skip
    return Cell(name, settings, labels)
