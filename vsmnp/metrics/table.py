"""The table of the metrics: what each is called, how it is computed, and what it needs.

Reports, ``evaluation.csv``, comparisons and pictures read it and name no metric themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cached_property

import numpy as np

from ..errors import member_of
from ..settings.draws import IWAE_SAMPLES, PRIOR_DRAWS
from ..types import Array
from ..types.progress import Progress
from . import mmd, posterior_means, reconstruction
from .batches import Subject, check_count
from .frechet import frechet_distance, moments_of
from .kernel_distance import KernelDistance, kernel_distance
from .prior import PriorEstimate, prior_estimate


class BestValue(Enum):
    """The best value of a metric."""

    LEAST = "small"
    ZERO = "0"
    NONE = "-"


class Need(Enum):
    """A need of a metric in addition to a model and its test set; without it there is no figure."""

    NOTHING = auto()
    PRIOR_DRAWS = auto()  # draws that come close to the data: not those of images
    IWAE_SAMPLES = auto()
    DENSITY = auto()  # of the posterior
    TWO_DATA = auto()


@dataclass
class Request:
    """A request to evaluate R models on a test set.

    Raises
    ------
    ConfigError
        If the number of importance samples is negative.
    """

    #: The models and the clean test set.
    clean: Subject
    #: Standard deviation of the input noise.
    noise_sd: float = 0.0
    #: Whether to estimate from prior draws, which fails on images, and their number.
    by_prior: bool = field(kw_only=True)
    prior_draws: int = PRIOR_DRAWS
    #: Posterior samples per datum for the importance-weighted bound; 0 omits it.
    iwae_samples: int = IWAE_SAMPLES
    _prior: PriorEstimate | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_count("importance samples", self.iwae_samples, least=0)

    @cached_property
    def subject(self) -> Subject:
        """The models with the noisy test set: they were trained on its distribution."""
        return replace(self.clean, x=reconstruction.corrupted(self.clean.k, self.clean.x, self.noise_sd))

    def prior(self, progress: Progress | None) -> PriorEstimate:
        """Return the estimate from prior draws, which is computed once."""
        if self._prior is None:
            self._prior = prior_estimate(self.subject, self.prior_draws, progress)
        return self._prior

    def meets(self, need: Need) -> bool:
        """Return whether a metric with this need can be computed."""
        return {
            Need.NOTHING: True,
            Need.PRIOR_DRAWS: self.by_prior,
            Need.IWAE_SAMPLES: self.iwae_samples > 0,
            Need.DENSITY: self.subject.model.posterior.has_density,
            Need.TWO_DATA: len(self.subject.x) > 1,
        }[need]


@dataclass(frozen=True)
class FeaturePair:
    """Features of samples ``x (N, d)`` and of data ``y (M, d)``."""

    x: Array
    y: Array
    progress: Progress | None = None

    @cached_property
    def kernel_distance(self) -> KernelDistance:
        """The kernel distance of the two, with its progress."""
        return kernel_distance(self.x, self.y, progress=self.progress)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The name and the texts of a metric, and its bounds; a subclass computes it."""

    #: Name in JSON, in ``evaluation.csv`` and in the printed table.
    name: str
    #: Words of the printed table, without the unit.
    meaning: str
    #: Title of its panel in a picture, without the unit; empty if it has none.
    title: str = ""
    #: Its unit: nats, or powers of the units of x and z.
    unit: str = ""
    best: BestValue = BestValue.LEAST
    #: The field of :class:`vsmnp.data.Bounds` that is its lower bound; empty if there is none.
    floor: str = ""
    #: Whether it is minus the log of a density of the data, in their own units, whatever those of the model.
    of_density: bool = False
    #: Whether it is in the model's units, if the data are standardised.
    in_model_units: bool = False
    #: Whether ``vsmnp compare`` has a column for it.
    compared: bool = True
    #: Whether ``vsmnp list`` has a column for it.
    listed: bool = False

    @property
    def explanation(self) -> str:
        """The meaning with the unit, and with the best value if that is zero."""
        unit = f", {self.unit}" if self.unit else ""
        return f"{self.meaning}{unit}" + ("; 0 is best" if self.best is BestValue.ZERO else "")

    @property
    def heading(self) -> str:
        """The title with the unit."""
        return f"{self.title} ({squared(self.unit)})" if self.unit else self.title


def squared(unit: str) -> str:
    """Write the squares of a unit as a picture shows them: ``1/x^2`` as 1/x²."""
    return unit.replace("^2", "\N{SUPERSCRIPT TWO}")


@dataclass(frozen=True, kw_only=True)
class ModelMetric(Metric):
    """A metric of models on a test set."""

    #: Maps a request to ``(R,)``, and reports its progress if it is slow.
    compute: Callable[[Request, Progress | None], Array]
    need: Need = Need.NOTHING
    #: The steps of the evaluation stream that are its own: no two metrics share their noise.
    noise: tuple[int, ...] = ()
    slow: bool = False

    @property
    def during_training(self) -> bool:
        """Whether ``evaluation.csv`` has a column for it: it takes few draws."""
        return self.need not in (Need.PRIOR_DRAWS, Need.IWAE_SAMPLES)


@dataclass(frozen=True, kw_only=True)
class SampleMetric(Metric):
    """A distance of samples and data by their features."""

    compute: Callable[[FeaturePair], float]


MODEL_METRICS: tuple[ModelMetric, ...] = (
    ModelMetric(
        name="nll", meaning="negative log-likelihood", title="Negative log-likelihood", unit="nats",
        listed=True, of_density=True,
        floor="nll", need=Need.PRIOR_DRAWS, slow=True,
        compute=lambda at, progress: at.prior(progress).nll,
    ),
    ModelMetric(
        name="nll_se", meaning="its standard error over test points", compared=False, best=BestValue.NONE,
        need=Need.PRIOR_DRAWS, compute=lambda at, progress: at.prior(progress).nll_se,
    ),
    ModelMetric(
        name="ess", meaning="effective sample size of the prior draws", title="Effective sample size",
        compared=False, best=BestValue.NONE, need=Need.PRIOR_DRAWS,
        compute=lambda at, progress: at.prior(progress).ess,
    ),
    ModelMetric(
        name="sm_loss", meaning="score-matching loss", title="Score-matching loss", unit="1/x^2",
        floor="sm_loss", listed=True, in_model_units=True,
        need=Need.PRIOR_DRAWS, compute=lambda at, progress: at.prior(progress).sm_loss,
    ),
    ModelMetric(
        name="neg_elbo", meaning="negative ELBO", title="Negative ELBO", unit="nats", floor="nll",
        listed=True, of_density=True,
        noise=(posterior_means.ELBO_NOISE,), slow=True,
        compute=lambda at, progress: posterior_means.negative_elbo(at.subject, progress=progress),
    ),
    ModelMetric(
        name="iwae", meaning="importance-weighted bound of the nll", title="IWAE bound", unit="nats",
        listed=True, of_density=True,
        floor="nll", need=Need.IWAE_SAMPLES, noise=(posterior_means.IWAE_NOISE,), slow=True,
        compute=lambda at, progress: posterior_means.iwae_bound(at.subject, at.iwae_samples, progress),
    ),
    ModelMetric(
        name="mse", meaning="denoising mean squared error", title="Reconstruction MSE", unit="x^2",
        listed=True, in_model_units=True,
        noise=(reconstruction.NOISE,),
        compute=lambda at, _: reconstruction.denoising_mse(at.clean, at.noise_sd),
    ),
    ModelMetric(
        name="mmd", meaning="squared latent MMD, cubic kernel", title="Latent MMD", best=BestValue.ZERO,
        need=Need.TWO_DATA, noise=(mmd.POSTERIOR_NOISE, mmd.PRIOR_NOISE),
        compute=lambda at, _: mmd.latent_mmd(at.subject),
    ),
    ModelMetric(
        name="posterior_fd", meaning="posterior Fisher divergence", title="Posterior Fisher divergence",
        unit="1/z^2", need=Need.DENSITY, noise=(posterior_means.FISHER_NOISE,), slow=True,
        compute=lambda at, progress: posterior_means.posterior_fisher(at.subject, progress=progress),
    ),
    ModelMetric(
        name="gamma", meaning="likelihood variance", title=r"Likelihood variance $\gamma$", unit="x^2",
        best=BestValue.NONE, in_model_units=True,
        compute=lambda at, _: np.exp(2 * at.subject.log_sd),
    ),
)  # fmt: skip

SAMPLE_METRICS: tuple[SampleMetric, ...] = (
    SampleMetric(
        name="fid", meaning="Frechet distance of samples and data", title="FID",
        listed=True,
        compute=lambda pair: frechet_distance(moments_of(pair.x), moments_of(pair.y)),
    ),
    SampleMetric(
        name="kid", meaning="kernel distance of samples and data", title="KID", best=BestValue.ZERO,
        compute=lambda pair: pair.kernel_distance.mean,
    ),
    SampleMetric(
        name="kid_se", meaning="its standard error", compared=False, best=BestValue.NONE,
        compute=lambda pair: pair.kernel_distance.se,
    ),
)  # fmt: skip

METRICS: tuple[Metric, ...] = (*MODEL_METRICS, *SAMPLE_METRICS)


def metric(name: str) -> Metric:
    """Return a metric by its name.

    Raises
    ------
    ConfigError
        If there is no such metric.
    """
    return member_of({each.name: each for each in METRICS}, "metric", name)
