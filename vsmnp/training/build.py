"""Build the objects of a run from its settings, and give advice about the settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, cast

from ..data import Dataset
from ..errors import ConfigError, member_of
from ..layers.activations import ACTIVATIONS
from ..model.posterior import Posterior
from ..model.vae import GaussianVAE
from ..objectives import FixedGamma, GammaRule, LearnedGamma, Objective
from ..objectives.bilevel import Bilevel
from ..objectives.objective import Differentiable, LearningObjective
from ..settings.choices import (
    ARCHITECTURES,
    GAMMA_RULES,
    INFERENCES,
    OBJECTIVES,
    POSTERIORS,
    imported,
    is_second_order,
)
from ..settings.in_effect import batch_norm, estimators
from ..settings.settings import Settings
from ..types import Array


def ingredients(settings: Settings) -> dict[str, Any]:
    """Return what a member of a closed set may be built from, by the name of its parameter.

    These are the settings themselves and what they stand for: ``d_z``, ``floor``, ``gamma`` as a rule, the
    ``estimator`` of M2 and M3 and the ``baseline`` of M3, ``reparametrised``, and the ``weight`` of Fisher
    inference, which has no factor 1/2 as published.
    """
    estimator, baseline = estimators(settings)
    return {
        **asdict(settings),
        "d_z": settings.latent,
        "floor": settings.gamma_floor,
        "estimator": estimator,
        "baseline": baseline,
        "batch_norm": batch_norm(settings),
        "reparametrised": INFERENCES[settings.inference].reparametrised,
        "weight": INFERENCES[settings.inference].published_weight if settings.as_published else 1.0,
    }


def _call(member: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a class or function with the values that its parameters name."""
    return member(**{name: values[name] for name in inspect.signature(member).parameters})


def build_model(settings: Settings, dataset: Dataset) -> GaussianVAE:
    """Build the architecture of the settings for the data.

    Raises
    ------
    ConfigError
        If the architecture is for images and the data are not images of a supported size.
    """
    architecture, posterior = ARCHITECTURES[settings.arch], build_posterior(settings)
    values = {**ingredients(settings), "d_x": dataset.dim, "features": posterior.n_features}
    if not architecture.of_images:
        encoder, decoder = _call(architecture.load(), values)
        return GaussianVAE(encoder, decoder, posterior, dataset.dim)
    if dataset.image is None:
        raise ConfigError(
            f"--arch {settings.arch} needs images of 1 or 3 channels, and a sample of {dataset.name} has the "
            f"shape {dataset.shape}: use --arch mlp."
        )
    values |= {"image": dataset.image, "posterior": posterior}
    model: GaussianVAE = _call(GaussianVAE.of_images, values)
    return model


def build_posterior(settings: Settings) -> Posterior:
    """Build the family of q(z|x) with its prior."""
    posterior: Posterior = _call(POSTERIORS[settings.posterior].load(), ingredients(settings))
    return posterior


def gamma_rule(settings: Settings) -> GammaRule:
    """Build the rule for gamma."""
    if settings.fixed_gamma() is not None:
        return FixedGamma()
    rule: GammaRule = _call(GAMMA_RULES[settings.gamma].load(), ingredients(settings))
    return rule


def build_learning(settings: Settings, warmup: float = 0.0) -> Objective:
    """Build the objective that trains theta; ``warmup`` is the length of ``--kl-warmup`` in steps."""
    row = OBJECTIVES[settings.objective]
    place = row.published if settings.as_published else row.place
    return _objective(place, settings, gamma_rule(settings), warmup)


def build_inference(settings: Settings, warmup: float = 0.0) -> Objective:
    """Build the objective that trains phi, with J updates per training step."""
    joint = OBJECTIVES[settings.objective].joint
    place = joint.inference if joint else INFERENCES[settings.inference].place
    updates = warmup * settings.encoder_steps
    return _objective(place, settings, LearnedGamma(), updates)  # the decoder's update alone chooses a gamma


def build_bilevel(settings: Settings, learning: LearningObjective, lr: Array, warmup: float = 0.0) -> Bilevel:
    """Build the learning objective after K bi-level updates with step sizes ``lr (R,)``.

    The encoder of the published script goes on from the updated phi, and its Fisher updates do not keep their
    dependence on theta.
    """
    place, steps = INFERENCES[settings.inference].place, settings.bilevel_steps
    inner = _objective(place, settings, LearnedGamma(), warmup * steps)
    kept = not _is_detached(settings)
    return Bilevel(cast(Differentiable, inner), learning, steps, lr, kept, settings.as_published)


def _is_detached(settings: Settings) -> bool:
    """Return whether the decoder's gradient leaves out how bi-level updates depend on theta."""
    return settings.as_published and INFERENCES[settings.inference].reparametrised is not None


def _objective(place: str, settings: Settings, gamma: GammaRule, warmup: float = 0.0) -> Objective:
    values = {**ingredients(settings), "gamma": gamma, "kl_warmup": warmup}
    objective: Objective = _call(imported(place), values)
    return objective


def named_objective(name: str, samples: int) -> Objective:
    """Build an objective by its command-line name with default estimators; ``fae`` gives both gradients.

    Raises
    ------
    ConfigError
        If there is no objective of that name.
    """
    member_of({**OBJECTIVES, **INFERENCES}, "objective", name)
    if name in INFERENCES:
        return build_inference(Settings(inference=name, samples=samples))
    settings, joint = Settings.from_mapping({"objective": name, "samples": samples}), OBJECTIVES[name].joint
    return _objective(joint.both if joint else OBJECTIVES[name].place, settings, LearnedGamma())


def advice(settings: Settings, d_x: int) -> list[str]:
    """Return sentences about the consequences of the settings; none of them stops a run."""
    notes = []
    objective = OBJECTIVES[settings.objective]
    if settings.samples == 1 and objective.one_sample and not settings.as_published:
        notes.append(objective.one_sample)
    if objective.flat_ray and settings.latent >= d_x:
        notes.append(
            f"With {settings.latent} latent for {d_x} data dimensions {objective.label} has a flat ray: "
            "(r(x) - x, gamma) and any multiple of it give the same loss, so gamma is fixed only through q."
        )
    if objective.crosses and batch_norm(settings) == "coupled":
        notes.append(
            "Batch normalisation couples the samples of a batch, so the score s^q of one of them has terms "
            "of the others, as in the paper's code: --batch-norm frozen leaves them out."
        )
    second_order = settings.bilevel_steps > 0 and not _is_detached(settings)
    second_order |= is_second_order(settings.objective, settings.inference)
    if second_order and ACTIVATIONS[settings.activation].has_kink:
        notes.append(
            f"Pathwise second-order gradients miss the jumps of a {settings.activation} network's scores: "
            "use --activation tanh, softplus or elu."
        )
    return notes
