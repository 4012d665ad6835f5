"""The similarity of a model's samples to the data: FID and KID of their features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..metrics import SAMPLE_METRICS
from ..metrics.batches import spans
from ..metrics.kernel_distance import SUBSETS
from ..metrics.table import FeaturePair
from ..rng import Key, Stream
from ..runs.session import Run
from ..runs.trained import TrainedVAE
from ..types import Array
from ..types.progress import Progress
from .features import Extractor, read_features, sha256_of

#: Number of images that are decoded and passed to the extractor at once.
BLOCK = 500


@dataclass(frozen=True)
class SampleQuality:
    """Distances between samples and data, one per model.

    Attributes
    ----------
    figures : dict
        ``fid``, ``kid`` and ``kid_se``, its standard error (:mod:`vsmnp.metrics.kernel_distance`); None
        where a model has diverged, or the error cannot be estimated.
    about : dict
        Their origin: extractor, the SHA-256 of its weights, features per sample, number of samples and
        the reference.
    """

    figures: dict[str, list[float | None]]
    about: dict[str, Any]


def sample_quality(
    run: Run, extractor: Extractor, samples: int = 0, progress: Progress | None = None
) -> SampleQuality:
    """Compute FID and KID between the samples of a run's models and its test set.

    Generated images are means of the decoder at draws from the prior, without the likelihood's noise; the
    reference is the test set without input noise. Both numbers depend on the number of samples: the FID
    decreases with it.

    Parameters
    ----------
    run : Run
        A run on images.
    extractor : Extractor
        Function from images to features.
    samples : int
        Generated images per model; 0: the size of the test set.
    progress : callable, optional
        Called with the number of images and subsets done, and their total.

    Raises
    ------
    DataError
        If the extractor does not accept such images.
    ConfigError
        If fewer than two samples are requested.
    """
    test = run.dataset.test(run.settings.data_seed, np.dtype(np.float32))
    samples = samples or len(test)
    if samples < 2:
        raise ConfigError(f"A distance between features needs at least 2 samples, not {samples}.")
    models = len(run.vae.seeds)
    done, total = 0, len(test) + models * (samples + SUBSETS)

    def tell(more: int, _: int = 0) -> None:
        """Report the images and subsets that are done, and some more."""
        if progress is not None:
            progress(done + more, total)

    def features_of(blocks: Iterator[Array]) -> Array:
        """Compute the features ``(N, d)`` of the images in ``blocks``."""
        nonlocal done
        parts = []
        for images in blocks:
            parts.append(extractor(images, run.dataset.image))
            done += len(images)
            tell(0)
        return np.concatenate(parts)

    reference = features_of(test[rows] for rows in spans(len(test), BLOCK))
    figures: dict[str, list[float | None]] = {each.name: [] for each in SAMPLE_METRICS}
    for r in range(models):
        generated = features_of(_generated(run.vae.some(slice(r, r + 1)), samples))
        found = distances(generated, reference, tell) if np.isfinite(generated).all() else {}
        done += SUBSETS
        for name, values in figures.items():
            values.append(found.get(name))
    return SampleQuality(figures, {
        "extractor": extractor.name, "sha256": extractor.sha256, "features": reference.shape[1],
        "samples": samples, "reference": f"test set of {run.dataset.name}", "reference_samples": len(test),
    })  # fmt: skip


def quality_of_files(generated: Path, reference: Path, progress: Progress | None = None) -> SampleQuality:
    """Compute FID and KID between features in two files; raises as :func:`.read_features` does."""
    x, y = read_features(generated), read_features(reference)
    found = distances(x, y, progress)
    return SampleQuality({name: [value] for name, value in found.items()}, {
        "extractor": generated.name, "sha256": sha256_of(generated), "features": x.shape[1],
        "samples": len(x), "reference": reference.name, "reference_samples": len(y),
        "reference_sha256": sha256_of(reference),
    })  # fmt: skip


def distances(x: Array, y: Array, progress: Progress | None = None) -> dict[str, float]:
    """Compute all of :data:`vsmnp.metrics.SAMPLE_METRICS` of features ``x (N, d)`` and ``y (M, d)``.

    Raises
    ------
    DataError
        If the numbers of columns differ, or a side has fewer than two samples.
    """
    pair = FeaturePair(x, y, progress)
    return {each.name: each.compute(pair) for each in SAMPLE_METRICS}


def _generated(vae: TrainedVAE, samples: int) -> Iterator[Array]:
    """Decode means of one model at draws from the prior, ``(n, D)`` per block; the draws of ``sample``."""
    key, d_z = Key(vae.seeds, Stream.ANCESTRAL), vae.model.d_z
    for rows in spans(samples, BLOCK):
        shape = (1, rows.stop - rows.start, d_z)
        z = vae.model.posterior.prior(vae.k, key, shape, vae.theta.dtype, rows.start * d_z)
        with np.errstate(over="ignore", invalid="ignore"):  # a diverged model gives None, not a warning
            means = vae.k.to_host(vae.model.decode(vae.k, vae.theta, z)[0])[0, 0]
            yield vae.preprocessing.to_data(means)
