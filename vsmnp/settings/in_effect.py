"""The settings in effect: what ``auto`` stands for, and which settings have no effect."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import cast

from .choices import ARCHITECTURES, INFERENCES, OPTIMIZERS, BatchNormRule
from .left_open import MOST_EPOCHS, PLAIN_SD_INIT, SD_INIT, STANDARDISED_SD_INIT, STEPS
from .settings import Settings

#: The settings that a model of an ensemble may have for itself; all others are those of the ensemble.
OF_A_MODEL = ("seeds", "lr", "encoder_lr", "bilevel_lr", "sd_init")

#: Values of ``standardize`` after which data have the scale 1.
STANDARDISED = ("columns", "whiten")


def estimators(settings: Settings) -> tuple[str, str]:
    """Choose the estimator of ``|E s|^2`` and the baseline of M3.

    ``auto`` is unbiased and with a baseline where S permits it.
    """
    several = settings.samples >= 2
    square, baseline = ("u-statistic", "leave-one-out") if several else ("biased", "none")
    return (
        square if settings.squared_mean == "auto" else settings.squared_mean,
        baseline if settings.baseline == "auto" else settings.baseline,
    )


def batch_norm(settings: Settings) -> BatchNormRule:
    """Return the normalisation rule of the networks; ``auto`` follows the paper's code."""
    if settings.batch_norm == "auto":
        return ARCHITECTURES[settings.arch].batch_norm
    return cast(BatchNormRule, settings.batch_norm)


def has_sigmoid(settings: Settings) -> bool:
    """Return whether the decoder's mean lies in (0, 1): that of every network for images does."""
    return ARCHITECTURES[settings.arch].of_images or settings.sigmoid_output


def initial_sd(settings: Settings) -> float:
    """Return the initial ``sqrt(gamma)``: standardised data have this scale before anything is learned."""
    fixed = settings.fixed_gamma()
    if fixed is not None:
        return float(fixed**0.5)
    if settings.sd_init or settings.standardize in STANDARDISED:
        return settings.sd_init or STANDARDISED_SD_INIT
    return PLAIN_SD_INIT if OPTIMIZERS[settings.optimizer].is_plain else SD_INIT


def with_initial_sd(settings: Settings) -> Settings:
    """Return the settings with their initial ``sqrt(gamma)``, which a run keeps in all versions.

    The data must be standardised or not; a fixed gamma stays as it is.
    """
    return settings if settings.fixed_gamma() else replace(settings, sd_init=initial_sd(settings))


def batches_per_step(settings: Settings) -> int:
    """Return the number of minibatches that a step reads: J if the encoder has fresh ones, else 1."""
    return settings.encoder_steps if settings.encoder_data == "fresh" else 1


def steps_per_epoch(settings: Settings, n_train: int) -> float:
    """Return the number of steps in which ``n_train`` training data are read once."""
    from ..data.batches import batches_per_epoch  # which needs NumPy

    return batches_per_epoch(n_train, settings.batch_size) / batches_per_step(settings)


def length(settings: Settings, n_train: int) -> float:
    """Return the number of steps of a run on ``n_train`` training data, not rounded."""
    if settings.steps:
        return settings.steps
    steps = max(1.0, (settings.epochs or MOST_EPOCHS) * steps_per_epoch(settings, n_train))
    return steps if settings.epochs else min(STEPS, steps)


def has_open_length(settings: Settings) -> bool:
    """Return whether the length of a run is left to its data."""
    return not settings.steps and not settings.epochs


def with_decided_length(settings: Settings, n_train: int) -> Settings:
    """Return the settings with their number of steps where their length is left open; others unchanged.

    A run keeps it in all versions. The minibatch size must be decided.
    """
    if not has_open_length(settings):
        return settings
    return replace(settings, steps=round(length(settings, n_train)))


def bilevel_step_size(settings: Settings) -> float:
    """Return the step size of the bi-level updates: unless it is chosen, that of the inference.

    It is 0 with an inference that has no such updates.
    """
    return settings.bilevel_lr or INFERENCES[settings.inference].bilevel_lr.get(settings.fisher_weight, 0.0)


def settings_in_effect(settings: Settings) -> dict[str, str]:
    """Return the settings in effect: estimators by name, a dash for settings that have no effect."""
    shown = {name: str(value) if value != "" else "-" for name, value in settings.to_mapping().items()}
    published = settings.as_published  # the toy script's variants have estimators of their own
    shown["squared_mean"], shown["baseline"] = ("-", "-") if published else estimators(settings)
    shown["batch_norm"], shown["sd_init"] = batch_norm(settings), f"{initial_sd(settings):g}"
    shown |= {spec.name: "-" for spec in fields(settings) if not settings.reads(spec.name)}
    if has_open_length(settings):
        shown |= {"steps": "auto", "epochs": "-"}
    else:
        shown["epochs" if settings.steps else "steps"] = "-"
    shown["bilevel_lr"] = f"{bilevel_step_size(settings):g}" if settings.bilevel_steps else "-"
    return shown
