"""Check the settings that go together only in some combinations."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError
from ..kernels import ON_HOST
from .choices import INFERENCES, OBJECTIVES, POSTERIORS


def check_combinations(settings: Any) -> None:
    """Raise a ConfigError if two settings exclude one another; ``settings`` is a ``Settings``."""
    objective, posterior = OBJECTIVES[settings.objective], POSTERIORS[settings.posterior]
    if objective.joint and INFERENCES[settings.inference].reparametrised is None:
        raise ConfigError(
            f"--objective {settings.objective} trains the encoder on {objective.joint.trains}, so "
            f"--inference {settings.inference} has no part in it: use fisher-reparam, or fisher for the "
            "gradient with z held fixed."
        )
    inferences, objectives = posterior.inferences or INFERENCES, posterior.objectives or OBJECTIVES
    if settings.inference not in inferences or settings.objective not in objectives:
        raise ConfigError(
            f"--posterior {settings.posterior} has no scores, so it goes with --inference "
            f"{' or '.join(inferences)} and --objective {' or '.join(objectives)}, not with "
            f"{settings.inference} and {settings.objective}."
        )
    if settings.as_published and not objective.published:
        published = [name for name, row in OBJECTIVES.items() if row.published]
        raise ConfigError(
            f"--as-published exists for --objective {' and '.join(published)}, where the toy script "
            f"leaves the paper, not for {settings.objective}."
        )
    if settings.as_published and (settings.squared_mean, settings.baseline) != ("auto", "auto"):
        raise ConfigError("--as-published fixes the estimators: leave out --squared-mean and --baseline.")
    if settings.tf32 and settings.device != "gpu" and settings.kernels in ("auto", *ON_HOST):
        raise ConfigError("--tf32 is a mode of a GPU's products: add --device gpu or leave it out.")
    if settings.tf32 and settings.dtype != "float32":
        raise ConfigError(f"--tf32 is a mode of float32 products, not of {settings.dtype}: leave it out.")
    if settings.samples < 2 and (
        settings.squared_mean == "u-statistic" or settings.baseline == "leave-one-out"
    ):
        raise ConfigError(
            "--squared-mean u-statistic and --baseline leave-one-out need --samples of at least 2."
        )
