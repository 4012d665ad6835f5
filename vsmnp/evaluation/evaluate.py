"""The evaluation of a run on its test set, and warnings about its figures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path

import numpy as np

from ..data import Dataset, load_data
from ..data.arrays.given import Given, is_name, is_table, numbers_of
from ..data.arrays.table import ALL, ColumnChoice
from ..data.dataset import is_dataset
from ..data.fixed import channels_first
from ..errors import CheckpointError, ConfigError, DataError, StorageError
from ..metrics import Request, evaluate_all
from ..runs.newest import is_newest
from ..runs.session import Run, load_run
from ..settings.draws import IWAE_SAMPLES, PRIOR_DRAWS
from ..types import Array
from ..types.progress import Progress
from .kept import keep

#: Effective draws of the prior below which the likelihood that they estimate is unreliable.
FEW_DRAWS = 100


def evaluate(
    run: Run | str | Path, data: Given | Dataset = None, *, prior_draws: int = PRIOR_DRAWS,
    progress: Progress | None = None, iwae_samples: int = IWAE_SAMPLES,
) -> dict[str, list[float | None]]:  # fmt: skip
    """Compute every metric on a test set, one number per model; nats and per-sample means.

    A run with a folder keeps the evaluation on its own test set in ``evaluation.json``.

    Parameters
    ----------
    run : Run or path
        The run to evaluate, or its folder.
    data : Dataset, path or array_like, optional
        The test set, ``(N, D)`` or with the axes of a sample: an array, a table with the columns of the run,
        or the test set of a dataset. By default that of the run.
    prior_draws : int
        Number of prior draws for the likelihood; not used on images.
    progress : callable, optional
        Called with the completed and the total amount.
    iwae_samples : int
        Posterior samples per datum for ``iwae``, most of the time on images; 0 omits it.

    Returns
    -------
    dict
        For each name of :data:`vsmnp.metrics.table.MODEL_METRICS` a list over the models; None where a figure
        is undefined, such as the likelihood by the prior on images, or was omitted.

    Raises
    ------
    ConfigError
        If there is no run on which to compute, but a model or the like, or a number in place of data.
    DataError
        If the data cannot be read, or are not of the run's shape.
    """
    if isinstance(run, str | Path):
        run = load_run(run)
    if not isinstance(run, Run):
        raise ConfigError(f"evaluate needs a run of vsmnp.train, or its folder, not a {type(run).__name__}.")
    if isinstance(data, Integral):
        raise ConfigError(
            f"evaluate takes the test data after the run, not the number {data}: give the number of draws by "
            f"its name, prior_draws={data}."
        )
    figures = measured(run, data, prior_draws, progress, iwae_samples)
    if data is None and _is_current(run):
        try:
            keep(run, figures, prior_draws, iwae_samples)
        except StorageError as error:  # the figures are there all the same
            warnings.warn(f"The evaluation is not kept: {error}", stacklevel=2)
    return figures


def _is_current(run: Run) -> bool:
    """Return whether the folder of a run holds its state, and not that of a later training."""
    if run.folder is None:
        return False
    try:
        return is_newest(run.folder, run.seal)
    except CheckpointError:
        return False


def measured(
    run: Run, data: Given | Dataset, prior_draws: int, progress: Progress | None, iwae_samples: int
) -> dict[str, list[float | None]]:
    """Compute what :func:`evaluate` returns, and keep nothing."""
    request = Request(
        run.vae.on(evaluated_data(run, data)), run.settings.noise,
        by_prior=not run.dataset.is_image, prior_draws=prior_draws, iwae_samples=iwae_samples,
    )  # fmt: skip
    return evaluate_all(request, progress)


def evaluated_data(run: Run, data: Given | Dataset = None) -> Array:
    """Return the data on which a run is evaluated, ``(N, D)``; raises as :func:`evaluate` does."""
    if data is None:
        return run.test_set
    dtype = np.dtype(run.settings.dtype)
    if is_name(data):
        data = load_data(data)
    if is_dataset(data):
        x = data.test(run.settings.data_seed, dtype)
    else:
        named = ColumnChoice(run.dataset.columns) if is_table(data) else ALL
        values, _ = numbers_of(data, "The test array", named)
        x = values
        if x.ndim > 1 and x.size:
            x = channels_first(x).reshape(len(x), -1)
        x = x if x.dtype == np.uint8 else x.astype(dtype)  # TrainedVAE.on divides bytes of pixels
    if x.ndim != 2 or x.shape[1] != run.dataset.dim:
        raise DataError(
            f"The test data have the shape {x.shape}, and the model of {run.dataset.name} needs "
            f"(N, {run.dataset.dim}): give samples of the shape {run.dataset.shape}."
        )
    if not np.isfinite(x).all():
        raise DataError("The test data hold NaN or infinity: leave those samples out.")
    return x


def doubts(figures: Mapping[str, Sequence[float | None]]) -> list[str]:
    """Write warnings about figures of :func:`evaluate` that do not mean what they seem to."""
    sizes = [ess for ess in figures.get("ess", ()) if ess is not None]
    if not sizes or min(sizes) >= FEW_DRAWS:
        return []
    return [
        f"The nll is estimated by {min(sizes):.3g} effective draws of the prior (ess), and {FEW_DRAWS} are "
        "needed: it may be far too large, and sm_loss is unreliable. Use iwae instead, or more --draws."
    ]
