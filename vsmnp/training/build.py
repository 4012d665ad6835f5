"""Build the objects of a run from its settings, and give advice about the settings."""

from __future__ import annotations

from ..data import Dataset
from ..errors import ConfigError
from ..model.bernoulli import Bernoulli
from ..model.gaussian import DiagonalGaussian
from ..model.networks import BatchNormRule
from ..model.posterior import Posterior
from ..model.vae import GaussianVAE
from ..objectives import (
    ELBO,
    KL,
    M1,
    M2,
    M3,
    FixedGamma,
    GammaRule,
    JointFisher,
    JointFisherInference,
    JointFisherLearning,
    LearnedGamma,
    M2AsPublished,
    M3AsPublished,
    Objective,
    OptimalGamma,
    PosteriorFisher,
)
from ..objectives.m3 import Baseline
from ..objectives.quadratic import SquaredMean
from ..objectives.score_norm import ScoreNorm
from ..settings.settings import Settings


def build_model(settings: Settings, dataset: Dataset) -> GaussianVAE:
    """Build the architecture of the settings for the data.

    Raises
    ------
    ConfigError
        If the architecture is for images and the data are not images of a supported size.
    """
    if settings.arch == "mlp":
        return GaussianVAE.mlp(
            dataset.dim, settings.latent, settings.hidden, settings.activation,
            sigmoid_output=settings.sigmoid_output, posterior=build_posterior(settings),
        )  # fmt: skip
    if dataset.image is None:
        raise ConfigError(
            f"--arch {settings.arch} needs images of 1 or 3 channels, and a sample of {dataset.name} has the "
            f"shape {dataset.shape}: use --arch mlp."
        )
    return GaussianVAE.of_images(
        settings.arch, dataset.image, build_posterior(settings), settings.activation, settings.width,
        batch_norm(settings),
    )  # fmt: skip


def batch_norm(settings: Settings) -> BatchNormRule:
    """Return the normalisation rule of the networks; ``auto`` follows the paper's code."""
    match settings.batch_norm:
        case "coupled" | "frozen" as rule:
            return rule
        case "auto" if settings.arch == "resnet18":
            return "coupled"
    return "off"


def build_posterior(settings: Settings) -> Posterior:
    """Build the family of q(z|x) with its prior."""
    if settings.posterior == "bernoulli":
        return Bernoulli(settings.latent, settings.temperature)
    return DiagonalGaussian(settings.latent, "softplus" if settings.scale == "softplus" else "exp")


def gamma_rule(settings: Settings) -> GammaRule:
    """Build the rule for gamma."""
    if settings.gamma == "learn":
        return LearnedGamma()
    return OptimalGamma(settings.gamma_floor) if settings.gamma == "optimal" else FixedGamma()


def estimators(settings: Settings) -> tuple[SquaredMean, Baseline]:
    """Choose the estimators of M2 and M3; ``auto`` is unbiased and with a baseline where S permits it."""
    several = settings.samples >= 2
    square: SquaredMean = "u-statistic" if several else "biased"
    baseline: Baseline = "leave-one-out" if several else "none"
    if settings.squared_mean != "auto":
        square = "biased" if settings.squared_mean == "biased" else "u-statistic"
    if settings.baseline != "auto":
        baseline = "none" if settings.baseline == "none" else "leave-one-out"
    return square, baseline


def settings_in_effect(settings: Settings) -> dict[str, str]:
    """Return the settings in effect: estimators by name, a dash for settings that have no effect."""
    shown = {name: str(value) if value != "" else "-" for name, value in settings.to_mapping().items()}
    square, baseline = estimators(settings)
    by_definition = not settings.as_published
    shown["squared_mean"] = square if settings.objective in ("m2", "m3") and by_definition else "-"
    shown["baseline"] = baseline if settings.objective == "m3" and by_definition else "-"
    shown["score_norm"] = settings.score_norm if settings.objective == "fae" else "-"
    shown["gamma_floor"] = shown["gamma_floor"] if settings.gamma == "optimal" else "-"
    shown["temperature" if settings.posterior == "gaussian" else "scale"] = "-"
    shown["batch_norm"] = batch_norm(settings)
    for name in ("hidden", "sigmoid_output") if settings.arch != "mlp" else ("width", "batch_norm"):
        shown[name] = "-"
    shown["epochs" if settings.steps else "steps"] = "-"
    return shown


def build_learning(settings: Settings) -> Objective:
    """Build the objective that trains theta."""
    samples, gamma = settings.samples, gamma_rule(settings)
    square, baseline = estimators(settings)
    match settings.objective, settings.as_published:
        case "elbo", _:
            return ELBO(samples, gamma)
        case "m1", _:
            return M1(samples, gamma)
        case "m2", False:
            return M2(samples, gamma, square)
        case "m3", False:
            return M3(samples, gamma, square, baseline)
        case "m2", True:
            return M2AsPublished(samples, gamma)
        case "m3", True:
            return M3AsPublished(samples, gamma)
        case _:
            return JointFisherLearning(samples, _reparametrised(settings), _score_norm(settings), gamma)


def build_inference(settings: Settings) -> Objective:
    """Build the objective that trains phi."""
    if settings.objective == "fae":
        return JointFisherInference(settings.samples, _reparametrised(settings), _score_norm(settings))
    if settings.inference == "kl":
        return KL(settings.samples)
    weight = 2.0 if settings.as_published else 1.0
    return PosteriorFisher(settings.samples, _reparametrised(settings), weight)


def named_objective(name: str, samples: int) -> Objective:
    """Build an objective by its command-line name with default estimators; ``fae`` gives both gradients.

    Raises
    ------
    ConfigError
        If there is no objective of that name.
    """
    if name == "fae":
        return JointFisher(samples)
    if name in ("kl", "fisher", "fisher-reparam"):
        return build_inference(Settings(inference=name, samples=samples))
    return build_learning(Settings(objective=name, samples=samples))


def _reparametrised(settings: Settings) -> bool:
    return settings.inference == "fisher-reparam"


def _score_norm(settings: Settings) -> ScoreNorm:
    return "probe" if settings.score_norm == "probe" else "pathwise"


def advice(settings: Settings, d_x: int) -> list[str]:
    """Return sentences about the consequences of the settings; none of them stops a run."""
    notes = []
    second_order = settings.inference == "fisher-reparam" or settings.objective == "fae"
    if settings.samples == 1 and settings.objective == "m2" and not settings.as_published:
        notes.append("With one posterior sample M2 is the same estimator as M1: use --samples 2 or more.")
    if settings.samples == 1 and settings.objective == "m3" and not settings.as_published:
        notes.append(
            "With one posterior sample M3 is M1 plus the cross term, biased and without a baseline: use "
            "--samples 2 or more."
        )
    if settings.objective == "m3" and settings.latent >= d_x:
        notes.append(
            f"With {settings.latent} latent for {d_x} data dimensions M3 has a flat ray: (r(x) - x, gamma) "
            "and any multiple of it give the same loss, so gamma is fixed only through q."
        )
    crosses = settings.objective in ("m3", "fae")
    if crosses and batch_norm(settings) == "coupled":
        notes.append(
            "Batch normalisation couples the samples of a batch, so the score s^q of one of them has terms "
            "of the others, as in the paper's code: --batch-norm frozen leaves them out."
        )
    if second_order and settings.activation == "relu":
        notes.append(
            "Pathwise second-order gradients miss the jumps of a relu network's scores: use --activation "
            "tanh, softplus or elu."
        )
    return notes
