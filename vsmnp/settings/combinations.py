"""Check the values of settings that one row of the table cannot check, and their combinations."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..errors import ConfigError
from ..kernels import ON_HOST
from .choices import CHOSEN_BY, INFERENCES, OBJECTIVES, POSTERIORS
from .values import option_name


def check_ranges(settings: Any) -> None:
    """Raise a ConfigError if a value is out of its range; ``settings`` is a ``Settings``, as below."""
    if not settings.hidden or min(settings.hidden) < 1:
        raise ConfigError(f"--hidden needs positive widths such as 30,30, not {settings.hidden}.")
    if not settings.seeds or not all(0 <= seed < 2**63 for seed in settings.seeds):
        raise ConfigError("--seeds needs at least one seed between 0 and 2^63 - 1.")
    if len(set(settings.seeds)) < len(settings.seeds):
        raise ConfigError("--seeds names a seed twice, and two models would be the same: name each once.")
    if not 0 <= settings.data_seed < 2**63:
        raise ConfigError("--data-seed must lie between 0 and 2^63 - 1.")
    if settings.validation >= 1:
        raise ConfigError(f"--validation is a share below 1, such as 0.1, not {settings.validation:g}.")
    if settings.patience and not settings.validation:
        raise ConfigError("--patience counts evaluations on a validation part: add --validation 0.1.")
    if settings.parts & (settings.parts - 1):
        raise ConfigError(f"--parts must be a power of two such as 2, 4 or 8, not {settings.parts}.")
    settings.fixed_gamma()


def check_parts(settings: Any) -> None:
    """Raise a ConfigError if a setting of a choice is changed where that choice is not made."""
    for spec in fields(settings):
        part, value = spec.metadata["part"], getattr(settings, spec.name)
        if part is None or not part.refusal or value == spec.default or value in part.neutral:
            continue
        if not settings.reads(spec.name):
            members = [name for name, row in CHOSEN_BY[part.of].items() if spec.name in row.reads]
            raise ConfigError(
                part.refusal.format(
                    option=option_name(spec.name), choice=option_name(part.of),
                    members=" and ".join(members), chosen=getattr(settings, part.of),
                )
            )  # fmt: skip


def check_bilevel(settings: Any) -> None:
    """Raise a ConfigError if bi-level updates are asked for where they have no gradient."""
    if not settings.bilevel_steps:
        if settings.bilevel_lr:
            raise ConfigError("--bilevel-lr is the step size of bi-level updates: add --bilevel-steps 5.")
        return
    if OBJECTIVES[settings.objective].joint:
        raise ConfigError(
            f"--objective {settings.objective} trains both networks on one loss, whose gradient through "
            "encoder updates would need third derivatives: leave out --bilevel-steps."
        )
    if INFERENCES[settings.inference].reparametrised:
        raise ConfigError(
            f"--bilevel-steps with --inference {settings.inference} would need third derivatives: use kl, or "
            "fisher, where z is held fixed."
        )
    if not POSTERIORS[settings.posterior].bilevel:
        able = " or ".join(name for name, row in POSTERIORS.items() if row.bilevel)
        raise ConfigError(
            f"--bilevel-steps needs second derivatives, which --posterior {settings.posterior} does not "
            f"have: use {able}."
        )


def check_combinations(settings: Any) -> None:
    """Raise a ConfigError if two settings exclude one another; ``settings`` is a ``Settings``."""
    objective, posterior = OBJECTIVES[settings.objective], POSTERIORS[settings.posterior]
    if objective.joint and INFERENCES[settings.inference].reparametrised is None:
        raise ConfigError(
            f"--objective {settings.objective} trains the encoder on {objective.joint.trains}, so "
            f"--inference {settings.inference} has no part in it: use fisher-reparam, or fisher for the "
            "gradient with z held fixed."
        )
    if objective.joint and settings.fisher_weight != type(settings).fisher_weight:
        raise ConfigError(
            f"--objective {settings.objective} has no weight of its posterior divergence: leave out "
            "--fisher-weight."
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
            f"--as-published is for --objective {' and '.join(published)}, of which the toy script differs "
            f"from the paper, not for {settings.objective}: leave it out."
        )
    if settings.as_published and (settings.squared_mean, settings.baseline) != ("auto", "auto"):
        raise ConfigError("--as-published fixes the estimators: leave out --squared-mean and --baseline.")
    if settings.tf32 and settings.device != "gpu" and settings.kernels in ("auto", *ON_HOST):
        raise ConfigError("--tf32 is a mode of a GPU's products: add --device gpu or leave it out.")
    if settings.tf32 and settings.dtype != "float32":
        raise ConfigError(f"--tf32 is a mode of float32 products, not of {settings.dtype}: leave it out.")
    if settings.parts > 1 and settings.as_published:
        raise ConfigError(
            f"--as-published takes means over the whole minibatch inside its losses, so it cannot be divided "
            f"into {settings.parts} parts: train it in one process, without --parts."
        )
    check_bilevel(settings)
    if settings.samples < 2 and (
        settings.squared_mean == "u-statistic" or settings.baseline == "leave-one-out"
    ):
        raise ConfigError(
            "--squared-mean u-statistic and --baseline leave-one-out need --samples of at least 2."
        )
