"""Metrics of a model on a test set: likelihood, score, reconstruction, posterior; in bounded memory."""

from .batches import Subject
from .frechet import FeatureMoments, frechet_distance, moments_of
from .kernel_distance import KernelDistance, kernel_distance
from .mmd import cubic_mmd, latent_mmd
from .posterior_means import iwae_bound, negative_elbo, posterior_fisher
from .prior import PriorEstimate, log_prob_and_score, prior_estimate
from .reconstruction import corrupted, denoising_mse
from .report import evaluate_all
from .spread import posterior_sds, sd_histogram
from .table import METRICS, MODEL_METRICS, SAMPLE_METRICS, Request, metric, squared

__all__ = [
    "METRICS",
    "MODEL_METRICS",
    "SAMPLE_METRICS",
    "FeatureMoments",
    "KernelDistance",
    "PriorEstimate",
    "Request",
    "Subject",
    "corrupted",
    "cubic_mmd",
    "denoising_mse",
    "evaluate_all",
    "frechet_distance",
    "iwae_bound",
    "kernel_distance",
    "latent_mmd",
    "log_prob_and_score",
    "metric",
    "moments_of",
    "negative_elbo",
    "posterior_fisher",
    "posterior_sds",
    "prior_estimate",
    "sd_histogram",
    "squared",
]
